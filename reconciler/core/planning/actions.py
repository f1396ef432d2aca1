"""What is to be done with one workload, as a value of its own type."""

from __future__ import annotations

from dataclasses import asdict, field
from enum import StrEnum
from typing import Any, ClassVar

from reconciler.core.diff.diff import FieldChange
from reconciler.core.digest import digest
from reconciler.core.lifecycle import (
    Lifecycle,
)
from reconciler.core.model import (
    Address,
    Desired,
    Json,
    Purpose,
    Recorded,
)
from reconciler.errors import Where
from reconciler.values import dataclass


class Reason(StrEnum):
    """Why an action is in the plan; a closed set, published with the plan document."""

    NEW = "new"
    SPEC_CHANGED = "spec-changed"
    LIFECYCLE_CHANGED = "lifecycle-changed"
    REMOVED_FROM_SPECS = "removed-from-specs"
    MISSING_ON_SERVER = "missing-on-server"
    SYNC_FAILED = "sync-failed"
    DRIFTED = "drifted"
    REQUESTED = "requested"
    IN_DOUBT = "in-doubt"
    ALREADY_OWNED = "already-owned"
    FORGOTTEN_ON_REMOVE = "forgotten-on-remove"
    RUN_TO_COMPLETION = "run-to-completion"
    DOWN = "down"
    UPDATE_UNPROVEN = "update-unproven"
    UPDATE_UNKNOWN = "update-unknown"
    LATE_UPDATE = "late-update"
    TAKEN_OVER = "taken-over"
    OWNER_UNKNOWN = "owner-unknown"
    MARKER_MISSING = "marker-missing"
    UNPROVEN_ABSENCE = "unproven-absence"
    NOT_DECLARED_YET = "not-declared-yet"
    GIVEN_UP = "given-up"
    NAME_TAKEN = "name-taken"
    FINISHED = "finished"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuEffect:
    """GPUs that one workload asks for, before and after; `known` is False where nobody can tell.

    `since` is when those before were asked for (RFC 3339), where we were the ones who asked. `peak`
    is what an update may take for a while, if that is more than both.
    """

    before: float = 0.0
    after: float = 0.0
    known: bool = True
    since: str | None = None
    peak: float | None = None

    @property
    def most(self) -> float:
        """The most that may be asked for at one time."""
        return max(self.before, self.after, self.peak or 0.0)

    @property
    def withheld(self) -> GpuEffect:
        """The effect where the action is not carried out: what is asked for stays."""
        return GpuEffect(before=self.before, after=self.before, known=self.known)

    def to_json(self) -> dict[str, Any]:
        """The published form; `at_least` where the numbers are lower bounds."""
        document: dict[str, Any] = {"before": self.before, "after": self.after}
        if self.peak is not None:
            document["peak"] = self.peak
        return document if self.known else document | {"at_least": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What one action of any kind carries: whom it concerns, why, and from which line."""

    kind: ClassVar[str]
    glyph: ClassVar[str]

    address: Address
    reason: Reason
    detail: str = ""
    source: Where | None = None
    wave: int = 0
    gpus: GpuEffect = field(default_factory=GpuEffect)
    changes: tuple[FieldChange, ...] = ()

    @property
    def id(self) -> str | None:
        """The server's id of the workload, where there is one before the apply."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfRecorded(Action):
    """An action on a workload that the state knows."""

    recorded: Recorded

    @property
    def id(self) -> str | None:
        """The id that the state has for it."""
        return self.recorded.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Create(Action):
    """Make a workload; `lost` is the record of one that is gone, `document` the redacted body."""

    kind = "create"
    glyph = "+"
    desired: Desired
    lost: Recorded | None = None
    document: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace(_OfRecorded):
    """Delete a workload, wait for its absence, create it anew: what no update can do.

    `desired` is what is sent: the spec, with the values of what runs where ignoreChanges keeps
    them. `kept` is what runs, where anything of it is kept; `undone` are the pointers of what
    somebody changed on the server, and what this overwrites.
    """

    kind = "replace"
    glyph = "±"
    desired: Desired
    kept: Json | None = None
    undone: tuple[str, ...] = ()
    document: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Update(_OfRecorded):
    """Change a workload in place: its id, its pods and its place in a queue stay.

    `desired` is the spec. `drift` is what others had changed of the declared fields when this was
    planned (ignored ones left out): an update is not sent over anything else. `overwrites` are
    those of their changes that it takes back or over, with `undo_drift` all of them. An update that
    was begun has its change in the record; so has one that came true late. `document` is what will
    be there: the spec, with what others keep of it. `merged_with` names the live content, redacted,
    on which it is sent as it is; empty where that cannot be said, of secrets above all. One that
    `marks` puts our marker on a workload and leaves its content, which `desired` then is.
    """

    kind = "update"
    glyph = "~"
    desired: Desired
    drift: tuple[FieldChange, ...] = ()
    overwrites: tuple[FieldChange, ...] = ()
    undo_drift: bool = False
    marks: str = ""
    document: Json | None = None
    merged_with: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(_OfRecorded):
    """Delete a workload and wait for its absence; `purpose` is what its record says then.

    `outlived` as with Keep.

    `is_foreseen` says that the record had asked for it before this run, so that nobody's slip can
    be behind it.
    """

    kind = "delete"
    glyph = "-"
    purpose: Purpose = Purpose.REMOVED
    is_foreseen: bool = False
    outlived: tuple[Recorded, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget(_OfRecorded):
    """Drop a workload from the state without touching it on the server; `outlived` as with Keep.

    With `ends` its record stays as that of a workload which has ended, and is not made again.
    """

    kind = "forget"
    glyph = "."
    ends: bool = False
    outlived: tuple[Recorded, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt(_OfRecorded):
    """Record the workload of ours that has the name of a lost one since; nothing is sent."""

    kind = "adopt"
    glyph = "="


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve(_OfRecorded):
    """Find out whether a create that was cut short has happened.

    `desired` is what is wanted now and may be sent, `same` says that it is what was sent before.
    """

    kind = "resolve"
    glyph = "?"
    desired: Desired | None = None
    same: bool = False
    document: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(_OfRecorded):
    """Remember changed lifecycle settings, or a spec that the server fits already; nothing is sent.

    `follows` says that the record takes over the spec: it means what the record means, or `agreed`
    are its changes, to what somebody else made of the workload before; `echo` is then what the
    server is expected to say from now on.

    `rev` is that of an update which this state does not know: another copy of it made that, and
    our own open change is closed by it. What the workload shows of the declared fields becomes the
    record, and the next plan decides. Who carries this out reads it again first, and only once: a
    replica that lags may have shown an older update.
    """

    kind = "record"
    glyph = "="
    desired: Desired
    follows: bool = False
    agreed: tuple[FieldChange, ...] = ()
    echo: Json | None = None
    rev: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(Action):
    """Something would be done if a setting or a flag did not hold it back.

    `fails` makes an apply count it as a failure (`onMissing: fail`), `outdated` says that it was
    approved as another action; `outlived` as with Keep. `forbidden` says that it would need what a
    flag or a setting forbids: it stays due, and an apply counts it as skipped. `lifecycle` are
    changed settings, which are remembered all the same. `remedy` is the end of `detail` that says
    what a person can do: where an apply fails over it, its cause says the same. `is_gone` says that
    it had ended by itself, and that the server no longer has it.
    """

    kind = "hold"
    glyph = "!"
    recorded: Recorded | None = None
    fails: bool = False
    outdated: bool = False
    forbidden: bool = False
    lifecycle: Lifecycle | None = None
    outlived: tuple[Recorded, ...] = ()
    remedy: str = ""
    is_gone: bool = False

    @property
    def id(self) -> str | None:
        """The server's id of the workload that is held, if it was ever created."""
        return self.recorded.id if self.recorded else None

    @property
    def is_due(self) -> bool:
        """Whether an apply that leaves it so is no success: its author has not held it."""
        return self.fails or self.forbidden


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep(_OfRecorded):
    """Nothing to do; `outlived` are older operations that can no longer come true beside it."""

    kind = "keep"
    glyph = " "
    outlived: tuple[Recorded, ...] = ()


AnyAction = Create | Replace | Update | Delete | Adopt | Forget | Resolve | Record | Hold | Keep
SUMMARY_ORDER = (
    *("create", "replace", "update", "delete", "adopt"),
    *("forget", "resolve", "hold", "record"),
)


def gist(action: AnyAction) -> dict[str, Any]:
    """What an approval of this action is bound to."""
    bound = action_to_json(action)
    # A spec that moves to another line is the same; a body that changes is not.
    del bound["source"]
    desired = desired_of(action)
    if desired is not None:
        bound["spec"] = digest(desired.spec)
        bound["lifecycle"] = asdict(desired.lifecycle)
    return bound


def desired_of(action: AnyAction) -> Desired | None:
    """What is to be on the server, or in the record, after this action."""
    declaring = Create | Replace | Update | Record | Resolve
    return action.desired if isinstance(action, declaring) else None


def document_of(action: AnyAction) -> Json | None:
    """What an action declares of the workload that it makes or changes; redacted."""
    return action.document if isinstance(action, Create | Replace | Update | Resolve) else None


def recorded_of(action: AnyAction) -> Recorded | None:
    """The record that an action ends, changes or leaves alone."""
    return action.lost if isinstance(action, Create) else action.recorded


def overwrites_of(action: object) -> tuple[FieldChange, ...]:
    """What others have changed on the server and an update takes back or over."""
    return action.overwrites if isinstance(action, Update) else ()


def action_to_json(action: AnyAction) -> dict[str, Any]:
    """One action in the published form."""
    source = action.source
    document: dict[str, Any] = {
        "address": str(action.address),
        "action": action.kind,
        "reason": action.reason.value,
        "detail": action.detail,
        "id": action.id,
        "source": {"file": source.file, "line": source.line} if source else None,
        "wave": action.wave,
        "gpus": action.gpus.to_json(),
        "changes": [change.to_json() for change in action.changes],
    }
    if isinstance(action, Update):
        document["overwrites"] = [change.to_json() for change in action.overwrites]
    if isinstance(action, Hold):
        document["due"] = action.is_due
    return document
