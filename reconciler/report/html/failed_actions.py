"""What did not end well: the server's words, the line of the spec, and the command to go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from reconciler.core.events import Cause
from reconciler.core.planning.plan import AnyAction, Create, Plan, Record, Replace, Resolve
from reconciler.errors import Where
from reconciler.report.error_field import find_field
from reconciler.report.html.components import (
    WORDS,
    Section,
    address_of,
    hint_text,
    join,
    message_text,
    note,
    place_of,
)
from reconciler.report.html.markup import Child, Html, fragment, lines, tag
from reconciler.report.text.conclusion import Locate
from reconciler.report.text.escape import shorten
from reconciler.report.text.formatting import number_of
from reconciler.report.timeline import FAILED, IN_DOUBT, SKIPPED, ActionTimeline, Timeline

GROUPS = 60
MEMBERS = 30

_KINDS = (
    (FAILED, "failed", "Failed"),
    (IN_DOUBT, "doubt", "In doubt"),
    (SKIPPED, "skipped", "Skipped"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """How to go on from here: the same command `again`, and where the specs of a plan are.

    `locate` finds the place of a part of a spec; without it the first line of a spec is named.
    """

    plan: Plan
    again: str
    prefix: str = ""
    locate: Locate | None = None

    def place(self, action: AnyAction | None, words: str) -> Html | None:
        """The line of the field that a message names, else the first line of the spec."""
        if action is None or action.source is None:
            return None
        return place_of(self._field(action, words) or action.source, self.prefix)

    def following(self, course: ActionTimeline) -> Html:
        """What to do next."""
        again: Child = tag("code", shorten(self.again, WORDS))
        if course.cause is Cause.OUTDATED:
            told = fragment("plan again, and have the new plan approved")
        elif course.cause is Cause.HELD:
            told = fragment("set lifecycle.onMissing: recreate, or remove the spec, then ", again)
        elif course.cause is Cause.CLUSTER:
            anew = shorten(f"{self.again} --replace {course.address}", WORDS)
            told = fragment("mend the spec and apply; to try it as it is: ", tag("code", anew))
        else:
            told = fragment(again)
        return tag("p", tag("strong", "Next: "), told, class_="hint")

    def _field(self, action: AnyAction, words: str) -> Where | None:
        if self.locate is None or not isinstance(action, Create | Replace | Record | Resolve):
            return None
        named = find_field(words, action.desired.spec) if action.desired else None
        try:
            return self.locate(action.address, named) if named else None
        except KeyError:
            return None


def failed_action_sections(timeline: Timeline, advice: Advice) -> Iterator[Section]:
    """Failed, in doubt and skipped workloads; those of which the same was said are one entry."""
    actions = {
        (str(action.address), action.kind): action
        for action in (*advice.plan.changes, *advice.plan.holds)
    }
    for outcome, name, heading in _KINDS:
        groups = _groups(timeline.ended_as(outcome))
        if not groups:
            continue
        count = sum(map(len, groups))
        entries = (_entry(group, name, actions, advice) for group in groups[:GROUPS])
        left = sum(map(len, groups[GROUPS:]))
        yield Section(
            id=name,
            heading=f"{heading}: {count:,}",
            content=fragment(
                tag("ul", lines(entries), class_="cards"),
                note(f"{number_of(left, 'more workload')} left out here.") if left else None,
            ),
        )


def _groups(courses: Sequence[ActionTimeline]) -> list[list[ActionTimeline]]:
    """Courses of which the same was said, the largest group first."""
    ordered = sorted(courses, key=lambda course: (course.words, course.address))
    groups = [list(group) for _, group in groupby(ordered, key=lambda course: course.words)]
    return sorted(groups, key=lambda group: -len(group))


def _entry(
    group: Sequence[ActionTimeline],
    look: str,
    actions: dict[tuple[str, str], AnyAction],
    advice: Advice,
) -> Html:
    first = group[0]
    hints = {course.hint for course in group}
    members = [
        tag(
            "li",
            _member(course, actions, advice),
            hint_text(course.hint) if len(hints) > 1 else None,
        )
        for course in group[:MEMBERS]
    ]
    more = len(group) - len(members)
    return tag(
        "li",
        tag("p", tag("strong", number_of(len(group), "workload"))) if len(group) > 1 else None,
        message_text(first.words),
        hint_text(first.hint) if len(hints) == 1 else None,
        tag("ul", lines(members), class_="members"),
        note(f"and {more:,} more") if more else None,
        advice.following(first),
        class_=look,
    )


def _member(
    course: ActionTimeline, actions: dict[tuple[str, str], AnyAction], advice: Advice
) -> Html:
    action = actions.get((str(course.address), course.action))
    place = advice.place(action, course.words) or tag("span", "no spec", class_="place")
    return join(
        [
            tag("span", course.action, class_="kind"),
            address_of(course.address),
            place,
            tag("code", shorten(course.id, 80), class_="id") if course.id else None,
        ]
    )
