"""Small pieces that every page is made of, and how much of a large plan a page holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from reconciler.core.model import Address
from reconciler.errors import Where
from reconciler.report.html.markup import Child, Html, fragment, tag
from reconciler.report.text.escape import shorten

WORDS = 1_000
PLACE = 300


class PageMood(Enum):
    """How a page as a whole is meant to be taken; the value is a class of the style sheet."""

    GOOD = "good"
    ATTENTION = "attention"
    BAD = "bad"

    @property
    def sign(self) -> str:
        """What says the same to those who see no colours."""
        return {"good": "✓", "attention": "!", "bad": "✕"}[self.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a page with a heading, and a link from the top."""

    id: str
    heading: str
    content: Html

    def render(self) -> Html:
        """The part itself."""
        return tag(
            "section",
            tag("h2", self.heading, id=self.id),
            self.content,
            aria_labelledby=self.id,
        )


def verdict(mood: PageMood, *, title: str, sentence: str, why: Sequence[str]) -> Html:
    """The top of a page: what it comes to, and the reasons where it is not plainly good."""
    sign = tag("span", mood.sign, class_="sign", aria_hidden="true")
    reasons = tag("ul", *(tag("li", reason) for reason in why)) if why else None
    return tag(
        "header",
        tag("h1", sign, title),
        tag("p", sentence, class_="sentence"),
        reasons,
        class_=f"verdict {mood.value}",
    )


def contents(sections: Sequence[Section]) -> Html:
    """Links to the parts of a page."""
    links = (tag("li", tag("a", part.heading, href=f"#{part.id}")) for part in sections)
    return tag("nav", tag("ul", *links), aria_label="On this page")


def facts(pairs: Sequence[tuple[str, Child]]) -> Html:
    """Names and values."""
    return tag(
        "dl",
        *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs),
        class_="facts",
    )


def tiles(counts: Sequence[tuple[str, int, str]]) -> Html:
    """Counts at a glance: a class of the style sheet, the number, what is counted."""
    return tag(
        "ul",
        *(
            tag("li", tag("strong", f"{count:,}"), f" {words}", class_=look if count else "none")
            for look, count, words in counts
        ),
        class_="tiles",
    )


def address_of(address: Address) -> Html:
    """The name of a workload."""
    return tag("code", shorten(str(address), PLACE), class_="address")


def place_of(source: Where | None, prefix: str) -> Html | None:
    """The line of a spec, where there is one."""
    if source is None:
        return None
    return tag("code", f"{shorten(prefix + source.file, PLACE)}:{source.line}", class_="place")


def message_text(words: str) -> Html:
    """What a server, a spec or a guard said."""
    return tag("p", shorten(words, WORDS), class_="words")


def hint_text(hint: str) -> Html | None:
    """What can be done about it."""
    if not hint:
        return None
    return tag("p", tag("strong", "Way out: "), shorten(hint, WORDS), class_="hint")


def note(*children: Child) -> Html:
    """A remark about the page itself."""
    return tag("p", *children, class_="note")


def table(caption: str, heads: Sequence[str], rows: Sequence[Html], look: str = "") -> Html:
    """A table that can be scrolled by itself, also with the keyboard, where it is too wide."""
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", *(tag("th", head, scope="col") for head in heads))),
            tag("tbody", *rows),
            class_=look or None,
        ),
        class_="scroll",
        role="region",
        tabindex="0",
        aria_label=caption,
    )


def share_of_each(counts: Mapping[str, int], most: int) -> dict[str, int]:
    """How many of each kind are shown: some of every kind, then as many as fit, in their order."""
    fair = most // max(1, len(counts))
    shown = {kind: min(count, fair) for kind, count in counts.items()}
    left = most - sum(shown.values())
    for kind, count in counts.items():
        more = min(left, count - shown[kind])
        shown[kind] += more
        left -= more
    return shown


def join(pieces: Sequence[Child]) -> Html:
    """What there is of some pieces, set apart by spaces."""
    given = [piece for piece in pieces if piece is not None]
    spaced: list[Child] = [part for piece in given for part in (" ", piece)]
    return fragment(*spaced[1:])
