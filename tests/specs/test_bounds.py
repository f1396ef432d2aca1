"""Trees without measure: long numbers, many documents, values that multiply."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.specs import SPEC, load, spec, told


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("1" + ":20" * 3_000, "71-2:9072 warning ambiguous-yaml: 1:20"),
        ("0b" + "1" * 20_000, "71-2:20073 warning ambiguous-yaml: 0b11"),
        ("0" * 9_000 + "8", "71-2:9072 warning ambiguous-yaml: 0000"),
        ("0" * 9_000 + ":01.5", "71-2:9076 warning ambiguous-yaml: 0000"),
        ("9" * 9_000, "71-2:9071 error unsupported-number: 9999"),
        ("1e" + "9" * 9_000, "71-2:9073 error unsupported-number: 1e99"),
        ("!!int " + "9" * 9_000, "77-2:9077 error unsupported-number: 9999"),
        ("!!float 1e" + "9" * 9_000, "79-2:9081 error unsupported-number: 1e99"),
        ("!!int 1" + ":20" * 3_000, "71-2:9078 error unsupported-tag: '1:20"),
        ("!!binary " + "9" * 9_000, "71-2:9080 error unsupported-tag: the tag !!binary has"),
        ("!!timestamp 2026-01-01", "71-2:93 error unsupported-tag: the tag !!timestamp has"),
        ("[" * 9_000 + "]" * 9_000, "168-2:169 error too-deep: nested more than 100 levels"),
    ],
    ids=lambda given: given[:20],
)
def test_scalars_without_measure(tmp_path: Path, value: str, said: str) -> None:
    """Whatever a number's notation and length, its place is told, and a few words of it."""
    manifest = f"{{apiVersion: egx.nvidia.io/v1, kind: SPOTRequest, spec: {{a: {value}}}}}"
    findings = told(load(tmp_path, {"a.yaml": spec(manifest=manifest)}))
    assert [finding[: len(said) + 9] for finding in findings] == [f"a.yaml:2:{said}"]
    assert len(findings[0]) < 300


def test_a_text_that_aliases_repeat(tmp_path: Path) -> None:
    """What a document comes to is bounded, not what is written of it: a gigabyte stops here."""
    repeated = ", ".join(["*text"] * 1_000)
    manifest = f"{{apiVersion: v1, kind: Pod, first: &text {'x' * 2**20}, others: [{repeated}]}}"
    column = 45 + 2**20 + 2 + len("others: [") + 15 * len("*text, ")
    assert told(load(tmp_path, {"a.yaml": spec(manifest=manifest)})) == [
        (
            f"a.yaml:2:{column}-2:{column + 5} error too-big: the document has more than"
            " 16,777,216 characters, aliases expanded | split the file, or use fewer aliases"
        )
    ]


@pytest.mark.parametrize("document", ["a: 1", "~", '{"a": 1}', "- &a b\n- *a", SPEC.rstrip()])
def test_documents_without_number(tmp_path: Path, document: str) -> None:
    """A file of too many is one finding, and none of its documents has another."""
    line = 10_000 * (document.count("\n") + 2) + 1
    found = told(load(tmp_path, {"a.yaml": f"{document}\n---\n" * 150_000}))
    assert [one.partition(":")[2].partition(":")[0] for one in found] == [str(line)]
    assert found[0].endswith(
        "error too-many-documents: the file has more than 10,000 documents | split the file"
    )


def test_suppressions_without_number(tmp_path: Path) -> None:
    """Each finding is looked up, not held against every comment of its file."""
    manifest = "{apiVersion: example.com/v1, kind: Unheard}"
    comments = "# reconciler:ignore unknown-kind, bad-label -- known\n" * 50_000
    documents = "---\n".join(spec(f"a{number}", manifest=manifest) for number in range(2_000))
    assert told(load(tmp_path, {"a.yaml": comments + documents}))[:1] == [
        (
            "a.yaml:1:1-1:53 warning unused-suppression: there is nothing for 'bad-label' to"
            " suppress | remove it"
        )
    ]
