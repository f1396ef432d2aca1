from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.core.lifecycle import OnMissing
from reconciler.resources import load_schema

JOB = {"apiVersion": "batch/v1", "kind": "Job"}
WHO = {"name": "llm-finetune", "projectId": "4501"}
REQUEST = {"metadata": WHO, "manifest": JOB}


def accepts(schema: str, document: Any) -> bool:
    """Whether a shipped schema accepts a document."""
    return Draft202012Validator(load_schema(schema)).is_valid(document)


def with_metadata(**metadata: Any) -> dict[str, Any]:
    """A document that is valid but for what is said here."""
    return {**REQUEST, "metadata": {**WHO, **metadata}}


def with_lifecycle(**lifecycle: Any) -> dict[str, Any]:
    """A spec with these lifecycle settings."""
    return {**REQUEST, "lifecycle": lifecycle}


PRIORITIES = ["very-low", "low", "medium-low", "medium", "medium-high", "high", "very-high", None]

ACCEPTED_REQUESTS: dict[str, dict[str, Any]] = {
    "a manifest": REQUEST,
    "a base64 manifest": {"metadata": WHO, "manifestBase64Encoded": "a2luZDogSm9iCg=="},
    "the shortest name": with_metadata(name="a"),
    "the longest name": with_metadata(name="a" * 63),
    "digits and dashes in a name": with_metadata(name="a-1--b2"),
    "a category of one's own": with_metadata(category="production"),
    "no category": with_metadata(category=None),
    "anything more in a manifest": {**REQUEST, "manifest": {**JOB, "metadata": {}, "spec": 1}},
    **{f"priority {p}": with_metadata(priority=p) for p in PRIORITIES},
    "a priority of one's own": with_metadata(priority="urgent"),
    "a capital priority": with_metadata(priority="High"),
    "a name that is no prefix": with_metadata(useGivenNameAsPrefix=False),
    **{
        f"preemptibility {value}": with_metadata(preemptibility=value)
        for value in ("preemptible", "non-preemptible", "semi-preemptible", None)
    },
    "no configuration": with_metadata(configuration={}),
    "NVLink between nodes": with_metadata(configuration={"mnnvl": "Required"}),
    "no NVLink between nodes": with_metadata(configuration={"mnnvl": "None"}),
}

