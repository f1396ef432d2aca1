from __future__ import annotations

import re
from typing import Any

import promql_parser
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from reconciler import __version__
from reconciler.cli.metrics.run_metrics import read_successes
from reconciler.core.lifecycle import (
    OnChange,
)
from reconciler.core.model import (
    Own,
)
from reconciler.report.machine.metrics import FAMILIES, RunMetrics, metrics_text
from tests.support.factories import (
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
    plan_for,
)
from tests.support.places import ROOT
from tests.support.promql import evaluate

ALERTS = ROOT / "examples" / "monitoring" / "alerts.yaml"
KEPT = make_recorded(make_desired("4501/kept"))
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def make_run(**fields: Any) -> RunMetrics:
    """A run that failed at once, fields replaced."""
    known: dict[str, Any] = {
        "command": "apply",
        "stack": "blue",
        "finished": 1_800_000_000.25,
        "duration": 1.5,
        "exit_code": 9,
    }
    return RunMetrics(**(known | fields))


def make_full_run(**fields: Any) -> RunMetrics:
    """A run of which everything is known."""
    kept = make_recorded(make_desired("4501/kept"))
    plan = plan_for(
        [make_desired("4501/kept"), make_desired("4502/new", manifest=make_manifest())],
        [kept],
        {kept.id or "": make_remote(kept)},
    )
    return make_run(
        exit_code=0,
        plan=plan,
        results={("create", "succeeded"): 1},
        requests={("GET", "200"): 1, ("POST", "202"): 1, ("POST", ""): 2},
        retries={"unavailable": 3, "throttled": 0},
        pauses=1,
        paused=2.5,
        in_doubt=2,
        owned=dict.fromkeys(Own, 0) | {Own.ACCEPTED: 2, Own.UNCONFIRMED: 1, Own.CREATING: 1},
        **fields,
    )


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Every sample as the official client library reads it, by name and own labels."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        assert family.documentation == FAMILIES[family.name]
        for sample in family.samples:
            labels = [v for k, v in sample.labels.items() if k not in ("command", "stack")]
            found[sample.name, *labels] = sample.value
    return found


def test_a_run_that_failed_at_once() -> None:
    """What is not known is left out; when a run last succeeded is kept."""
    assert metrics_text(make_run(last_success=1_700_000_000.0)) == (
        "# HELP reconciler_build_info The version that ran, always 1.\n"
        "# TYPE reconciler_build_info gauge\n"
        f'reconciler_build_info{{command="apply",stack="blue",version="{__version__}"}} 1\n'
        "# HELP reconciler_last_run_timestamp_seconds "
        "When the last run ended, with any exit code.\n"
        "# TYPE reconciler_last_run_timestamp_seconds gauge\n"
        'reconciler_last_run_timestamp_seconds{command="apply",stack="blue"} 1800000000.25\n'
        "# HELP reconciler_last_success_timestamp_seconds "
        "When a run last ended with the exit code 0, or 2 for a plan with changes.\n"
        "# TYPE reconciler_last_success_timestamp_seconds gauge\n"
        'reconciler_last_success_timestamp_seconds{command="apply",stack="blue"} 1700000000.0\n'
        "# HELP reconciler_last_run_exit_code "
        "The exit code of the last run.\n"
        "# TYPE reconciler_last_run_exit_code gauge\n"
        'reconciler_last_run_exit_code{command="apply",stack="blue"} 9\n'
        "# HELP reconciler_last_run_duration_seconds How long the last run took.\n"
        "# TYPE reconciler_last_run_duration_seconds gauge\n"
        'reconciler_last_run_duration_seconds{command="apply",stack="blue"} 1.5\n'
        "# HELP reconciler_throttle_pauses How often the last run held back all of its requests.\n"
        "# TYPE reconciler_throttle_pauses gauge\n"
        'reconciler_throttle_pauses{command="apply",stack="blue"} 0\n'
        "# HELP reconciler_throttle_pause_seconds For how many seconds at most it held them back.\n"
        "# TYPE reconciler_throttle_pause_seconds gauge\n"
        'reconciler_throttle_pause_seconds{command="apply",stack="blue"} 0.0\n'
    )


def test_a_run_of_which_everything_is_known() -> None:
    """The official client library reads every family back, with its help, type and values."""
    found = samples(metrics_text(make_full_run(refused=1, phases={"Running": 2, "missing": 1})))
    assert {name for name, *_ in found} == set(FAMILIES)
    expected = {
        ("reconciler_refused_workloads",): 1,
        ("reconciler_workloads", "Running"): 2,
        ("reconciler_workloads", "Failed"): 0,
        ("reconciler_workloads", "missing"): 1,
        ("reconciler_held_workloads", "spec-changed"): 0,
        ("reconciler_ended_workloads", "finished"): 0,
        ("reconciler_ended_workloads", "expired"): 0,
        ("reconciler_last_success_timestamp_seconds",): 1_800_000_000.25,
        ("reconciler_last_run_exit_code",): 0,
        ("reconciler_planned_changes", "create"): 1,
        ("reconciler_planned_changes", "delete"): 0,
        ("reconciler_drifted_workloads",): 0,
        ("reconciler_recorded_workloads", "accepted"): 2,
        ("reconciler_recorded_workloads", "unconfirmed"): 1,
        ("reconciler_in_doubt_workloads",): 2,
        ("reconciler_operations", "create", "succeeded"): 1,
        ("reconciler_operations", "create", "failed"): 0,
        ("reconciler_requests", "POST", "202"): 1,
        ("reconciler_requests", "POST", ""): 2,
        ("reconciler_retries", "unavailable"): 3,
        ("reconciler_retries", "throttled"): 0,
        ("reconciler_throttle_pauses",): 1,
        ("reconciler_throttle_pause_seconds",): 2.5,
        ("reconciler_requested_gpus", "4502", "before"): 0,
        ("reconciler_requested_gpus", "4502", "peak"): found[
            "reconciler_requested_gpus", "4502", "after"
        ],
    }
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize(("code", "succeeded"), [(0, True), (2, True), (4, False), (130, False)])
def test_a_success(code: int, succeeded: bool) -> None:
    """A plan that found changes did its work; one success is not taken back by a failure."""
    run = make_run(exit_code=code, last_success=5.0)
    assert read_successes(metrics_text(run)) == {
        ("apply", "blue"): run.finished if succeeded else 5.0
    }


