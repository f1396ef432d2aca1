from __future__ import annotations

import dataclasses
import json
import re
from datetime import UTC, datetime
from typing import Any

import click
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.history.events import (
    ActionEnded,
    ActionStarted,
    Event,
    RequestRetried,
    Throttled,
)
from reconciler.core.history.outcome import Failed, InDoubt, Skipped, Succeeded
from reconciler.core.model import Address, LastSeen, Live, Recorded, Unread
from reconciler.core.planning.guards import Refusal
from reconciler.core.shorten import shorten
from reconciler.errors import ReconcilerError, Where
from reconciler.report.machine.documents import to_line, to_text, to_yaml
from reconciler.report.status.status import Status
from reconciler.report.status.table import statuses_text
from reconciler.report.text.color import ColorWriter
from reconciler.report.text.escape import escape_json, escape_terminal
from reconciler.report.text.text import Text
from tests.report.characters import harmful
from tests.support.factories import (
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
    plan_for,
)
from tests.support.strategies import hostile, json_values

LATER = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ümläut 日本 🎉", "plain ümläut 日本 🎉"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\tb\r\nc", "a\\x09b\\x0d\\x0ac"),
        ("\x7f\x9b", "\\x7f\\x9b"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("a\u2028b", "a\\u2028b"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_harmful_characters_are_spelt_out(text: str, shown: str) -> None:
    """Everything else stays readable."""
    assert escape_terminal(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("##vso[task.setvariable variable=x]y", "\\x23#vso[task.setvariable variable=x]y"),
        ("in a line: ##vso[build.addbuildtag]x", "in a line: \\x23#vso[build.addbuildtag]x"),
        ("##[error]x", "\\x23#[error]x"),
        ("###vso[x]", "#\\x23#vso[x]"),
        (
            "##teamcity[buildStatus status='SUCCESS']",
            "\\x23#teamcity[buildStatus status='SUCCESS']",
        ),
        ("::error::x", "\\x3a:error::x"),
        (" \t::stop-commands::x", " \\x09\\x3a:stop-commands::x"),
        ("--- folded", "\\x2d-- folded"),
        ("+++ shown", "\\x2b++ shown"),
        ("~~~ quiet", "\\x7e~~ quiet"),
        ("^^^ +++", "\\x5e^^ +++"),
        ("\x1b[0Ksection_start:1:a\r\x1b[0Kx", "\\x1b[0Ksection_start:1:a\\x0d\\x1b[0Kx"),
        ("## heading [link]", "## heading [link]"),
        ("a::b --- c", "a::b --- c"),
        ("----", "----"),
    ],
)
def test_what_commands_a_runner_is_spelt_out(text: str, shown: str) -> None:
    """Of Azure, GitHub, TeamCity, Buildkite and GitLab, and nothing that only looks alike."""
    assert escape_terminal(text) == shown
    assert escape_terminal(shown) == shown


def commands_in(log: str) -> list[str]:
    """The lines that one or the other runner would take for a command, by their own rules."""
    return [
        line
        for line in log.split("\n")
        if any(sign in line for sign in ("##vso[", "##[", "##teamcity["))
        or line.lstrip().startswith("::")
        or re.match(r"(---|\+\+\+|~~~|\^\^\^) ", line)
        or re.search(r"section_(start|end):\d+:\w+\r\x1b\[0K", line)
    ]


COMMANDS = [
    "##vso[task.setvariable variable=PATH]x",
    "##teamcity[setParameter name='env.PATH' value='x']",
    "##[section]x",
    "::add-mask::x",
    "x\n::add-mask::x",
    "x\r\n  ::add-mask::x",
    f"{'x ' * 48}::add-mask:: {'y ' * 20}",
    "--- x",
    "\x1b[0Ksection_start:1560896352:a\r\x1b[0Kx",
]


@pytest.mark.parametrize("word", COMMANDS)
def test_nothing_in_a_report_commands_a_runner(word: str) -> None:
    """Wherever it stands, in text, in JSON and in YAML, which still mean the same."""
    for rendered in everything(word):
        assert commands_in(rendered) == []
    for document in ({"key": word}, {word: "value"}, {"list": [word, {"a": word}]}):
        for text in (to_text(document), to_line(document), to_yaml([document, document])):
            assert commands_in(text) == []
        assert json.loads(to_text(document)) == document
        assert list(yaml.safe_load_all(to_yaml([document, document]))) == [document, document]


@given(st.recursive(st.one_of(json_values, hostile), lambda v: st.lists(v, max_size=3)), hostile)
def test_yaml_is_harmless_and_means_the_same(value: Any, key: str) -> None:
    """Rendered specs are read by other programs, and by people on a terminal."""
    document = {"key": key, key: value}
    text = to_yaml([document])
    assert harmful(text) == []
    assert commands_in(text) == []
    assert yaml.safe_load(text) == document


@given(hostile)
def test_nothing_harmful_is_left_in_a_text(text: str) -> None:
    """Escaping is complete, can be encoded, and has no more to do."""
    once = escape_terminal(text)
    assert harmful(once + "\n") == []
    assert "\n" not in once
    assert once.encode().decode() == once
    assert escape_terminal(once) == once


@given(hostile)
def test_a_line_break_may_be_kept(text: str) -> None:
    """Where the program itself wrote them."""
    assert escape_terminal(text, keep="\n").count("\n") == text.count("\n")


@given(st.recursive(st.one_of(json_values, hostile), lambda v: st.lists(v, max_size=3)), hostile)
def test_json_is_harmless_and_means_the_same(value: Any, key: str) -> None:
    """Documents reach terminals too; what a program reads from them is what was there."""
    document = {"key": key, key: value}
    for text in (to_text(document), to_line(document)):
        assert harmful(text) == []
        assert text.encode()
        assert json.loads(text) == document
    assert "\n" not in to_line(document)


def test_characters_of_other_languages_stay_readable_in_json() -> None:
    """Only what is harmful is escaped, beyond the basic plane as JSON does it."""
    assert escape_json('"日本 🎉 \u202e \U000e0041 \x7f"') == (
        '"日本 🎉 \\u202e \\udb40\\udc41 \\u007f"'
    )


@given(st.text(max_size=200), st.integers(8, 80))
def test_a_shortened_text_has_the_width_and_both_ends(text: str, width: int) -> None:
    """The middle is where the least is said."""
    short = shorten(text, width)
    if len(text) <= width:
        assert short == text
        return
    head, tail = short.split(" … ", 1) if text.count(" … ") == 0 else (short[:1], short[-1:])
    assert len(short) == width
    assert text.startswith(head)
    assert text.endswith(tail)


def everything(word: str) -> list[str]:
    """Render everything there is, with one word in every place that is not ours."""
    address = Address(project=f"p{word}", name=f"n{word}")
    desired = dataclasses.replace(
        make_desired(manifest={**make_manifest(), "data": {word: word, "password": word}}),
        address=address,
        source=Where(file=f"{word}.yaml"),
    )
    row = dataclasses.replace(make_recorded(desired), id=f"i{word}", run=word, message=word)
    old = dataclasses.replace(row, spec={"metadata": {word: word}, "manifest": {}}, digest=word)
    remote = dataclasses.replace(
        make_remote(row), desired_phase=f"d{word}", seen=LastSeen.UNKNOWN, message=word
    )
    failed = dataclasses.replace(remote, seen=LastSeen.FAILED)
    drifted = dataclasses.replace(remote, raw_manifest={"kind": f"k{word}", word: word})
    finding = Diagnostic(
        severity=Severity.ERROR,
        code="x",
        message=word,
        hint=word,
        where=Where(file=word),
    )
    here: dict[str, Any] = {"at": "now", "address": address, "action": "create"}
    events: list[Event] = [
        ActionStarted(**here),
        ActionEnded(**here, outcome=Succeeded(id=word, detail=word)),
        ActionEnded(**here, outcome=Failed(message=word, hint=word)),
        ActionEnded(**here, outcome=Skipped(message=word)),
        ActionEnded(**here, outcome=InDoubt(message=word, hint=word)),
        Throttled(at="now", address=address, delay=1, reason=word),
        RequestRetried(at="now", address=address, method="GET", attempt=1, delay=1, reason=word),
    ]
    looks: list[tuple[Recorded, Live | None]] = [
        (row, remote),
        (row, failed),
        (row, Unread(reason=word)),
        (row, None),
    ]
    text = Text(prefix=f"{word}/")
    plans = [
        plan_for([desired]),
        plan_for([desired], [old]),
        plan_for([], [row]),
        plan_for([desired], [row], {row.id or "": failed}),
        plan_for([desired], [row], {row.id or "": drifted}),
        plan_for([desired], [row], {row.id or "": Unread(reason=word)}),
    ]
    return [
        *(text.plan(plan) for plan in plans),
        *(text.event(event, verbose=True) or "" for event in events),
        text.records([row]),
        statuses_text([Status(row=row, live=live, at=LATER) for row, live in looks], ColorWriter()),
        text.diagnostics([finding]),
        text.validation([finding], 1, 1),
        text.refusals([Refusal(guard="g", message=word, hint=word)]),
        text.error(ReconcilerError(word, where=Where(file=word), hint=word)),
    ]


@given(hostile)
def test_nothing_harmful_from_specs_or_servers_reaches_a_terminal(word: str) -> None:
    """Whatever stands in a name, a path, an id, a value or a message."""
    for rendered in everything(word):
        assert harmful(rendered) == []
        assert rendered.encode()


@given(hostile.filter(lambda text: "\n" not in text))
def test_nobody_else_breaks_lines(word: str) -> None:
    """A report has as many lines as with an ordinary word in every place."""
    assert [text.count("\n") for text in everything(f"{word}\r\x0b\u2028\x85")] == [
        text.count("\n") for text in everything("word")
    ]


def test_colours_are_the_only_escape_sequences() -> None:
    """A spec that holds one cannot pass for ours."""
    plan = plan_for([make_desired(file="\x1b[32m.yaml")])
    assert "\x1b[32m.yaml" not in Text(colour=True).plan(plan)
    assert "\\x1b[32m.yaml" in click.unstyle(Text(colour=True).plan(plan))
