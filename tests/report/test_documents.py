from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler import __version__
from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.history import events
from reconciler.core.history.events import ActionEnded, Event, RunFinished, RunStarted, Summary
from reconciler.core.history.outcome import Failed, InDoubt, Outcome, Skipped, Succeeded
from reconciler.core.model import Live, Own, Purpose
from reconciler.core.planning.case import PlanOptions
from reconciler.core.planning.planner import make_plan
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.errors import Where
from reconciler.report.machine.documents import (
    applied_document,
    diagnostics_document,
    event_document,
    plan_document,
    record_document,
    to_line,
    to_list_text,
    to_text,
    to_yaml,
)
from reconciler.resources import load_schema
from reconciler.specs.source.source_cache import read_data
from tests.support.factories import (
    LINEAGE,
    NOW,
    PLAN_TARGET,
    make_address,
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
    plan_for,
)
from tests.support.strategies import World, json_objects, plan_options, worlds

MOMENT = datetime(2026, 11, 20, 9, 0, 0, 123456, tzinfo=UTC)
VALIDATORS = {
    name: Draft202012Validator(
        load_schema(name), format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    for name in ("plan", "diagnostic", "event")
}
WARNING = Diagnostic(
    severity=Severity.WARNING,
    code="unknown-kind",
    message="nobody knows this kind",
    where=Where(file="b.yaml", line=2),
)
ERROR = Diagnostic(
    severity=Severity.ERROR,
    code="unknown-field",
    message="unknown field 'priorty'",
    hint="did you mean 'priority'?",
    where=Where(file="a.yaml", line=4, column=3, end_line=4, end_column=11),
    pointer="/metadata/priorty",
    address="4501/llm",
)


def valid(schema: str, document: Any) -> Any:
    """Return a document as its readers get it, once its schema has accepted it."""
    read = json.loads(to_text(document))
    VALIDATORS[schema].validate(read)
    return read


def test_a_whole_plan() -> None:
    """The published form, to the last field."""
    row = make_recorded()
    desired = make_desired(manifest=make_manifest(replicas=2, gpus=4), file="a.yaml", line=3)
    live: dict[str, Live] = {
        row.id or "": make_remote(row, raw_manifest={**make_manifest(), "kind": "Job"})
    }
    plan = make_plan(
        [desired],
        [row],
        live,
        target=PLAN_TARGET,
        lineage=LINEAGE,
        serial=7,
        options=PlanOptions(can_update=CanUpdate.NO),
        diagnostics=[WARNING],
    )
    replicas = "/manifest/spec/replicas"
    limit = "/manifest/spec/template/spec/containers/0/resources/limits/nvidia.com~1gpu"
    own = {"forces_replace": True, "origin": "spec"}
    # What runs is an apps/v1 Job, of which nobody knows how many pods it makes.
    totals = {"before": 0.0, "after": 8.0, "peak": 8.0}
    assert valid("plan", plan_document(plan, MOMENT)) == {
        "format_version": "1.1",
        "tool_version": __version__,
        "digest": plan.digest,
        "created_at": "2026-11-20T09:00:00+00:00",
        "target": {
            "url": "https://app.run.ai",
            "tenant_id": 1,
            "api_version": "2.23",
            "stack": "team-a",
        },
        "state": {"lineage": LINEAGE, "serial": 7},
        "complete": True,
        "summary": {
            "create": 0,
            "replace": 1,
            "update": 0,
            "delete": 0,
            "adopt": 0,
            "forget": 0,
            "resolve": 0,
            "hold": 0,
            "record": 0,
            "unchanged": 0,
            "drifted": 1,
            "down": 0,
            "refused": 0,
            "finished": 0,
            "expired": 0,
            "gpus": {**totals, "unknown_workloads": 1, "by_project": {"4501": totals}},
        },
        "actions": [
            {
                "address": "4501/llm",
                "action": "replace",
                "reason": "spec-changed",
                "detail": f"{replicas} and 1 more changed; API 2.23 can only delete and create",
                "id": "id-op-4501-llm",
                "source": {"file": "a.yaml", "line": 3},
                "wave": 0,
                "gpus": {"before": 0.0, "after": 8.0, "at_least": True},
                "changes": [
                    {
                        "pointer": "/manifest/kind",
                        "before": "Job",
                        "after": "Deployment",
                        "forces_replace": False,
                        "origin": "remote",
                    },
                    {"pointer": replicas, "before": 1, "after": 2, **own},
                    {"pointer": limit, "before": 1, "after": 4, **own},
                ],
                "kind": "Deployment",
                "images": ["nvcr.io/llm:1"],
                "commands": [],
                "host_access": [],
                "priority": None,
                "document": desired.spec,
            }
        ],
        "drift": [
            {
                "address": "4501/llm",
                "origin": "remote",
                "changes": [
                    {
                        "pointer": "/manifest/kind",
                        "before": "Deployment",
                        "after": "Job",
                        "forces_replace": False,
                        "origin": "remote",
                    }
                ],
            }
        ],
        "diagnostics": [
            {
                "severity": "warning",
                "code": "unknown-kind",
                "message": "nobody knows this kind",
                "hint": None,
                "file": "b.yaml",
                "line": 2,
                "column": 1,
                "end_line": None,
                "end_column": None,
                "pointer": "",
                "address": None,
            }
        ],
    }


@given(worlds(), plan_options)
def test_every_plan_is_as_its_schema_says(world: World, options: PlanOptions) -> None:
    """Whatever is in it, it validates, and only the moment differs between two renderings."""
    plan = make_plan(
        world.desired,
        world.recorded,
        world.live,
        target=PLAN_TARGET,
        lineage="",
        options=options,
    )
    first = valid("plan", plan_document(plan, MOMENT))
    second = plan_document(plan, datetime(2030, 1, 1, tzinfo=UTC))
    assert first["state"] == {"lineage": None, "serial": 0}
    assert first | {"created_at": ""} == json.loads(to_text(second)) | {"created_at": ""}


@given(json_objects, json_objects)
def test_any_change_can_be_published(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Pointers and values of every kind are as the schema says."""
    manifest = {"apiVersion": "v1", "kind": "Pod"}
    old = make_desired(manifest={**before, **manifest})
    new = make_desired(manifest={**after, **manifest})
    valid("plan", plan_document(plan_for([new], [make_recorded(old)]), MOMENT))


def test_findings_are_as_their_schema_says() -> None:
    """With everything and with the least."""
    found = diagnostics_document([ERROR, WARNING])
    assert [valid("diagnostic", one) for one in found] == found
    assert found[0] == {
        "severity": "error",
        "code": "unknown-field",
        "message": "unknown field 'priorty'",
        "hint": "did you mean 'priority'?",
        "file": "a.yaml",
        "line": 4,
        "column": 3,
        "end_line": 4,
        "end_column": 11,
        "pointer": "/metadata/priorty",
        "address": "4501/llm",
    }


HERE: dict[str, Any] = {"at": NOW, "address": make_address()}
PUBLISHED = {"at": NOW, "address": "4501/llm"}
SUMMARY = {
    "created": 1,
    "deleted": 0,
    "replaced": 0,
    "updated": 0,
    "adopted": 0,
    "forgotten": 0,
    "recorded": 0,
    "failed": 0,
    "skipped": 0,
    "down": 0,
    "refused": 0,
    "finished": 0,
    "expired": 0,
    "in_doubt": 2,
}
EVENTS: list[tuple[Event, dict[str, Any]]] = [
    (
        RunStarted(at=NOW, run="r", actions=3),
        {"event": "run_started", "format_version": "1.0", "at": NOW, "run": "r", "actions": 3},
    ),
    (
        events.ActionStarted(**HERE, action="create"),
        {"event": "action_started", **PUBLISHED, "action": "create", "id": None},
    ),
    (
        events.RequestRetried(**HERE, method="POST", attempt=1, delay=0.25, reason="503"),
        {
            "event": "request_retried",
            **PUBLISHED,
            "method": "POST",
            "attempt": 1,
            "delay": 0.25,
            "reason": "503",
            "is_news": False,
        },
    ),
    (
        events.Throttled(**HERE, delay=2, reason="429"),
        {"event": "throttled", **PUBLISHED, "delay": 2, "reason": "429", "limit": None},
    ),
    (
        events.StateAwaited(at=HERE["at"]),
        {"event": "state_awaited", "at": PUBLISHED["at"]},
    ),
    (
        events.ActionEnded(
            **HERE, action="create", took=1.5, outcome=Succeeded(id="i", detail="d")
        ),
        {
            "event": "action_succeeded",
            **PUBLISHED,
            "action": "create",
            "id": "i",
            "took": 1.5,
            "detail": "d",
            "counted_as": "",
        },
    ),
    (
        events.ActionEnded(**HERE, action="delete", outcome=Failed(message="no", id="i", hint="h")),
        {
            "event": "action_failed",
            **PUBLISHED,
            "action": "delete",
            "message": "no",
            "id": "i",
            "hint": "h",
            "cause": "other",
            "deleted": None,
            "down": False,
        },
    ),
    (
        events.ActionEnded(**HERE, action="replace", outcome=Skipped(message="stopped")),
        {
            "event": "action_skipped",
            **PUBLISHED,
            "action": "replace",
            "message": "stopped",
            "hint": "",
            "deleted": None,
            "down": False,
        },
    ),
    (
        events.ActionEnded(
            **HERE,
            action="resolve",
            outcome=InDoubt(message="m", hint="h", deleted="old", down=True),
        ),
        {
            "event": "in_doubt",
            **PUBLISHED,
            "action": "resolve",
            "message": "m",
            "hint": "h",
            "deleted": "old",
            "down": True,
        },
    ),
    (
        RunFinished(at=NOW, run="r", took=4.2, summary=Summary(created=1, in_doubt=2)),
        {
            "event": "run_finished",
            "at": NOW,
            "run": "r",
            "took": 4.2,
            "summary": SUMMARY,
            "stopped_by": "",
        },
    ),
]


@pytest.mark.parametrize(("event", "expected"), EVENTS)
def test_an_event_in_a_stream(event: Event, expected: dict[str, Any]) -> None:
    """Its name comes first, the rest is as its schema says, on one line."""
    document = event_document(event)
    assert valid("event", document) == expected
    assert next(iter(document)) == "event"
    line = to_line(document)
    assert "\n" not in line
    assert json.loads(line) == expected


def test_every_kind_of_event_is_published() -> None:
    """The list above leaves none out."""
    assert {type(event) for event, _ in EVENTS} == set(Event.__args__)
    outcomes = {type(event.outcome) for event, _ in EVENTS if isinstance(event, ActionEnded)}
    assert outcomes == set(Outcome.__args__)


def test_the_end_of_an_apply_names_its_plan() -> None:
    """The digest that was approved, what became of each workload, and the last event."""
    plan = plan_for([make_desired()])
    finished = RunFinished(at=NOW, run="r", took=1.0)
    doubt = ActionEnded(
        at=NOW, address=make_address(), action="create", outcome=InDoubt(message="?")
    )
    assert applied_document(plan, finished, [doubt]) == {
        "format_version": "1.0",
        "tool_version": __version__,
        "digest": plan.digest,
        "actions": [event_document(doubt)],
        "run": event_document(finished),
    }


def test_a_record_in_short_and_whole() -> None:
    """What is empty is null; the documents in it are the redacted ones."""
    row = make_recorded(
        make_desired(protect=True, wave=2, ignore_changes=("/a",)),
        own=Own.DELETING,
        purpose=Purpose.REPLACE,
        message="",
        spec={"a": 1},
        echo=None,
        digest="sha256:0",
    )
    short = {
        "address": "4501/llm",
        "id": "id-op-4501-llm",
        "own": "DELETING",
        "seen": "Synced",
        "message": None,
        "former_id": None,
        "protect": True,
        "wave": 2,
        "source": "llm.yaml",
        "last_sent_at": NOW,
    }
    assert record_document(row) == short
    whole = record_document(row, whole=True)
    assert json.loads(to_text(whole)) == short | {
        "op": "op-4501-llm",
        "run": "run-1",
        "digest": "sha256:0",
        "ambiguous": False,
        "attempts": 1,
        "first_sent_at": NOW,
        "purpose": "replace",
        "marker": f"{LINEAGE}/op-4501-llm",
        "lifecycle": {
            "protect": True,
            "on_remove": "delete",
            "on_missing": None,
            "on_change": "update-or-replace",
            "on_failed": "report",
            "after_completion": "keep",
            "ttl": None,
            "max_runtime": None,
            "wave": 2,
            "ignore_changes": ["/a"],
        },
        "spec": {"a": 1},
        "echo": None,
    }


ROW = make_recorded()


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2000])
def test_a_long_list_reads_as_if_it_had_been_written_at_once(count: int) -> None:
    """It is written in parts, which nobody can tell from the outside."""
    documents = [{"number": number, "of": ["a\nb", {}]} for number in range(count)]
    assert to_list_text(iter(documents)) == to_text(documents)


def test_yaml_keeps_the_order_and_ends_without_a_line_break() -> None:
    """Several documents are one stream, and are read back as they were."""
    documents = [{"b": 1, "a": "ü"}, {"c": "x" * 200}]
    text = to_yaml(documents)
    assert text.startswith("b: 1\na: ü\n---\n")
    assert not text.endswith("\n")
    assert list(yaml.safe_load_all(text)) == documents


@example("1e-4")
@example("0o17")
@example("08")
@example("y")
@example("+1.5E3")
@example(".5")
@example("-.inf")
@example("2026-11-29")
@given(st.text(alphabet="0123456789+-.eEoxXyYnN~:_af", max_size=8))
def test_a_text_of_a_document_is_read_as_a_text(text: str) -> None:
    """Also one that another version of YAML takes for a number: a learning rate is an argument."""
    written = to_yaml([{"args": [text]}])
    [document] = read_data(written.encode(), "x.yaml").documents
    assert (document.value, document.ambiguous) == ({"args": [text]}, False)