def test_a_stack_that_never_succeeded() -> None:
    """It has no time of a success, which is not the same as 1970."""
    assert read_successes(metrics_text(make_run())) == {}


@given(stack=TEXT)
def test_a_stack_may_have_any_name(stack: str) -> None:
    """It is escaped: the client library and the next run read it as it was."""
    text = metrics_text(make_run(stack=stack, last_success=5.0))
    read = {
        sample.labels["stack"]
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert read == {stack}
    assert read_successes(text) == {("apply", stack): 5.0}


@given(text=st.text() | st.builds(lambda a, b: a + metrics_text(make_run()) + b, TEXT, TEXT))
def test_an_earlier_file_may_hold_anything(text: str) -> None:
    """What cannot be read is no success, and no reason to fail."""
    assert set(read_successes(text)) <= {("apply", "blue")}


@given(data=st.data())
def test_a_file_that_was_cut(data: st.DataObject) -> None:
    """Half a number is not taken for the whole: a line counts with its end only."""
    whole = metrics_text(make_run(last_success=1_700_000_000.0))
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    assert read_successes(cut) in ({}, {("apply", "blue"): 1_700_000_000.0})


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-5", "0", "yesterday"])
def test_no_moment_is_no_success(value: str) -> None:
    """An edited file does not make an alert fall silent."""
    line = f'reconciler_last_success_timestamp_seconds{{command="apply",stack="b"}} {value}\n'
    assert read_successes(line) == {}


def alerts() -> list[dict[str, Any]]:
    """The rules of the example."""
    document = yaml.safe_load(ALERTS.read_text("utf-8"))
    assert set(document) == {"groups"}
    assert all(set(group) == {"name", "rules"} for group in document["groups"])
    return [rule for group in document["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_of_the_example(rule: dict[str, Any]) -> None:
    """It is a rule as Prometheus reads it, about metrics and labels that there are."""
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"[A-Z]\w+", rule["alert"])
    assert re.fullmatch(r"\d+[mhd]", rule["for"])
    assert set(rule["annotations"]) == {"summary", "description"}
    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    promql_parser.parse(rule["expr"])
    named = set(re.findall(r"reconciler_\w+", rule["expr"]))
    assert named
    assert named <= set(FAMILIES)
    words = " ".join(rule["annotations"].values())
    assert set(re.findall(r"\$labels\.(\w+)", words)) <= {"command", "stack", "phase", "reason"}


NOW = 1_800_000_100.0
WAITING = make_recorded(make_desired("4501/kept", on_change=OnChange.HOLD))
HELD = plan_for(
    [make_desired("4501/kept", manifest=make_manifest(image="x:9"), on_change=OnChange.HOLD)],
    [WAITING],
)
DRIFTED = plan_for(
    [make_desired("4501/kept")],
    [KEPT],
    {KEPT.id or "": make_remote(KEPT, raw_manifest=make_manifest(image="x:9"))},
)
FIRING: dict[str, dict[str, Any]] = {
    "ReconcilerNotSucceeding": {"last_success": NOW - 4 * 3600},
    "ReconcilerMetricsMissing": {},
    "ReconcilerRunFailed": {},
    "ReconcilerInDoubt": {"owned": dict.fromkeys(Own, 0), "in_doubt": 1},
    "ReconcilerDown": {"owned": dict.fromkeys(Own, 0), "down": 1},
    "ReconcilerRefused": {"refused": 1},
    "ReconcilerWorkloadFailed": {"phases": {"Failed": 1}},
    "ReconcilerWorkloadMissing": {"phases": {"missing": 1}},
    "ReconcilerWorkloadPending": {"phases": {"Pending": 1}},
    "ReconcilerHeld": {"plan": HELD},
    "ReconcilerDrift": {"plan": DRIFTED},
    "ReconcilerThrottled": {"paused": 90.0, "duration": 100.0},
}


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_each_alert_fires_over_what_it_is_for(rule: dict[str, Any]) -> None:
    """And over nothing that is well; each alert of the example has its case here."""
    ill = metrics_text(make_run(**FIRING[rule["alert"]]))
    well = metrics_text(
        make_full_run(refused=0, phases={"Running": 2}, last_success=NOW)
        if rule["alert"] != "ReconcilerInDoubt"
        else make_run(exit_code=0)
    )
    assert evaluate(rule["expr"], ill, now=NOW)
    assert not evaluate(rule["expr"], well, now=NOW)


def test_every_metric_is_described() -> None:
    """The page about monitoring has each of them, and no other."""
    page = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
    assert set(re.findall(r"^\| `(reconciler_\w+)", page, re.MULTILINE)) == set(FAMILIES)
