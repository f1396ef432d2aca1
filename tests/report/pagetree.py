"""HTML as a tree, read by a parser that forgives nothing, and the pages that tests look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from reconciler import __version__
from reconciler.core.history.events import (
    ActionEnded,
    ActionStarted,
    Event,
    RequestEnded,
    RequestRetried,
    RunFinished,
    RunStarted,
    Summary,
    Throttled,
)
from reconciler.core.history.outcome import Cause, Failed, InDoubt, Skipped, Succeeded
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.history.timeline import Timeline
from reconciler.core.planning.guards import Refusal
from reconciler.report.commands import Commands
from reconciler.report.html import apply_page, plan_page
from reconciler.report.html.document import policy, style
from tests.support.factories import make_address
from tests.support.plans import busy_plan

FOLDER = Path(__file__).parent / "golden"
BEGIN = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
VOID = {"meta", "path", "rect", "line"}


def at(seconds: float) -> str:
    """A moment of the run, as events have it."""
    return (BEGIN + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


@dataclass
class Element:
    """One element: its name and attributes, what is in it, and the text of it alone."""

    name: str
    attributes: dict[str, str | None]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def walk(self) -> list[Element]:
        """This element and everything below it."""
        return [self, *(below for child in self.children for below in child.walk())]

    def find(self, name: str) -> list[Element]:
        """Every element of that name."""
        return [element for element in self.walk() if element.name == name]

    def words(self) -> str:
        """All the text below, in the order of the elements."""
        return "".join([self.text, *(child.words() for child in self.children)])

    def structure(self) -> object:
        """What it is built of: everything but the text and the values that may differ."""
        look = (self.name, self.attributes.get("class"), sorted(self.attributes))
        return (look, [child.structure() for child in self.children])


class _Parser(HTMLParser):
    """Builds the tree; an element that is not closed in its place is an error."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names)
        element = Element(tag, dict(attrs))
        self._open[-1].children.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().name == tag

    def handle_data(self, data: str) -> None:
        self._open[-1].text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        assert decl == "doctype html"

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data}")

    def finished(self) -> Element:
        """The tree, if everything in it was closed."""
        self.close()
        assert self._open == [self.root]
        return self.root


def parse(markup: str) -> Element:
    """Read a page; fails for anything but elements that are closed where they were opened."""
    parser = _Parser()
    parser.feed(markup)
    return parser.finished()


def stable(markup: str) -> str:
    """A page without what changes with a version or with the style sheet."""
    bare = markup.replace(style(), "STYLE").replace(
        policy(style()).replace("'", "&#x27;"), "POLICY"
    )
    return bare.replace(f"reconciler {__version__}", "reconciler VERSION") + "\n"


def refused_plan() -> str:
    """A plan that has everything in it, and a guard that refuses it."""
    refusal = Refusal(
        guard="mass-delete",
        message="would delete or replace 3 of 9 workloads in total (33 %), limit 30 %",
        hint="read the plan; if this is meant, re-run with --allow-deletes 3",
    )
    return plan_page(busy_plan(), [refusal], created_at=BEGIN, prefix="specs/")


def events() -> list[Event]:
    """A run of that plan in which something of everything happened."""
    words = "503: come back later"
    resent: dict[str, Any] = {"method": "POST", "reason": words}

    def begun(when: float, name: str, kind: str) -> ActionStarted:
        return ActionStarted(at=at(when), address=make_address(name), action=kind)

    new, odd, doubt = (make_address(name) for name in ("7/new", "7/odd", "4501/doubt"))
    changed, removed = make_address("4501/changed"), make_address("4501/removed")
    return [
        RequestRetried(at=at(-3), address=new, attempt=1, delay=1.0, **resent),
        RunStarted(at=at(0), run="run-2", actions=6),
        begun(0.1, "7/new", "create"),
        begun(0.1, "7/odd", "create"),
        Throttled(at=at(0.5), address=new, delay=2.0, reason=words, limit=4),
        RequestRetried(at=at(0.5), address=new, attempt=1, delay=2.0, **resent),
        RequestRetried(at=at(3), address=new, attempt=2, delay=0.5, **resent),
        begun(3, "4501/removed", "delete"),
        begun(3, "4501/changed", "replace"),
        begun(3.5, "4501/doubt", "resolve"),
        ActionEnded(
            at=at(4), address=removed, action="delete", outcome=Succeeded(id="id-1"), took=4.0
        ),
        ActionEnded(at=at(5), address=new, action="create", outcome=Succeeded(id="id-2"), took=5.0),
        ActionEnded(
            at=at(6),
            address=odd,
            action="create",
            outcome=Failed(
                message="the cluster refused it: no quota left", id="id-3", cause=Cause.CLUSTER
            ),
        ),
        ActionEnded(
            at=at(7),
            address=doubt,
            action="resolve",
            outcome=InDoubt(
                message="the server does not show it yet",
                hint="apply again, which looks for the proof once more",
            ),
        ),
        ActionEnded(
            at=at(8),
            address=changed,
            action="replace",
            outcome=Failed(message="409: name taken", hint="rename it"),
        ),
        ActionEnded(
            at=at(8.2),
            address=make_address("4501/undone"),
            action="replace",
            outcome=Skipped(message="the run ended before it was sent"),
        ),
        _finished(),
    ]


def _finished() -> RunFinished:
    return RunFinished(
        at=at(8.2),
        run="run-2",
        took=8.2,
        summary=Summary(created=1, deleted=1, failed=2, skipped=1, in_doubt=1),
        stopped_by=StopReason.DEADLINE,
    )


def stormy_apply() -> str:
    """The page of that run."""
    timeline = Timeline()
    for event in events():
        timeline.add(event)
        if isinstance(event, ActionStarted):
            # Answered a moment later, by the wall clock that all of them share.
            timeline.trace(
                RequestEnded(
                    at=event.at, address=event.address, method="POST", took=0.1, answer="Accepted"
                )
            )
    return apply_page(
        busy_plan(),
        _finished(),
        timeline,
        prefix="specs/",
        commands=Commands(again="reconciler apply specs"),
    )


PAGES: dict[str, Callable[[], str]] = {"plan": refused_plan, "apply": stormy_apply}

if __name__ == "__main__":
    for name, render in PAGES.items():
        (FOLDER / f"{name}.html").write_text(stable(render()), encoding="utf-8")
