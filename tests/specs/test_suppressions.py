from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.specs import encoded, load, spec, told

KIND = "{apiVersion: example.com/v1, kind: Trainer}"
UNKNOWN = spec(manifest=KIND)
WHY = "our administrators have registered it"
POLICY = '{"title": "owners", "properties": {"metadata": {"required": ["category"]}}}'


def test_a_comment_speaks_for_its_file(tmp_path: Path) -> None:
    """Findings of that code in any document of the file are gone, in other files they stay."""
    comment = f"# reconciler:ignore unknown-kind -- {WHY}\n"
    loaded = load(
        tmp_path,
        {
            "a.yaml": UNKNOWN + "---\n" + comment + spec("two", manifest=KIND),
            "b.yaml": spec("three", manifest=KIND),
        },
    )
    assert [line.split(":")[0] for line in told(loaded)] == ["b.yaml"]
    assert len(loaded.desired) == 3


def test_the_comment_stands_where_the_finding_is(tmp_path: Path) -> None:
    """A value from defaults or a manifest's file is excused there; base64 in the spec itself."""
    comment = f"# reconciler:ignore unknown-kind, bad-label -- {WHY}\n"
    manifest = "apiVersion: example.com/v1\nkind: Trainer\nmetadata: {labels: {a: b c}}\n"
    who = 'metadata: {name: NAME, projectId: "1"}\n'
    loaded = load(
        tmp_path,
        {
            "d/_defaults.yaml": comment + "manifest: {apiVersion: example.com/v1, kind: Trainer,"
            " metadata: {labels: {a: b c}}}\n",
            "d/a.yaml": who.replace("NAME", "a"),
            "f/a.yaml": who.replace("NAME", "b") + "manifestFile: m.yaml\n",
            "f/m.yaml": comment + manifest,
            "e/a.yaml": comment + encoded(manifest),
        },
    )
    assert told(loaded) == []
    assert len(loaded.desired) == 3


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        ("", "this suppression has no effect: it names no code"),
        (" -- because", "this suppression has no effect: it names no code"),
        (" unknown-kind", "this suppression has no effect: it gives no reason"),
        (" unknown-kind --", "this suppression has no effect: it gives no reason"),
        (" unknown-knd -- x", "this suppression has no effect: there is no code 'unknown-knd'"),
        (" bad-name:x -- x", "this suppression has no effect: there is no code 'bad-name:x'"),
        (
            " duplicate-address -- x",
            "this suppression has no effect: 'duplicate-address' cannot be suppressed",
        ),
    ],
)
def test_a_suppression_that_is_of_no_use(comment: str, said: str, tmp_path: Path) -> None:
    """It is an error, and suppresses nothing."""
    loaded = load(tmp_path, {"a.yaml": f"# reconciler:ignore{comment}\n{UNKNOWN}"})
    assert [(one.code, one.message) for one in loaded.diagnostics if one.where.line == 1] == [
        ("bad-suppression", said)
    ]
    assert "unknown-kind" in {one.code for one in loaded.diagnostics}


@pytest.mark.parametrize(
    "text",
    [
        f"# reconciler:ignored unknown-kind -- {WHY}\n",
        f"a: '# reconciler:ignore unknown-kind -- {WHY}'\n",
        f"x: y # reconciler:ignore unknown-kind -- {WHY}\n",
    ],
)
def test_what_is_no_suppression(text: str, tmp_path: Path) -> None:
    """Only a comment line of its own is one."""
    loaded = load(tmp_path, {"_defaults.yaml": text + "metadata: {}\n", "a.yaml": UNKNOWN})
    found = {one.code for one in loaded.diagnostics}
    assert found == {"unknown-kind", *([] if text.startswith("#") else ["unknown-field"])}


def test_the_configuration_suppresses_by_path(tmp_path: Path) -> None:
    """It is the way for JSON, which has no comments, and for whole folders."""
    config = (
        f"suppressions: [{{codes: [unknown-kind], files: [old/, '!old/b.yaml'], reason: {WHY}}}]"
    )
    json = (
        '{"metadata": {"name": "j", "projectId": "1"},'
        ' "manifest": {"apiVersion": "example.com/v1", "kind": "Trainer"}}'
    )
    loaded = load(
        tmp_path,
        {
            "reconciler.yaml": config + "\n",
            "old/a.json": json,
            "old/x/a.yaml": UNKNOWN,
            "old/b.yaml": spec("b", manifest=KIND),
        },
    )
    assert [line.split(":")[0] for line in told(loaded)] == ["old/b.yaml"]


def test_a_configured_suppression_can_be_wrong(tmp_path: Path) -> None:
    """It is checked as a comment is, and so are its patterns."""
    config = (
        "suppressions:\n  - {codes: [yaml-syntax], files: ['*'], reason: x}\n"
        "  - {codes: [unknown-kind], files: ['a[']"
        ", reason: x}\n"
    )
    loaded = load(tmp_path, {"reconciler.yaml": config, "a.yaml": spec()})
    assert told(loaded) == [
        (
            "reconciler.yaml:2:5-2:52 error bad-suppression: this suppression has no effect:"
            " 'yaml-syntax' cannot be suppressed"
        ),
        (
            "reconciler.yaml:3:37-3:41 error invalid-value: 'a[' is not a pattern:"
            " its '[' is not closed"
        ),
    ]


def test_one_policy_can_be_suppressed(tmp_path: Path) -> None:
    """By its name, while the others go on."""
    files = {
        "reconciler.yaml": "policies: [p/*.json]\n",
        "p/owners.schema.json": POLICY,
        "p/other.json": POLICY.replace("owners", "other"),
        "a.yaml": f"# reconciler:ignore policy:owners -- {WHY}\n" + spec(),
        "b.yaml": f"# reconciler:ignore policy -- {WHY}\n" + spec("b"),
    }
    loaded = load(tmp_path, files)
    assert told(loaded) == [
        (
            "a.yaml:2:1-2:9 error policy: the field 'category' is missing in 'metadata'"
            " (policy other)"
        )
    ]


def test_an_unused_suppression_waits_until_there_are_no_errors(tmp_path: Path) -> None:
    """Behind an error, rules may not have looked, so nothing is called unused."""
    comment = f"# reconciler:ignore unknown-kind, policy -- {WHY}\n"
    assert [one.code for one in load(tmp_path, {"a.yaml": comment + spec()}).diagnostics] == [
        "unused-suppression",
        "unused-suppression",
    ]
    loaded = load(tmp_path, {"b.yaml": "[]\n"})
    assert [one.code for one in loaded.diagnostics] == ["not-a-mapping"]
