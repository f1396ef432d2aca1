"""Policies that would take for ever or fill all memory, and the process that they end alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import ReconcilerError
from reconciler.specs.config import config_file, load_config
from reconciler.specs.loading import load_specs
from reconciler.specs.schema import policyprocess
from reconciler.specs.source.deadline import Deadline
from tests.support.specs import SPEC, load, spec, told, write

CONFIG = "policies: [policies/*]\n"
SIMPLIFY = (
    " | simplify it: no repetition inside a repetition, no long lists to compare, fewer references"
)
SHORT = policyprocess.LIMITS._replace(seconds=0.1)


def inside(schema: Any) -> dict[str, Any]:
    """A policy about the field `x` of a manifest's spec."""
    for name in ("x", "spec", "manifest"):
        schema = {"properties": {name: schema}}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def fan(levels: int, leaf: Any) -> dict[str, Any]:
    """A schema whose definitions refer to the next one a dozen times each."""
    steps = {f"d{at}": {"allOf": [{"$ref": f"#/$defs/d{at + 1}"}] * 12} for at in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**steps, f"d{levels}": leaf}}


def with_value(value: Any) -> str:
    """A spec with that value as the field `x`."""
    manifest = {"apiVersion": "example.com/v1", "kind": "Foo", "spec": {"x": value}}
    return spec(manifest=json.dumps(manifest))


