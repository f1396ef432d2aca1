"""Whether the names of projects still mean what a state knows of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from reconciler.core.planning.guards import Refusal

if TYPE_CHECKING:
    from reconciler.core.model import Recorded

GUARD = "another-project"


def check_pins(
    pins: Mapping[str, str],
    meant: Mapping[str, str],
    accepted: Mapping[str, str],
    *,
    recorded: Collection[Recorded] = (),
) -> tuple[Refusal, ...]:
    """Refuse each name that means another project than it did, unless exactly that is accepted.

    Otherwise the plan would be to delete all that is recorded there, and to make it again here.
    """
    return (*_check_accepted(meant, accepted), *_check_moved(pins, meant, accepted, recorded))


def explained_projects(
    pins: Mapping[str, str], meant: Mapping[str, str], used: Collection[str]
) -> frozenset[str]:
    """The ids that names have left, and that no spec is in any more: `used` are those of specs."""
    left = {pins[name] for name, id_ in meant.items() if pins.get(name, id_) != id_}
    return frozenset(left.difference(used))


def renew_pins(
    pins: Mapping[str, str], meant: Mapping[str, str], recorded: Collection[Recorded]
) -> dict[str, str]:
    """What a state is to know of names from now on.

    A name that no spec has any more is kept for as long as something is recorded in its project.
    """
    populated = {row.address.project for row in recorded}
    kept = {name: id_ for name, id_ in pins.items() if id_ in populated}
    return dict(sorted({**kept, **meant}.items()))


def _check_accepted(meant: Mapping[str, str], accepted: Mapping[str, str]) -> Iterator[Refusal]:
    for name, id_ in accepted.items():
        if name not in meant:
            yield Refusal(
                guard=GUARD,
                message=f"--accept-project {name}={id_}: no spec names a project '{name}'",
                hint=f"the names in the specs are {', '.join(sorted(meant)) or 'none'}",
            )
        elif meant[name] != id_:
            yield Refusal(
                guard=GUARD,
                message=f"--accept-project {name}={id_}: the project '{name}' is {meant[name]}",
                hint="accept the id that you have checked, and no other",
            )


def _check_moved(
    pins: Mapping[str, str],
    meant: Mapping[str, str],
    accepted: Mapping[str, str],
    recorded: Collection[Recorded],
) -> Iterator[Refusal]:
    for name, id_ in sorted(meant.items()):
        before = pins.get(name, id_)
        if before == id_ or name in accepted:
            continue
        count = len({row.address for row in recorded if row.address.project == before})
        workloads = "1 workload is" if count == 1 else f"{count} workloads are"
        yield Refusal(
            guard=GUARD,
            message=f"the project '{name}' was {before} and is {id_} now: {workloads} recorded "
            f"in {before}, and all of its specs would be created in {id_}",
            hint=f"if {id_} is meant, add --accept-project {name}={id_}; if {before} is, write "
            f'projectId: "{before}"',
        )
