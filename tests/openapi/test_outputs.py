from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.core.diagnostics import Severity
from reconciler.core.diff.diff import Origin
from reconciler.core.history import events
from reconciler.core.history.outcome import NAMES, Outcome, Succeeded
from reconciler.core.lifecycle import OnChange, OnFailed, OnMissing, OnRemove
from reconciler.core.planning import actions
from reconciler.resources import load_schema


def accepts(schema: str, document: Any) -> bool:
    """Whether a shipped schema accepts a document."""
    return Draft202012Validator(load_schema(schema)).is_valid(document)


DIAGNOSTIC: dict[str, Any] = {
    "severity": "error",
    "code": "unknown-field",
    "message": "unknown field 'priorty'",
    "hint": "did you mean 'priority'?",
    "file": "team-a/finetune.yaml",
    "line": 4,
    "column": 3,
    "end_line": 4,
    "end_column": 11,
    "pointer": "/metadata/priorty",
    "address": "4501/llm-finetune",
}

CHANGE = {
    "pointer": "/manifest/spec/replicas",
    "before": 1,
    "after": 2,
    "forces_replace": True,
    "origin": "spec",
}

PLAN: dict[str, Any] = {
    "format_version": "1.0",
    "tool_version": "0.1.0",
    "digest": f"sha256:{'0' * 64}",
    "created_at": "2025-06-01T12:00:00Z",
    "target": {
        "url": "https://app.run.ai",
        "tenant_id": 1,
        "api_version": "2.23",
        "stack": "team-a",
    },
    "state": {"lineage": "5e0d6c0e-3f0a-4d51-9a52-0c6f6f9d2f11", "serial": 12},
    "complete": True,
    "summary": {
        **dict.fromkeys(actions.SUMMARY_ORDER, 0),
        "create": 1,
        "unchanged": 12,
        "drifted": 0,
        "gpus": {
            "before": 8.0,
            "after": 16.0,
            "peak": 16.0,
            "unknown_workloads": 0,
            "by_project": {"4501": {"before": 8.0, "after": 16.0, "peak": 16.0}},
        },
    },
    "actions": [
        {
            "address": "4501/llm-finetune",
            "action": "create",
            "reason": "new",
            "detail": "not there yet",
            "id": None,
            "source": {"file": "team-a/finetune.yaml", "line": 1},
            "wave": 0,
            "gpus": {"before": 0.0, "after": 8.0},
            "changes": [CHANGE],
        }
    ],
    "drift": [
        {"address": "4501/a", "changes": [{**CHANGE, "origin": "remote"}], "origin": "remote"}
    ],
    "diagnostics": [DIAGNOSTIC],
}

HERE = {"at": "2025-06-01T12:00:00Z", "address": "4501/llm-finetune"}
RUN = {"at": "2025-06-01T12:00:00Z", "run": "r1"}
COUNTS = dict.fromkeys(["created", "deleted", "replaced", "failed", "skipped", "in_doubt"], 1)
EVENTS: dict[str, dict[str, Any]] = {
    "run_started": {**RUN, "format_version": "1.0", "actions": 3},
    "action_started": {**HERE, "action": "create"},
    "request_retried": {**HERE, "method": "POST", "attempt": 1, "delay": 0.2, "reason": "503"},
    "action_succeeded": {**HERE, "action": "create", "id": "0b0c7a1e", "took": 1.5, "detail": ""},
    "action_failed": {**HERE, "action": "delete", "id": "0b0c7a1e", "message": "no", "hint": "go"},
    "action_skipped": {**HERE, "action": "replace", "message": "stopped"},
    "in_doubt": {**HERE, "action": "create", "message": "no answer"},
    "throttled": {**HERE, "delay": 2, "reason": "429"},
    "run_finished": {**RUN, "took": 4.2, "summary": COUNTS, "stopped_by": ""},
}


@pytest.mark.parametrize(
    ("schema", "document"),
    [
        ("diagnostic", DIAGNOSTIC),
        ("plan", PLAN),
        *(("event", {"event": name, **fields}) for name, fields in EVENTS.items()),
    ],
)
def test_outputs_are_closed(schema: str, document: dict[str, Any]) -> None:
    """A whole output is accepted, and at no depth may it hold a key that is not published."""
    assert accepts(schema, document)
    widened = list(_widened(document))
    assert widened
    assert [wide for wide in widened if accepts(schema, wide)] == []