ATTACKS = {
    "a repetition inside a repetition": (
        inside({"pattern": "^(a+)+$"}),
        with_value("a" * 40 + "!"),
        "judging 4501/llm",
        ('"^(a+)+$"',),
    ),
    "many items to compare": (
        inside({"uniqueItems": True}),
        with_value([{"x": at} for at in range(24_000)]),
        "judging 4501/llm",
        ("true",),
    ),
    "a fan of references": (
        fan(7, {"type": "object"}),
        SPEC,
        "reading this policy",
        ('"object"', '"#/$defs/', "["),
    ),
    "a fan of references to what is wrong": (
        inside({"anyOf": [{"$ref": "#/$defs/d0"}]}) | {"$defs": fan(7, {"const": 1})["$defs"]},
        with_value("y"),
        "judging 4501/llm",
        ("1", '"#/$defs/', "["),
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_what_would_take_for_ever(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The finding is at the keyword that took the time, and no other policy is held up."""
    monkeypatch.setattr(policyprocess, "LIMITS", SHORT)
    schema, text, subject, keywords = ATTACKS[name]
    other = {"required": ["lifecycle"], "x-severity": "warning"}
    policies = {"policies/a.json": json.dumps(schema), "policies/b.json": json.dumps(other)}
    found = load(tmp_path, {"reconciler.yaml": CONFIG, "a.yaml": text, **policies}).diagnostics
    slow, hurried = (
        [one for one in found if one.code == code] for code in ("bad-policy", "policy")
    )
    assert [one.message for one in slow] == [f"{subject} takes more than 0.1 s"]
    assert slow[0].where.file == "policies/a.json"
    column = slow[0].where.column - 1
    assert policies["policies/a.json"][column:].startswith(keywords)
    assert [one.where.file for one in hurried] == ["a.yaml"]


def test_a_slow_policy_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand specs do not take a thousand times as long, also in processes one by one."""
    monkeypatch.setattr(policyprocess, "LIMITS", SHORT)
    monkeypatch.setattr(policyprocess, "_BATCH_CHARACTERS", 1)
    schema, text, *_ = ATTACKS["a repetition inside a repetition"]
    files = {f"{at}.yaml": text.replace("llm", f"llm-{at}", 1) for at in range(4)}
    files |= {"reconciler.yaml": CONFIG, "policies/a.json": json.dumps(schema)}
    said = [one for one in told(load(tmp_path, files)) if "policy" in one]
    assert said == [
        "policies/a.json:1:145-1:154 error bad-policy: judging 4501/llm-0 takes more than 0.1 s"
        + SIMPLIFY
    ]


def test_what_would_fill_all_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern that notes down every step it may go back to, along a long text."""
    monkeypatch.setattr(policyprocess, "LIMITS", SHORT._replace(seconds=60.0, memory=2**27))
    files = {
        "reconciler.yaml": CONFIG,
        "policies/a.json": json.dumps(inside({"pattern": "^(?:(?:a|bc?))*d"})),
        "a.yaml": with_value("ab" * 600_000),
    }
    found = [one for one in load(tmp_path, files).diagnostics if one.code == "bad-policy"]
    assert [(str(one.where), one.message) for one in found] == [
        ("policies/a.json:1:145", "judging 4501/llm needs more than 128 MiB")
    ]


def test_findings_without_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy is not asked for more lines than anybody could read."""
    monkeypatch.setattr(policyprocess, "LIMITS", SHORT._replace(seconds=60.0, violations=15))
    files = {
        "reconciler.yaml": CONFIG,
        "policies/a.json": json.dumps(inside({"items": {"type": "string"}})),
        "a.yaml": with_value(list(range(10))),
        "b.yaml": with_value(list(range(10))).replace("llm", "b"),
    }
    codes = [one.code for one in load(tmp_path, files).diagnostics]
    assert (codes.count("policy"), codes.count("bad-policy")) == (10, 1)


@pytest.mark.parametrize("key", ["x-message", "x-docs", "description"])
def test_findings_without_measure(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words of a policy that are long are repeated only so often."""
    monkeypatch.setattr(policyprocess, "LIMITS", SHORT._replace(seconds=60.0, characters=15_000))
    files = {
        "reconciler.yaml": CONFIG,
        "policies/a.json": json.dumps(inside({"items": {"minLength": 9, key: "m" * 1_000}})),
        "a.yaml": with_value(list("0123456789")),
        "b.yaml": with_value(list("0123456789")).replace("llm", "b"),
    }
    found = load(tmp_path, files).diagnostics
    codes = [one.code for one in found]
    assert (codes.count("policy"), codes.count("bad-policy")) == (10, 1)
    message = "judging 4501/b has led to violations of more than 15,000 characters"
    assert message in [one.message for one in found]


def test_a_run_without_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the deadline the process is ended, whatever it is at, and that is what is told."""
    monkeypatch.setattr(policyprocess, "LIMITS", SHORT._replace(seconds=600.0))
    schema, text, *_ = ATTACKS["a repetition inside a repetition"]
    files = {"reconciler.yaml": CONFIG, "policies/a.json": json.dumps(schema), "a.yaml": text}
    root = write(tmp_path, files)
    config = load_config(config_file(root), root=root)
    found = load_specs([root], root=root, config=config, deadline=Deadline.after(0.5)).diagnostics
    assert [(str(one.where), one.message) for one in found if one.code == "bad-policy"] == [
        (
            "policies/a.json:1:1",
            "judging 4501/llm was not over after the 0.5 s of --deadline",
        )
    ]


def test_a_process_that_cannot_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is no fault of a policy, and no spec passes for sound."""
    files = {"reconciler.yaml": CONFIG, "policies/a.json": "{}", "a.yaml": SPEC}
    monkeypatch.setattr(policyprocess, "_START", "raise SystemExit('no Python here')")
    with pytest.raises(ReconcilerError, match="the process for the policies failed: no Python"):
        load(tmp_path, files)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with pytest.raises(ReconcilerError, match="no process for the policies can be started"):
        load(tmp_path, files)


def test_the_process_is_isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules that lie in the checkout, or where the environment points, are not imported."""
    (tmp_path / "json.py").write_text("raise SystemExit('taken over')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    files = {"reconciler.yaml": CONFIG, "policies/a.json": '{"maxProperties": 1}', "a.yaml": SPEC}
    assert told(load(tmp_path, files)) == [
        (
            "a.yaml:1:1-2:53 error policy: a mapping is not allowed: it has more than 1 fields"
            " (policy policies/a.json)"
        )
    ]