REFUSED_REQUESTS: dict[str, Any] = {
    "no object": [],
    "no metadata": {"manifest": JOB},
    "no manifest": {"metadata": WHO},
    "two manifests": {**REQUEST, "manifestBase64Encoded": "YQ=="},
    "a null manifest": {"metadata": WHO, "manifest": None},
    "an unknown field": {**REQUEST, "useGivenNameAsPrefix": False},
    "an unknown metadata field": with_metadata(colour="x"),
    "a cluster and no project": {**REQUEST, "metadata": {"name": "a", "clusterId": "x"}},
    "an unknown preemptibility": with_metadata(preemptibility="sometimes"),
    "an unknown configuration": with_metadata(configuration={"mnvl": "Required"}),
    "a null configuration": with_metadata(configuration=None),
    "an unknown value in it": with_metadata(configuration={"mnnvl": "required"}),
    "a base64 manifest beyond the limit": {
        "metadata": WHO,
        "manifestBase64Encoded": "YQ==" * (2_097_152 // 4 + 1),
    },
    "an alias": {"metadata": {"name": "a", "project": "team-a"}, "manifest": JOB},
    "a manifest file": {"metadata": WHO, "manifestFile": "job.yaml"},
    "lifecycle": with_lifecycle(protect=True),
    "no name": {**REQUEST, "metadata": {"projectId": "4501"}},
    "no project": {**REQUEST, "metadata": {"name": "a"}},
    "an empty project": with_metadata(projectId=""),
    "a number for a project": with_metadata(projectId=4501),
    "a manifest without apiVersion": {"metadata": WHO, "manifest": {"kind": "Job"}},
    "a manifest without kind": {"metadata": WHO, "manifest": {"apiVersion": "v1"}},
    "an empty kind": {"metadata": WHO, "manifest": {**JOB, "kind": ""}},
    "manifest metadata that is no map": {"metadata": WHO, "manifest": {**JOB, "metadata": []}},
    **{
        f"the name {name!r}": with_metadata(name=name)
        for name in ["", "A", "1a", "-a", "a-", "a_b", "a.b", "ä", "a\n", "a\nB", " a", "a" * 64]
    },
}


@pytest.mark.parametrize("schema", ["create-request", "spec"])
@pytest.mark.parametrize("document", ACCEPTED_REQUESTS.values(), ids=ACCEPTED_REQUESTS.keys())
def test_what_the_server_takes_is_accepted(schema: str, document: Any) -> None:
    """What the server is known to take is a valid request, and a valid spec."""
    assert accepts(schema, document)


@pytest.mark.parametrize("document", REFUSED_REQUESTS.values(), ids=REFUSED_REQUESTS.keys())
def test_what_the_server_refuses_is_refused(document: Any) -> None:
    """What the server is known to refuse, and what it does not know, is no valid request."""
    assert not accepts("create-request", document)


ACCEPTED_SPECS: dict[str, dict[str, Any]] = {
    "an alias": {"metadata": {"name": "a", "project": "team-a"}, "manifest": JOB},
    "a manifest file": {"metadata": WHO, "manifestFile": "manifests/job.yaml"},
    "no lifecycle": with_lifecycle(),
    "all of lifecycle": with_lifecycle(
        protect=True,
        onRemove="forget",
        onMissing="hold",
        onChange="hold",
        onFailed="replace",
        wave=-3,
        ignoreChanges=["/manifest/spec/replicas", "/manifest/spec/*/a~1b", "/metadata/priority"],
    ),
    **{f"onMissing {way}": with_lifecycle(onMissing=way) for way in OnMissing},
}

OURS = ("an alias", "a manifest file", "lifecycle")
REFUSED_SPECS: dict[str, Any] = {
    **{name: document for name, document in REFUSED_REQUESTS.items() if name not in OURS},
    "an alias beside an id": with_metadata(project="team-a"),
    "an empty alias": {"metadata": {"name": "a", "project": ""}, "manifest": JOB},
    "a slash in a project": with_metadata(projectId="45/01"),
    "a manifest beside a file": {**REQUEST, "manifestFile": "job.yaml"},
    "base64 beside a file": {"metadata": WHO, "manifestFile": "a", "manifestBase64Encoded": "YQ=="},
    "an empty file name": {"metadata": WHO, "manifestFile": ""},
    "an unknown lifecycle key": with_lifecycle(onDrift="replace"),
    "protect in words": with_lifecycle(protect="yes"),
    "onMissing null": with_lifecycle(onMissing=None),
    "a broken wave": with_lifecycle(wave=1.5),
    "pointers that match nothing": with_lifecycle(ignoreChanges=["/spec/replicas"]),
    "a pointer to everything": with_lifecycle(ignoreChanges=[""]),
    "no pointer": with_lifecycle(ignoreChanges=["manifest/spec"]),
    "a wrong escape": with_lifecycle(ignoreChanges=["/manifest/a~2"]),
    "a pointer and a newline": with_lifecycle(ignoreChanges=["/manifest\n"]),
    "the same pointer twice": with_lifecycle(ignoreChanges=["/manifest", "/manifest"]),
    **{
        f"{key} {value}": with_lifecycle(**{key: value})
        for key, value in {
            "onRemove": "keep",
            "onMissing": "delete",
            "onChange": "fail",
            "onFailed": "hold",
        }.items()
    },
}


@pytest.mark.parametrize("document", ACCEPTED_SPECS.values(), ids=ACCEPTED_SPECS.keys())
def test_authoring_keys_are_accepted(document: Any) -> None:
    """A spec may use an alias, a manifest file and lifecycle."""
    assert accepts("spec", document)


@pytest.mark.parametrize("document", REFUSED_SPECS.values(), ids=REFUSED_SPECS.keys())
def test_a_wrong_spec_is_refused(document: Any) -> None:
    """A spec is held to the server's rules and to those of our own keys."""
    assert not accepts("spec", document)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, True),
        ({"metadata": {}}, True),
        ({"metadata": {"priority": "low"}, "lifecycle": {"wave": 1}}, True),
        ({"manifest": {"metadata": {"labels": {"team": "a"}}}}, True),
        ({"metadata": {"project": "team-a"}}, True),
        ({"metadata": {"priority": "urgent"}}, True),
        ({"metadata": {"preemptibility": "sometimes"}}, False),
        ({"metadata": {"owner": "a"}}, False),
        ({"lifecycle": {"protect": "yes"}}, False),
        ({"manifest": {"kind": 1}}, False),
        ({"labels": {}}, False),
    ],
)
def test_defaults_need_nothing(document: Any, expected: bool) -> None:
    """Defaults have the shape of a spec, but nothing in them is required."""
    assert accepts("defaults", document) is expected


CONFIG: dict[str, Any] = {
    "url": "https://app.run.ai",
    "stack": "team-a-production",
    "state": ".reconciler/state.db",
    "api_version": "2.23",
    "projects": {"team-a": "4501"},
    "concurrency": 32,
    "limits": {"max_delete": "30%", "max_update": "50%", "allowed_projects": ["4501"]},
    "policies": ["policies/*.schema.json"],
    "discovery": "auto",
}


@pytest.mark.parametrize(
    "settings",
    [
        CONFIG,
        {},
        {"limits": {"max_delete": 0}},
        {"limits": {"max_delete": "100%"}},
        {"discovery": "off"},
        {"discovery": False},
    ],
)
def test_configuration_is_accepted(settings: Any) -> None:
    """Every setting is optional; an unquoted `off`, false to YAML 1.1, is understood."""
    assert accepts("config", settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"token": "secret"},
        {"limits": {"max_deletes": 1}},
        {"limits": {"max_delete": "101%"}},
        {"limits": {"max_delete": "30%\n"}},
        {"limits": {"max_delete": -1}},
        {"limits": {"max_update": "101%"}},
        {"limits": {"max_delete": True}},
        {"limits": {"allowed_projects": [4501]}},
        {"url": "app.run.ai"},
        {"api_version": 2.23},
        {"api_version": "2.23\n"},
        {"projects": {"team-a": 4501}},
        {"projects": {"": "4501"}},
        {"concurrency": 0},
        {"discovery": "on"},
        {"discovery": 0},
        {"discovery": True},
        {"policies": "policies/*.json"},
        None,
    ],
)
def test_wrong_configuration_is_refused(settings: Any) -> None:
    """Unknown settings and wrong values are refused, secrets among them."""
    assert not accepts("config", settings)