def _widened(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield {**value, "surprise": 1}
        for key, inner in value.items():
            # Maps by project are open by nature: their keys are data.
            for wide in _widened(inner) if key != "by_project" else ():
                yield {**value, key: wide}
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            for wide in _widened(inner):
                yield [*value[:index], wide, *value[index + 1 :]]


@pytest.mark.parametrize(
    ("schema", "document"), [("diagnostic", DIAGNOSTIC), ("plan", PLAN)], ids=["diagnostic", "plan"]
)
def test_outputs_are_complete(schema: str, document: dict[str, Any]) -> None:
    """No key of a diagnostic or of a plan may be left out."""
    without = [{k: v for k, v in document.items() if k != key} for key in document]
    assert [less for less in without if accepts(schema, less)] == []


@pytest.mark.parametrize(
    ("schema", "document"),
    [
        ("diagnostic", {**DIAGNOSTIC, "severity": "info"}),
        ("diagnostic", {**DIAGNOSTIC, "code": "Unknown field"}),
        ("diagnostic", {**DIAGNOSTIC, "code": "unknown-field\n"}),
        ("diagnostic", {**DIAGNOSTIC, "line": 0}),
        ("diagnostic", {**DIAGNOSTIC, "pointer": "metadata"}),
        ("plan", {**PLAN, "format_version": "2.0"}),
        ("plan", {**PLAN, "digest": f"sha256:{'0' * 64}\n"}),
        ("plan", {**PLAN, "actions": [{**PLAN["actions"][0], "action": "keep"}]}),
        ("plan", {**PLAN, "actions": [{**PLAN["actions"][0], "reason": "because"}]}),
        ("event", {"event": "surprise", **HERE}),
        ("event", {"event": "run_started", **EVENTS["run_finished"]}),
    ],
)
def test_wrong_outputs_are_refused(schema: str, document: Any) -> None:
    """Closed sets are closed, and every event has its own fields."""
    assert not accepts(schema, document)


def test_the_plan_holds_diagnostics() -> None:
    """A diagnostic inside a plan is the published diagnostic, rule for rule."""
    inside = load_schema("plan")["$defs"]["Diagnostic"]
    alone = load_schema("diagnostic")
    assert inside == {k: v for k, v in alone.items() if k not in ("$schema", "$id", "title")}


def _enum(*path: str) -> list[Any]:
    place: Mapping[str, Any] = load_schema(path[0])
    for step in path[1:]:
        place = place[step]
    return list(place["enum"])


def test_closed_sets_are_those_of_the_core() -> None:
    """What a schema lists is what the core can say, in both directions."""
    action = ("plan", "$defs", "Action", "properties")
    lifecycle = ("spec", "$defs", "Lifecycle", "properties")
    assert _enum(*action, "reason") == [*actions.Reason]
    assert _enum(*action, "action") == [*actions.SUMMARY_ORDER]
    assert _enum("event", "$defs", "ActionKind") == [*actions.SUMMARY_ORDER]
    assert _enum("plan", "$defs", "Origin") == [*Origin]
    assert _enum("diagnostic", "properties", "severity") == [*Severity]
    assert _enum(*lifecycle, "onRemove") == [*OnRemove]
    assert _enum(*lifecycle, "onMissing") == [*OnMissing]
    assert _enum(*lifecycle, "onChange") == [*OnChange]
    # What `report` was called before goes on being read.
    report, *others = OnFailed
    assert _enum(*lifecycle, "onFailed") == [report, "keep", *others]


@pytest.mark.parametrize(
    "event",
    [event for event in events.Event.__args__ if event is not events.ActionEnded],
    ids=lambda event: event.__name__,
)
def test_events_are_published_whole(event: type) -> None:
    """Every field of an event has its place in the published stream."""
    published = load_schema("event")["$defs"][event.__name__]["properties"]
    assert {field.name for field in dataclasses.fields(event)} <= set(published)


@pytest.mark.parametrize("outcome", Outcome.__args__, ids=lambda outcome: outcome.__name__)
def test_outcomes_are_published_whole(outcome: type[Outcome]) -> None:
    """The end of an action is an event of its outcome, with every field of both."""
    [published] = [
        set(definition["properties"])
        for definition in load_schema("event")["$defs"].values()
        if definition.get("properties", {}).get("event") == {"const": NAMES[outcome].event}
    ]
    fields = {field.name for field in dataclasses.fields(outcome)}
    # How long it took is of interest where something was done.
    fields |= {"at", "address", "action"} | ({"took"} if outcome is Succeeded else set())
    assert fields <= published
