from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.diagnostics import Diagnostic, Severity, has_errors, sort_diagnostics
from reconciler.core.diff.diff import is_same
from reconciler.core.digest import canonical, digest
from reconciler.core.model import Address, LastSeen
from reconciler.errors import Where
from reconciler.kinds.registry import group_kind, runs_to_completion
from tests.support.factories import make_remote
from tests.support.strategies import edits, json_values, names, shuffles


@given(json_values, st.data())
def test_the_order_of_keys_has_no_part_in_a_digest(value: Any, data: st.DataObject) -> None:
    """The same document has one canonical form."""
    assert digest(data.draw(shuffles(value))) == digest(value)


@given(edits())
def test_different_documents_have_different_digests(pair: tuple[Any, Any]) -> None:
    """Digests are equal only between documents that are; 1 and 1.0 are written differently."""
    before, after = pair
    if digest(before) == digest(after):
        assert is_same(before, after)


def test_the_canonical_form_and_its_digest_do_not_move() -> None:
    """A state that was written by a release is compared with digests made by the next one."""
    assert canonical({"b": [1, None], "a": "ü\n"}) == '{"a":"ü\\n","b":[1,null]}'
    assert digest({"b": [1, None], "a": "ü\n"}) == (
        "sha256:385e8a58c1a02a46dd573ec53bf7785ca8be3df0506ddc758781d317c80eebaf"
    )
    assert digest("\ud800") != digest("?")


@given(names, names)
def test_an_address_is_read_as_it_is_written(project: str, name: str) -> None:
    """Text and address are each other's inverse."""
    address = Address(project=project, name=name)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    "text", ["", "/", "a", "a/", "/a", "a/b/c", "1\n/a", "1/a\n", "1,name==x/a", "1/\u0664"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """An address has two parts, and both say something."""
    with pytest.raises(ValueError, match=r"is not an address of the form <projectId>/<name>"):
        Address.parse(text)


@pytest.mark.parametrize(
    ("manifest", "finite"),
    [
        ({"apiVersion": "batch/v1", "kind": "Job"}, True),
        ({"apiVersion": "batch/v1", "kind": "CronJob"}, False),
        ({"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob"}, True),
        ({"apiVersion": "kubeflow.org/v2beta1", "kind": "MPIJob"}, True),
        ({"apiVersion": "ray.io/v1", "kind": "RayJob"}, True),
        ({"apiVersion": "ray.io/v1", "kind": "RayCluster"}, False),
        ({"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet"}, True),
        ({"apiVersion": "apps/v1", "kind": "Deployment"}, False),
        ({"apiVersion": "example.com/v1", "kind": "Job"}, False),
        ({"apiVersion": "v1", "kind": "Pod"}, False),
        ({"apiVersion": "v1", "kind": "Pod", "spec": {"restartPolicy": "Always"}}, False),
        ({"apiVersion": "v1", "kind": "Pod", "spec": {"restartPolicy": "Never"}}, True),
        ({"apiVersion": "v1", "kind": "Pod", "spec": {"restartPolicy": "OnFailure"}}, True),
        ({"apiVersion": "v1", "kind": "Pod", "spec": []}, False),
        ({}, False),
    ],
)
def test_whether_a_kind_finishes_by_itself(manifest: dict[str, Any], finite: bool) -> None:
    """The group counts as much as the kind; a bare pod says so in its own spec."""
    assert runs_to_completion(manifest) is finite


def test_the_core_group_has_no_name() -> None:
    """`v1` is a version, not a group."""
    assert group_kind({"apiVersion": "v1", "kind": "Pod"}) == ("", "Pod")
    assert group_kind({"apiVersion": "batch/v1", "kind": "Job"}) == ("batch", "Job")


@pytest.mark.parametrize(
    ("fields", "gone"),
    [
        ({}, False),
        ({"seen": LastSeen.DELETED}, True),
        ({"seen": LastSeen.DELETING}, False),
        ({"seen": LastSeen.UNKNOWN, "deleted_at": "2026-01-01T00:00:00Z"}, True),
        ({"seen": LastSeen.SYNCED, "deleted_at": "2026-01-01T00:00:00Z"}, False),
        ({"seen": LastSeen.FAILED, "deleted_at": "2026-01-01T00:00:00Z"}, False),
        ({"seen": LastSeen.UNKNOWN, "desired_phase": "Deleted"}, False),
    ],
)
def test_which_answers_prove_absence(fields: dict[str, Any], gone: bool) -> None:
    """A delete under way is no absence, and neither is one that failed."""
    assert make_remote(**fields).is_gone is gone


def finding(file: str, line: int, code: str, severity: Severity = Severity.ERROR) -> Diagnostic:
    """Make a finding."""
    return Diagnostic(severity=severity, code=code, message="no", where=Where(file=file, line=line))


@given(st.permutations([finding("a", 10, "x"), finding("a", 9, "z"), finding("b", 1, "a")]))
def test_findings_are_ordered_by_place(found: list[Diagnostic]) -> None:
    """Who looked first has no part in a run's output."""
    assert [str(d.where) for d in sort_diagnostics(found)] == ["a:9:1", "a:10:1", "b:1:1"]


def test_only_an_error_stops_a_run() -> None:
    """A warning is told and no more."""
    assert not has_errors([finding("a", 1, "x", Severity.WARNING)])
    assert has_errors([finding("a", 1, "x", Severity.WARNING), finding("a", 1, "x")])
