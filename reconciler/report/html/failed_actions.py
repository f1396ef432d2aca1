"""The actions that did not succeed: the server's message, the spec, and the command to go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from reconciler.core.history.outcome import NAMES, Failed, InDoubt, Skipped, Unsuccessful
from reconciler.core.history.timeline import ActionTimeline, Timeline
from reconciler.core.planning.actions import AnyAction
from reconciler.core.planning.plan import Plan
from reconciler.core.shorten import shorten
from reconciler.report.commands import Commands
from reconciler.report.error_field import Locate, find_place
from reconciler.report.html.components import (
    LONGEST_TEXT,
    LOOKS,
    Section,
    address_of,
    hint_text,
    join,
    message_text,
    note,
    place_of,
)
from reconciler.report.html.markup import Html, fragment, lines, tag
from reconciler.report.next_step import next_step
from reconciler.report.text.formatting import number_of
from reconciler.values import dataclass

GROUPS = 60
MEMBERS = 30

_KINDS: tuple[type[Unsuccessful], ...] = (Failed, InDoubt, Skipped)
_Ended = tuple[ActionTimeline, Unsuccessful]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """How to go on from here: which commands do, and where the specs of a plan are.

    `locate` finds the place of a part of a spec; without it the first line of a spec is named.
    """

    plan: Plan
    commands: Commands
    prefix: str = ""
    locate: Locate | None = None

    def next_step(self, action: ActionTimeline, outcome: Unsuccessful) -> Html:
        """What to do about an action that did not succeed."""
        step = next_step(action.address, outcome, self.commands)
        command = tag("code", shorten(step.command, LONGEST_TEXT)) if step.command else None
        sentence = fragment(step.before, command, step.after)
        return tag("p", tag("strong", "Next: "), sentence, class_="hint")


def failed_action_sections(timeline: Timeline, advice: Advice) -> Iterator[Section]:
    """Failed, in doubt and skipped actions; those with the same message are one entry."""
    planned = {
        (str(action.address), action.kind): action
        for action in (*advice.plan.changes, *advice.plan.holds)
    }
    for kind in _KINDS:
        actions = timeline.ended_as(kind)
        if not actions:
            continue
        name, heading = LOOKS[kind], NAMES[kind].word.capitalize()
        ordered = sorted(actions, key=lambda ended: (ended[1].message, ended[0].address))
        groups = [list(group) for _, group in groupby(ordered, key=lambda ended: ended[1].message)]
        # What struck most workloads has one cause, and is worth mending first.
        groups.sort(key=len, reverse=True)
        entries = (_group_entry(group, name, planned, advice) for group in groups[:GROUPS])
        omitted = sum(map(len, groups[GROUPS:]))
        yield Section(
            id=name,
            heading=f"{heading}: {len(actions):,}",
            content=fragment(
                tag("ul", lines(entries), class_="cards"),
                note(f"{number_of(omitted, 'more workload')} left out here.") if omitted else None,
            ),
        )


def _group_entry(
    group: Sequence[_Ended],
    look: str,
    planned: Mapping[tuple[str, str], AnyAction],
    advice: Advice,
) -> Html:
    first = group[0][1]
    # A hint that all share stands once, others beside their workloads.
    hints = {outcome.hint for _, outcome in group}
    unhinted = [ended for ended in group if not ended[1].hint]
    members = []
    for action, outcome in group[:MEMBERS]:
        intent = planned.get((str(action.address), action.action))
        place = place_of(find_place(intent, outcome.message, advice.locate), advice.prefix)
        member = join(
            [
                tag("span", action.action, class_="kind"),
                address_of(action.address),
                place or tag("span", "no spec", class_="place"),
                tag("code", shorten(action.id, 80), class_="id") if action.id else None,
            ]
        )
        members.append(tag("li", member, hint_text(outcome.hint) if len(hints) > 1 else None))
    omitted = len(group) - len(members)
    return tag(
        "li",
        tag("p", tag("strong", number_of(len(group), "workload"))) if len(group) > 1 else None,
        message_text(first.message),
        hint_text(first.hint) if len(hints) == 1 else None,
        tag("ul", lines(members), class_="members"),
        note(f"and {omitted:,} more") if omitted else None,
        # Those with one message nearly always have one cause, so one step is for all of them.
        advice.next_step(*unhinted[0]) if unhinted else None,
        class_=look,
    )
