"""The nouns of the product: desired, recorded and live workloads, and what they are made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from reconciler.core.lifecycle import Lifecycle
from reconciler.core.stored_json import StoredJson
from reconciler.errors import Where
from reconciler.values import dataclass

Json = Mapping[str, Any]

# Characters that stand for themselves in a filter of the server's list. Names of 253 characters
# are those of Kubernetes objects, which an adopted workload may have.
_PROJECT_ID = re.compile(r"[A-Za-z0-9._-]{1,63}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}")


def is_project_id(text: str) -> bool:
    """Whether a text can be the id of a project, as `schemas/overlay.json` has it for specs."""
    return _PROJECT_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Address:
    """The server's own identity of a workload: names are unique within a project."""

    project: str
    name: str

    def __str__(self) -> str:
        return f"{self.project}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `<projectId>/<name>`; raises ValueError for anything else."""
        project, slash, name = text.partition("/")
        if not (slash and is_project_id(project) and _NAME.fullmatch(name)):
            raise ValueError(f"{text!r} is not an address of the form <projectId>/<name>")
        return cls(project=project, name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """One effective spec: defaults merged, aliases and files resolved, schema-checked.

    `metadata` is sent as it is (name, projectId and what else was declared). `manifest` is the
    decoded Kubernetes object; `encoded` says that its author wrote it as base64, and that it is
    sent that way. `older_readings` are the numbers that an earlier version read otherwise (`0400`
    as 400), by their pointers in `spec`.
    """

    address: Address
    source: Where
    metadata: Json
    manifest: Json
    encoded: bool = False
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    older_readings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def spec(self) -> Json:
        """The declared content in one document, however the manifest was written."""
        metadata, manifest = self.metadata, self.manifest
        if isinstance(metadata, StoredJson) and isinstance(manifest, StoredJson):
            return StoredJson.joined({"manifest": manifest, "metadata": metadata})
        return {"metadata": metadata, "manifest": manifest}


class Own(StrEnum):
    """What we know about owning the workload of one operation.

    ENDED is no workload that may exist: its lifecycle ended it, and it is not made again as long
    as a spec declares the same content. `purpose` says why, `id` which workload that was.
    """

    CREATING = "CREATING"
    ACCEPTED = "ACCEPTED"
    UNCONFIRMED = "UNCONFIRMED"
    DELETING = "DELETING"
    LATE_CREATE_POSSIBLE = "LATE_CREATE_POSSIBLE"
    ENDED = "ENDED"
    GONE = "GONE"

    @property
    def label(self) -> str:
        """The same for people."""
        return self.value.lower().replace("_", " ")


class LastSeen(StrEnum):
    """The last `syncInfo.status` of the server; `unknown` and `missing` are ours."""

    UNKNOWN = "unknown"
    QUEUED = "Queued"
    APPLYING = "Applying"
    SYNCED = "Synced"
    FAILED = "Failed"
    DELETING = "Deleting"
    DELETED = "Deleted"
    MISSING = "missing"


class Purpose(StrEnum):
    """Why a workload is being deleted, so that the next run can continue, or why it has ended.

    GIVEN_UP: a person stopped waiting; the delete is not sent again, and its name stays taken.
    FINISHED: it ran to its end. EXPIRED: it ran for longer than its lifecycle allows.
    """

    REMOVED = "removed"
    REPLACE = "replace"
    SUPERSEDED = "superseded"
    GIVEN_UP = "given-up"
    FINISHED = "finished"
    EXPIRED = "expired"


ENDS = (Purpose.FINISHED, Purpose.EXPIRED)
"""The purposes with which a lifecycle ends a workload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenChange:
    """An update that may have been sent and is not proven yet; `rev` names it on the server.

    One rev has one body, which `body_digest` names under the state's key. `spec` is the redacted
    spec that it declares, and `digest` names it. `body` is the redacted content that was sent;
    fields whose drift the update leaves have their earlier values in it, so that they still count
    as drift. `base` is the rev that it was made on, empty for none. Times are RFC 3339 in UTC by
    the server's clock.
    """

    rev: str
    base: str
    body_digest: str
    digest: str
    spec: Json
    body: Json
    marks: str = ""
    attempts: int = 0
    first_sent_at: str | None = None
    last_sent_at: str | None = None
    ambiguous: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRev:
    """An update whose request may still be carried out after a later one.

    Its documents are those of OpenChange: what it declared is ours, wherever it turns up.
    """

    rev: str
    last_sent_at: str
    spec: Json = field(default_factory=dict)
    body: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRecord:
    """The updates of one operation: the one proven last, the one under way, and late ones.

    `base` is the rev before the confirmed one, and `proven_at` the server's time at which that was
    seen. `was_synced` says that the workload was Synced before its update: if that fails, the old
    content may run on. `drops_annotations` says that the server showed an update without our
    annotations. `former_markers` are those of owners from whom the workload was taken over.
    """

    confirmed: str = ""
    base: str = ""
    proven_at: str | None = None
    open: OpenChange | None = None
    superseded: tuple[SentRev, ...] = ()
    was_synced: bool = False
    drops_annotations: bool = False
    former_markers: tuple[str, ...] = ()

    @property
    def revs(self) -> tuple[str, ...]:
        """Every rev of ours that may be live; the empty one is the workload as it was created."""
        under_way = (self.open.rev,) if self.open else ()
        return (self.confirmed, *under_way, *(sent.rev for sent in self.superseded))


NO_CHANGE = ChangeRecord()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One operation as the state knows it: one body, one id at most, never reused.

    `spec` is the redacted copy of what its author declared, and `digest` names it; an empty digest
    marks a workload that was adopted and that no file has declared yet. `echo` is the redacted
    response to our own create. Times are RFC 3339 in UTC, by the server's clock where it sent one.
    `marker` is the one that the live manifest must carry, `protected` says that a person protected
    it beside its spec, `source` is the file that declared it (relative to the repository's root),
    `run` the apply that created it. `kept` is the content that ran when its replace began, for the
    ignored fields that the replacement keeps; `undone` are the pointers at which its create
    has overwritten changes made on the server. `change` records its updates. `former_id` is the id
    that was deleted for a replace, until the replacement is accepted; `refusal` is the last
    response to a create that was not accepted, and `message` anything else about it.
    """

    op: str
    address: Address
    own: Own
    digest: str
    spec: Json
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    seen: LastSeen = LastSeen.UNKNOWN
    id: str | None = None
    ambiguous: bool = False
    attempts: int = 0
    first_sent_at: str | None = None
    last_sent_at: str | None = None
    purpose: Purpose | None = None
    echo: Json | None = None
    message: str = ""
    marker: str = ""
    protected: bool = False
    source: str = ""
    run: str = ""
    epoch: int = 0
    kept: Json | None = None
    undone: tuple[str, ...] = ()
    change: ChangeRecord = NO_CHANGE
    former_id: str | None = None
    refusal: str = ""

    @property
    def is_declared(self) -> bool:
        """Whether a file declares `spec`; otherwise it is the whole content of an adopted one."""
        return bool(self.digest)

    @property
    def awaits_spec(self) -> bool:
        """Whether it was imported, and no apply has seen the file that declares it.

        Of everything else with a digest a file is known, or we have sent its create.
        """
        found = self.own is Own.ACCEPTED and not self.attempts
        return found and self.is_declared and not self.source

    @property
    def is_down(self) -> bool:
        """Whether it was deleted to be replaced, and no replacement has been accepted yet."""
        return self.former_id is not None and self.own is Own.LATE_CREATE_POSSIBLE

    @property
    def reason(self) -> str:
        """Why it is not there: the server's message first, then ours."""
        return join_reasons(self.refusal, self.message)

    @property
    def ending(self) -> str:
        """How the workload ended whose replacement does not run yet; empty for any other."""
        if self.former_id is not None:
            deleted = self.seen is LastSeen.DELETED
            end = "was deleted to be replaced" if deleted else "was gone before its replacement"
            return f"workload {self.former_id} {end}"
        if self.own is Own.ACCEPTED and self.seen is LastSeen.MISSING:
            return f"workload {self.id} was no longer on the server"
        return ""


def ended_text(row: Recorded) -> str:
    """Why a workload was ended, as it was said then."""
    default = "it ran for too long" if row.purpose is Purpose.EXPIRED else "it completed"
    # While it is being deleted, its message is about that.
    return row.message or default if row.own is Own.ENDED else default


def join_reasons(*reasons: str) -> str:
    """Several reasons in one sentence, each only once; empty ones are left out."""
    return "; ".join(dict.fromkeys(reason for reason in reasons if reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A workload as the server describes it (WorkloadV2, with syncInfo where the call has one).

    `raw_manifest` is what was submitted, `workload_manifest` the same with what the platform has
    filled in and overridden.
    """

    id: str
    address: Address
    metadata: Json
    raw_manifest: Json
    desired_phase: str
    seen: LastSeen = LastSeen.UNKNOWN
    message: str = ""
    tenant_id: int | None = None
    deleted_at: str | None = None
    workload_manifest: Json = field(default_factory=dict)

    @property
    def echo(self) -> Json:
        """The part of a response that mirrors a spec."""
        metadata = {key: self.metadata[key] for key in ECHOED_METADATA if key in self.metadata}
        return {"metadata": metadata, "manifest": self.raw_manifest}

    @property
    def is_gone(self) -> bool:
        """Whether this response proves absence; a delete under way does not."""
        if self.seen is LastSeen.DELETED:
            return True
        # The API deletes softly: it sets `deletedAt` at once, and only the missing syncInfo says
        # that the cluster has nothing left.
        return self.deleted_at is not None and self.seen is LastSeen.UNKNOWN

    @property
    def is_leaving(self) -> bool:
        """Whether it is gone or being deleted, by whomever."""
        if self.seen is LastSeen.DELETING or self.desired_phase == "Deleted":
            return True
        return self.deleted_at is not None


ECHOED_METADATA = ("name", "projectId", "priority", "category")


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """The server answered 404 for this id, in the API's own JSON.

    `replacement` is the id of a workload of ours that has its name now, and `manifest` its content:
    then the state is older than the server. `proven` says that a trusted list does not show the id
    either; one response alone may come from a replica that lags.
    """

    message: str = ""
    replacement: str | None = None
    manifest: Json | None = None
    proven: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """This id could not be read; nothing may be concluded from it."""

    reason: str


Live = Remote | Missing | Unread


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which control plane and owner a state belongs to; None is not known yet.

    `can_update` says that the server has shown that it changes workloads in place, `keeps_removed`
    that it has kept a field which an update no longer had: it merges what it is sent (A8).
    `pins` are the ids of projects by the names under which specs have them.
    """

    url: str
    stack: str
    issuer: str | None = None
    tenant_id: int | None = None
    can_update: bool = False
    keeps_removed: bool = False
    pins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a state says about itself; `serial` counts runs that wrote, `lineage` never changes."""

    lineage: str
    serial: int
    target: Target
