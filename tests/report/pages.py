"""Pages of Markdown for the tests, and their structure as a parser of CommonMark sees it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.diff.diff import ABSENT, FieldChange, Origin
from reconciler.core.history.events import ActionEnded, RunFinished, Summary
from reconciler.core.history.outcome import Failed, InDoubt, Skipped, Succeeded
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.model import Address
from reconciler.core.planning.actions import (
    AnyAction,
    Create,
    Delete,
    GpuEffect,
    Hold,
    Reason,
    Replace,
)
from reconciler.core.planning.guards import Refusal
from reconciler.core.planning.plan import Drift, Plan, PlanTarget
from reconciler.errors import ReconcilerError, Where
from reconciler.report.markdown.markdown import markdown_applied, markdown_failure, markdown_plan
from tests.support.factories import LINEAGE, make_desired, make_recorded
from tests.support.strategies import hostile

MARKUP = (
    *("```", "~~~~", "`", "``", "`" * 300, "</details>", "<details>", "<!-- x -->", "-->", "<b>"),
    *("|", "\\|", "\\\\|", "\\", "**x**", "_x_", "[x](http://e.example)", "![x](y)", "@everyone"),
    *("#123", "GH-1", "o/r#1", "!9", "$`x`$", ":smile:", "https://e.example", "www.e.example"),
    *("a@b.example", "deadbeef", "0123456", "# x", "> x", "- x", "1. x", "1)", "---", "| - |"),
    *("&lt;", "&#64;x", "[^1]", "[x]: y", "<http://e.example>", "[[_TOC_]]", "\u202e", "\n\n# x"),
    *("::error::x", "\r\n```\r\n", "\t", "<script>", "]]>", "(sensitive)", "x", "plain words."),
)
words = st.builds(
    lambda glue, parts: glue.join(parts),
    st.sampled_from([" ", "", "\n"]),
    st.lists(st.one_of(st.sampled_from(MARKUP), hostile), min_size=1, max_size=4),
).filter(lambda text: text.strip(" ") != "")
"""Texts that try to get out of where they stand in a page."""


def make_refusal(message: str = "too many", hint: str = "fewer") -> Refusal:
    """Return what a guard says."""
    return Refusal(guard="mass-delete", message=message, hint=hint)


def make_plan_with(word: str) -> Plan:
    """Return a plan with one word in every place that is not ours."""
    address = Address(project=f"p{word}", name=f"n{word}")
    here: dict[str, Any] = {
        "address": address,
        "detail": word,
        "source": Where(file=f"f{word}", line=3),
        "wave": 1,
        "gpus": GpuEffect(before=1, after=2),
    }
    row = dataclasses.replace(make_recorded(), id=f"i{word}", run=word, message=word)
    changes = (
        FieldChange(pointer=f"/{word}", before=word, after=f"{word}!"),
        FieldChange(pointer=f"/a{word}", before=ABSENT, after={"k": word}),
        FieldChange(pointer="/script", before=f"a\nx{word}\nb\n", after=f"a\ny{word}\nb\n"),
    )
    desired = dataclasses.replace(make_desired(), address=address)
    actions: tuple[AnyAction, ...] = (
        Create(reason=Reason.NEW, desired=desired, **here),
        Replace(reason=Reason.SPEC_CHANGED, recorded=row, desired=desired, changes=changes, **here),
        Delete(reason=Reason.REMOVED_FROM_SPECS, recorded=row, **here),
        Hold(reason=Reason.SYNC_FAILED, recorded=row, fails=True, **here),
    )
    remote = (FieldChange(pointer=f"/{word}", before=1, after=word, origin=Origin.REMOTE),)
    return Plan(
        target=PlanTarget(url=f"https://{word}", stack=f"s{word}", api_version="2.23"),
        lineage=LINEAGE,
        serial=1,
        actions=actions,
        drift=(Drift(address=address, changes=remote),),
        diagnostics=(make_finding(word),),
        complete=False,
    )


def make_finding(word: str) -> Diagnostic:
    """Return a finding that says a word."""
    return Diagnostic(
        severity=Severity.WARNING,
        code="unknown-kind",
        message=word,
        hint=f"h{word}",
        where=Where(file=f"f{word}", line=2, column=5),
    )


def make_outcomes(word: str) -> list[ActionEnded]:
    """Return one event of each kind that a page shows."""
    here: dict[str, Any] = {
        "at": "now",
        "address": Address(project=f"p{word}", name=f"n{word}"),
        "action": "create",
    }
    return [
        ActionEnded(**here, outcome=Failed(message=word, hint=f"h{word}")),
        ActionEnded(**here, outcome=InDoubt(message=word, hint=f"h{word}")),
        ActionEnded(**here, outcome=Skipped(message=word)),
        ActionEnded(**here, outcome=Succeeded(id=word, detail=f"d{word}")),
    ]


def all_pages(word: str) -> list[str]:
    """Render every page there is, with one word in every place that is not ours."""
    plan, outcomes = make_plan_with(word), make_outcomes(word)
    summary = Summary(created=1, failed=1, in_doubt=1, skipped=1)
    finished = RunFinished(
        at="now", run=f"r{word}", took=1.0, summary=summary, stopped_by=StopReason.SIGINT
    )
    error = ReconcilerError(f"m{word}", where=Where(file=f"f{word}"), hint=f"h{word}")
    prefix = f"x{word}/"
    return [
        markdown_plan(plan, [make_refusal(word, f"h{word}")], prefix=prefix),
        markdown_applied(plan, finished, outcomes, troubles=[f"t{word}"], prefix=prefix),
        markdown_failure(error, doing="plan", stack=f"s{word}", prefix=prefix),
        markdown_failure(
            error, doing="apply", stack=word, diagnostics=[make_finding(word)], prefix=prefix
        ),
    ]


_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_SENTENCE = {"text", "code_inline", "text_special"}


def structure(page: str) -> list[str]:
    """What a parser makes of a page, whatever its sentences say.

    Within a sentence ordinary words and code take turns, so that a run of both counts as one.
    """
    found: list[str] = []
    for token in _PARSER.parse(page):
        if token.type == "inline":
            found += _sentences(token.children or [])
        elif token.type == "html_block":
            found += [f"html {tag}" for tag in tags(token.content)]
        else:
            found.append(f"{token.level} {token.type} {token.tag} {token.info} {token.nesting}")
    return found


def _sentences(children: list[Token]) -> Iterator[str]:
    before = ""
    for token in children:
        kind = "sentence" if token.type in _SENTENCE else token.type
        if kind != "sentence" or before != "sentence":
            yield kind
        before = kind


def bare_texts(page: str) -> Iterator[str]:
    """Every text of a page that does not stand in code, where a forge looks for references."""
    for token in _PARSER.parse(page):
        for child in token.children or []:
            if child.type in ("text", "text_special"):
                yield child.content
        if token.type == "html_block":
            reader = _Tags()
            reader.feed(token.content)
            yield from reader.bare


def fences(page: str) -> list[str]:
    """The content of every fenced block."""
    return [token.content for token in _PARSER.parse(page) if token.type == "fence"]


def tags(content: str) -> list[str]:
    """The elements and comments of a piece of HTML."""
    reader = _Tags()
    reader.feed(content)
    reader.close()
    return reader.found


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.bare: list[str] = []
        self._code = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(f"<{tag}{attrs or ''}>")
        self._code += tag == "code"

    def handle_endtag(self, tag: str) -> None:
        self.found.append(f"</{tag}>")
        self._code -= tag == "code"

    def handle_comment(self, data: str) -> None:
        self.found.append("comment" if re.fullmatch(r" reconciler:\w+:\S+ ", data) else data)

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.bare.append(data)
