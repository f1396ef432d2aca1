from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.specs.source.nodes import plain
from reconciler.specs.source.scalars import read_kubernetes_integer
from tests.support.specs import encoded, load, spec, told

MANIFEST = "{{apiVersion: example.com/v1, kind: Thing, mode: {}}}"
UNKNOWN = "unknown-kind"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0400", 0o400),
        ("0755", 0o755),
        ("-0755", -0o755),
        ("+010", 8),
        ("0o400", 0o400),
        ("0O17", 15),
        ("0_7_5_5", 0o755),
        ("1_000", 1000),
        ("0b101", 5),
        ("0B101", 5),
        ("0X1f", 31),
        ("-0x1F", -31),
        ("00", 0),
        ("08", None),
        ("0800", None),
        ("1:30", None),
        ("1e3", None),
        ("_1", None),
        ("0b", None),
        ("0b102", None),
        ("0x", None),
        ("7f", None),
        ("on", None),
        ("2026-01-01", None),
        ("0b" + "1" * 65, None),
        ("0" * 5_000 + "17", 15),
    ],
    ids=lambda given: str(given)[:20],
)
def test_what_is_an_integer_to_kubernetes(written: str, value: int | None) -> None:
    """Bases by prefix and underscores as Go reads them; no base 60, and nothing beyond 64 bits."""
    assert read_kubernetes_integer(written) == value


WAYS: dict[str, Callable[[str], dict[str, str | bytes]]] = {
    "inline": lambda text: {"a.yaml": spec(manifest=text)},
    "defaults": lambda text: {
        "_defaults.yaml": f"manifest: {text}\n",
        "a.yaml": 'metadata: {name: llm, projectId: "4501"}\nmanifest: {}\n',
    },
    "file": lambda text: {
        "a.yaml": 'metadata: {name: llm, projectId: "4501"}\nmanifestFile: m/m.yaml\n',
        "m/m.yaml": text + "\n",
    },
    "fragment in a file": lambda text: {
        "_defaults.yaml": "manifest: {apiVersion: example.com/v1, kind: Thing}\n",
        "a.yaml": 'metadata: {name: llm, projectId: "4501"}\nmanifestFile: m/m.yaml\n',
        "m/m.yaml": text.replace("apiVersion: example.com/v1, kind: Thing, ", "") + "\n",
    },
    "base64": lambda text: {"a.yaml": encoded(text)},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("written", "value"), [("0400", 256), ("1_000", 1000), ("0b11", 3)])
def test_every_way_to_write_a_manifest_reads_them_alike(
    tmp_path: Path, way: str, written: str, value: int
) -> None:
    """The value, the tree of the findings and the desired spec have one number, silently."""
    loaded = load(tmp_path, WAYS[way](MANIFEST.format(written)))
    (desired,) = loaded.desired
    assert loaded.opener is not None
    (composed,) = map(loaded.opener.reopen, loaded.declared.values())
    manifest = {"apiVersion": "example.com/v1", "kind": "Thing", "mode": value}
    assert desired.manifest == manifest
    assert plain(composed.tree()) == composed.value
    assert [one for one in told(loaded) if UNKNOWN not in one] == []


def test_outside_of_a_manifest_nothing_changes(tmp_path: Path) -> None:
    """A number of ours follows YAML 1.2, also where an alias brings it into a manifest as well."""
    text = (
        'metadata: {name: llm, projectId: "4501"}\nlifecycle: {wave: &n 010}\n'
        "manifest: {apiVersion: example.com/v1, kind: Thing, wave: *n}\n"
    )
    (desired,) = load(tmp_path, {"a.yaml": text}).desired
    assert (desired.lifecycle.wave, desired.manifest["wave"]) == (10, 8)


@pytest.mark.parametrize("written", ["on", "yes", "1:30", "08", "1e3"])
def test_what_is_no_integer_stays_a_finding(tmp_path: Path, written: str) -> None:
    """Words and base 60 are still told, since nobody knows what was meant."""
    said = told(load(tmp_path, {"a.yaml": spec(manifest=MANIFEST.format(written))}))
    assert [one.split(" ")[2] for one in said if UNKNOWN not in one] == ["ambiguous-yaml:"]


def test_what_an_earlier_version_read_is_remembered(tmp_path: Path) -> None:
    """A desired spec says which of its numbers were read otherwise, and as what."""
    text = "{apiVersion: example.com/v1, kind: Thing, modes: [0400, 400, 0o400], text: 1_0}"
    (desired,) = load(tmp_path, {"a.yaml": spec(manifest=text)}).desired
    assert desired.older_readings == {"/manifest/modes/0": 400, "/manifest/text": "1_0"}


@pytest.mark.parametrize(
    ("written", "good"), [("0755", True), ("0400", True), ("0777", True), ("01000", False)]
)
def test_the_mode_of_a_volume(tmp_path: Path, written: str, good: Any) -> None:
    """`defaultMode` is octal as in every example of Kubernetes, and at most 0777."""
    pod = (
        "{apiVersion: v1, kind: Pod, spec: {containers: [{name: a, image: b}], volumes:"
        f" [{{name: v, secret: {{secretName: s, defaultMode: {written}}}}}]}}}}"
    )
    assert (told(load(tmp_path, {"a.yaml": spec(manifest=pod)})) == []) is good
