"""What the client does at each of its points, and what it may hear in answer."""

from __future__ import annotations

from dataclasses import dataclass

from proof.model.world import Row, Workload


@dataclass(frozen=True, slots=True)
class Commit:
    """Make a row durable, and at the same instant the end of others."""

    row: Row
    ended: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Post:
    """Send a create."""

    op: int
    body: int


@dataclass(frozen=True, slots=True)
class Read:
    """GET by id."""

    id: int


@dataclass(frozen=True, slots=True)
class Find:
    """List the ids under the name."""


@dataclass(frozen=True, slots=True)
class Control:
    """List another workload of ours, to see whether the list can be believed."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Send a delete."""

    id: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for the server."""


@dataclass(frozen=True, slots=True)
class End:
    """The run is over: done, failed, doubtful, skipped; `id` where one is reported."""

    outcome: str
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Defect:
    """The table has no step for what happened."""

    message: str


Command = Commit | Post | Read | Find | Control | Remove | Pause | End | Defect
Request = Post | Read | Find | Control | Remove


@dataclass(frozen=True, slots=True)
class Made:
    """202 to a create, with its id."""

    id: int


@dataclass(frozen=True, slots=True)
class Taken:
    """409 to a create; some servers name the holder."""

    hint: int | None = None


@dataclass(frozen=True, slots=True)
class Unclear:
    """Nobody can tell whether it was carried out; `again`: there is time to send once more."""

    again: bool = False


@dataclass(frozen=True, slots=True)
class Unsent:
    """It was certainly not carried out; `again`: there is time to send once more."""

    again: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A definite no to a create, such as a 422."""


@dataclass(frozen=True, slots=True)
class Found:
    """200 to a read."""

    workload: Workload


@dataclass(frozen=True, slots=True)
class Absent:
    """404 in the API's own words."""


@dataclass(frozen=True, slots=True)
class Garbled:
    """An answer to a read or a list that says nothing."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list that can be asked shows under a name."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Going:
    """202 to a delete."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The run was told to end before this was sent."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """It is done; there is nothing to hear."""


Answer = (
    Made | Taken | Unclear | Unsent | Refused | Found | Absent | Garbled | Listed | Going | Stopped
) | Nothing


def describe(command: Command, heard: Answer) -> str:
    """One step of an apply against a healthy server, in words."""
    match command:
        case Commit(row=row):
            return f"the state records {row.own} of op {row.op}"
        case Post(op=op):
            return f"POST of op {op} is answered {'202' if isinstance(heard, Made) else '409'}"
        case Read(id=id_):
            return f"GET of {id_} {'shows it' if isinstance(heard, Found) else 'is answered 404'}"
        case Remove(id=id_):
            return f"DELETE of {id_} is answered {'202' if isinstance(heard, Going) else '404'}"
        case Find() if isinstance(heard, Listed):
            return f"the list shows {', '.join(map(str, heard.ids)) or 'nothing under the name'}"
        case Control():
            return "the list shows the control workload"
        case _:
            return "the client has waited"
