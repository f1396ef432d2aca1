"""The components that every page is made of, and how much of a large plan a page holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from reconciler.core.file_names import under_prefix
from reconciler.core.history.outcome import Failed, InDoubt, Outcome, Skipped, Succeeded
from reconciler.core.model import Address
from reconciler.core.shorten import shorten
from reconciler.errors import Where
from reconciler.report.html.markup import Child, Html, fragment, tag
from reconciler.values import dataclass

LOOKS: Mapping[type[Outcome], str] = {
    Succeeded: "done",
    Failed: "failed",
    InDoubt: "doubt",
    Skipped: "skipped",
}
LONGEST_TEXT = 1_000
LONGEST_PLACE = 300


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


def verdict(
    mood: PageMood, *, title: str, sentence: str, why: Sequence[str], level: str = "h1"
) -> Html:
    """The top of a page: what it comes to, and the reasons where it is not plainly good."""
    sign = tag("span", mood.sign, class_="sign", aria_hidden="true")
    reasons = tag("ul", *(tag("li", reason) for reason in why)) if why else None
    return tag(
        "header",
        tag(level, sign, title),
        tag("p", sentence, class_="sentence"),
        reasons,
        class_=f"verdict {mood.value}",
    )


def contents(sections: Sequence[Section]) -> Html:
    """Links to the parts of a page."""
    # Only fragments of the same page: nothing else passes as an href.
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
            tag("li", tag("strong", f"{count:,}"), f" {label}", class_=look if count else "none")
            for look, count, label in counts
        ),
        class_="tiles",
    )


def address_of(address: Address) -> Html:
    """The name of a workload."""
    return tag("code", shorten(str(address), LONGEST_PLACE), class_="address")


def place_of(source: Where | None, prefix: str) -> Html | None:
    """The line of a spec, where there is one."""
    if source is None:
        return None
    return tag(
        "code",
        f"{shorten(under_prefix(prefix, source.file), LONGEST_PLACE)}:{source.line}",
        class_="place",
    )


def message_text(message: str) -> Html:
    """A message of a server, a spec or a guard."""
    return tag("p", shorten(message, LONGEST_TEXT), class_="words")


def hint_text(hint: str) -> Html | None:
    """A way out, where there is one."""
    if not hint:
        return None
    return tag("p", tag("strong", "Way out: "), shorten(hint, LONGEST_TEXT), class_="hint")


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
        # The table scrolls, not the page; a region in the order of tabs scrolls by keyboard.
        class_="scroll",
        role="region",
        tabindex="0",
        aria_label=caption,
    )


def share_of_each(counts: Mapping[str, int], most: int) -> dict[str, int]:
    """How many of each kind fit: an equal share of every kind, then more of them in their order."""
    # Without a share of its own, a kind would vanish behind a thousand creates.
    equal = most // max(1, len(counts))
    shares = {kind: min(count, equal) for kind, count in counts.items()}
    left = most - sum(shares.values())
    for kind, count in counts.items():
        extra = min(left, count - shares[kind])
        shares[kind] += extra
        left -= extra
    return shares


def join(parts: Sequence[Child]) -> Html:
    """The parts that are not None, set apart by spaces."""
    spaced = [child for part in parts if part is not None for child in (" ", part)]
    return fragment(*spaced[1:])
