"""Keeps a report below a size: long lists are cut in the middle, and the cut says how much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field

from reconciler.values import dataclass

# No page with nothing in its sections comes near this size.
LEAST = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkdownPart:
    """One of many things alike: as it should be shown, and in brief where room is short.

    `extended` is the full form with what is only shown where there is room for that of all else.
    `kind` names it where those that are left out are counted.
    """

    full: str
    brief: str
    kind: str = ""
    extended: str = ""

    @property
    def longest(self) -> str:
        """All that there is to show of it."""
        return self.extended or self.full


@dataclass(frozen=True, slots=True, kw_only=True)
class Omitted:
    """What a cut took: whole parts by their kind, and all but the brief form of some others.

    `unextended` are those that are shown in full and no more.
    """

    parts: Counter[str] = field(default_factory=Counter)
    shortened: int = 0
    unextended: int = 0

    def __bool__(self) -> bool:
        return bool(self.parts or self.shortened or self.unextended)

    @property
    def count(self) -> int:
        """How many parts are left out."""
        return self.parts.total()


def count_kinds(omitted: Omitted) -> str:
    """How many are left out of which kind: `30 create, 7 delete`."""
    return ", ".join(f"{count} {kind}" for kind, count in sorted(omitted.parts.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkdownSection:
    """Things alike below a head and above a foot; `say` tells what a cut took of them.

    Without parts it is shown as it is.
    """

    head: str
    parts: Sequence[MarkdownPart] = ()
    foot: str = ""
    say: Callable[[Omitted], str] = count_kinds


def fit_into_page(sections: Sequence[MarkdownSection], limit: int) -> str:
    """A page of fewer bytes than the limit: every head and foot, and of the parts what fits.

    Raises ValueError where the limit is below LEAST.
    """
    if limit < LEAST:
        raise ValueError(f"a page needs room for {LEAST} bytes, not {limit}")
    # Between two sections stands an empty line, and a line break below each head.
    fixed = sum(size(each.head) + size(each.foot) + len("\n\n\n") for each in sections)
    needs = [sum(size(part.longest) + 1 for part in each.parts) for each in sections]
    blocks = []
    for section, room in zip(sections, share(needs, limit - fixed), strict=True):
        lines, tail, omitted = fit(section.parts, room, section.say)
        if omitted:
            lines = [*lines, section.say(omitted), *tail]
        blocks.append("\n".join(text for text in (section.head, *lines, section.foot) if text))
    return "\n\n".join(blocks)


def size(text: str) -> int:
    """Bytes of a text, which are never fewer than its characters, whoever counts which."""
    return len(text.encode())


def share(needs: Sequence[int], room: int) -> list[int]:
    """Divide room: whoever needs less than an equal share gets that, the others what is left."""
    shares = [0] * len(needs)
    left = max(room, 0)
    # The smallest first: what it leaves of its equal share goes to those that need more.
    order = sorted(range(len(needs)), key=needs.__getitem__)
    for done, at in enumerate(order):
        shares[at] = min(needs[at], left // (len(needs) - done))
        left -= shares[at]
    return shares


def fit(
    parts: Sequence[MarkdownPart], room: int, say: Callable[[Omitted], str]
) -> tuple[list[str], list[str], Omitted]:
    """The parts before a cut and those after it, each below the room with a line break.

    `say` tells what is omitted; the room for its longest text is kept. Both ends are filled in
    turn, first in brief, so that as many as possible are there, then in full, then extended.
    """
    if sum(size(part.longest) + 1 for part in parts) <= room:
        return [part.longest for part in parts], [], Omitted()
    # As if all were omitted in each way: no other cut takes a longer text to tell.
    left = room - size(say(_omitted(parts, len(parts), len(parts)))) - 1
    texts: dict[int, str] = {}
    for at in _from_both_ends(len(parts)):
        need = size(parts[at].brief) + 1
        if need > left:
            # The first that does not fit ends it, so that there is one gap and one text for it.
            break
        texts[at] = parts[at].brief
        left -= need
    # What is left goes to details, from both ends again: brief forms of all come first.
    full, extended = set[int](), set[int]()
    for at in _from_both_ends(len(parts)):
        extra = size(parts[at].full) - size(parts[at].brief)
        if at in texts and extra <= left:
            texts[at] = parts[at].full
            left -= extra
            full.add(at)
    for at in _from_both_ends(len(parts)):
        extra = size(parts[at].longest) - size(parts[at].full)
        if at in full and extra <= left:
            texts[at] = parts[at].longest
            left -= extra
            extended.add(at)
    absent = [part for at, part in enumerate(parts) if at not in texts]
    shown_in_part = sum(bool(parts[at].extended) for at in full - extended)
    # Both ends were filled in turn, the beginning first.
    head = [texts[at] for at in range((len(texts) + 1) // 2)]
    tail = [texts[at] for at in range(len(parts) - len(texts) // 2, len(parts))]
    return head, tail, _omitted(absent, len(texts) - len(full), shown_in_part)


def _omitted(parts: Sequence[MarkdownPart], shortened: int, unextended: int) -> Omitted:
    kinds = Counter(part.kind for part in parts)
    return Omitted(parts=kinds, shortened=shortened, unextended=unextended)


def _from_both_ends(count: int) -> Iterator[int]:
    """The first, the last, the second, the last but one, and so on."""
    for at in range(count):
        yield at // 2 if at % 2 == 0 else count - 1 - at // 2


def whole_part(text: str, kind: str = "more") -> MarkdownPart:
    """A part that has no brief form."""
    return MarkdownPart(full=text, brief=text, kind=kind)
