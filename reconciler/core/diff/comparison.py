"""What differs: a spec from its record, and a live workload from the echo in that record.

The two bases are never mixed: a change of the author shows against the record's spec, a change on
the server against the record's echo.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, NamedTuple

from reconciler.core.diff.diff import (
    ABSENT,
    FieldChange,
    Origin,
    find_changes,
    is_same,
    project,
    with_value,
)
from reconciler.core.diff.equality import (
    ROOT,
    Spot,
    is_equal,
    is_nothing,
    keys_of,
    reword,
    spots_below,
)
from reconciler.core.digest import canonical, digest_text
from reconciler.core.gpus import CountedManifest, GpuRequest, count_gpus
from reconciler.core.model import Desired, Json, Recorded, Remote
from reconciler.core.named_items import names_of
from reconciler.core.protocol.changes import as_shown
from reconciler.core.protocol.marker import read_marker, read_rev, unmark
from reconciler.core.redact import Redactor
from reconciler.core.renewal import renew, renew_row
from reconciler.core.stored_json import MAPS, decoded
from reconciler.values import dataclass

_NO_CONTENT: Json = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared(Remote):
    """A live workload after its comparison with the record; its body is not kept.

    `drift` holds the declared fields that differ from the server's echo of our own create, and
    `renewed` that echo under today's redaction rules, where they changed it. `answer` is the whole
    live content, redacted, where it differs from the echo; `filled_in` the values of the platform
    for fields that the submitted manifest leaves open and the spec now declares. `has_same_spec`
    says that the spec which this was compared for is the one of the record. `unmarked` says that
    the marker of the record is lost. `gpus` is what it asks for, where it has the manifest of that
    spec. `marker` and `rev` are the live ones, `stack` is that of the
    marker; empty for none.
    """

    drift: tuple[FieldChange, ...]
    renewed: Json | None = None
    answer: Json | None = None
    filled_in: Json | None = None
    has_same_spec: bool = False
    unmarked: bool = False
    marker: str = ""
    rev: str = ""
    stack: str = ""
    gpus: GpuRequest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveContent:
    """What a workload was submitted with as the server shows it, without our annotations.

    `redacted` is that under the strict rules, and `text` its canonical form; `rev` is the update
    shown.
    """

    plain: Json
    redacted: Json
    text: str
    rev: str

    @property
    def digest(self) -> str:
        """What names the redacted content."""
        return digest_text(self.text)

    def repeats(self, manifest: Json) -> bool:
        """Whether it has exactly this manifest, which holds no secret then."""
        head = f'{{"manifest":{canonical(manifest)},'
        return self.redacted is self.plain and self.text.startswith(head)


def read_content(remote: Remote, redactor: Redactor, *, searched: str = "") -> LiveContent:
    """The content of a workload, searched for secrets.

    `searched` is another document as the redactor writes it: a manifest that both have is not
    searched once more, unless the strict rules are others.
    """
    plain, strict = echo_of(remote), redactor.strict
    redacted, text = strict.redact_and_write(plain, searched=searched if strict is redactor else "")
    return LiveContent(plain=plain, redacted=redacted, text=text, rev=read_rev(remote.raw_manifest))


class EchoChanges(NamedTuple):
    """How a live content differs from a recorded echo; the fields are those of Compared."""

    drift: tuple[FieldChange, ...] = ()
    renewed: Json | None = None
    answer: Json | None = None


def compare_echo(row: Recorded, live: LiveContent, redactor: Redactor) -> EchoChanges:
    """Compare a content with the echo of a record, as of the update that it shows."""
    recorded = row.echo if row.echo is not None else row.spec
    # Nearly every workload ends here: equal texts spare the comparison field by field.
    if live.text == canonical(recorded):
        return EchoChanges()
    before = renew(recorded, redactor.strict, plain=live.plain)
    spec = decoded(row.spec)
    then = reword(before, like=spec)
    since = reword(live.redacted, like=then)
    drift = _find_differences(project(then, spec), project(since, spec), Origin.REMOTE)
    renewed = before if row.echo is not None and before != row.echo else None
    return EchoChanges(drift=drift, renewed=renewed, answer=live.redacted)


def compare(
    row: Recorded, remote: Remote, redactor: Redactor, *, desired: Desired | None = None
) -> Compared:
    """Compare a live workload with the server's echo of the last request that it shows.

    That may be an update of ours which the record has not proven yet.
    """
    marker, rev = read_marker(remote.raw_manifest), read_rev(remote.raw_manifest)
    proof = str(marker) if marker else ""
    shown = as_shown(row, rev)
    spec = redactor.redact_and_write(desired.spec)[1] if desired is not None else ""
    has_same_spec = desired is not None and digest_text(spec) == shown.digest
    filled_in, changes, gpus = None, EchoChanges(), None
    if not remote.is_gone:
        # Filled-in values matter only for fields that the spec declares for the first time.
        if desired is not None and not has_same_spec:
            filled_in = _filled_in(desired, remote, redactor.strict)
        # Most servers repeat the manifest as it was sent, which has been searched with the spec.
        content = read_content(remote, redactor, searched=spec)
        changes = compare_echo(shown, content, redactor)
        if desired is not None and has_same_spec and content.repeats(desired.manifest):
            # What was not counted with the spec is counted here, where it is decoded.
            is_counted = isinstance(desired.manifest, CountedManifest)
            gpus = count_gpus(desired.manifest if is_counted else remote.raw_manifest)
    # Of thousands that are as they were recorded, nothing is kept twice.
    return Compared(
        id=remote.id,
        address=row.address if remote.address == row.address else remote.address,
        metadata=_NO_CONTENT,
        raw_manifest=_NO_CONTENT,
        workload_manifest=_NO_CONTENT,
        desired_phase=remote.desired_phase,
        seen=remote.seen,
        message=remote.message,
        tenant_id=remote.tenant_id,
        deleted_at=remote.deleted_at,
        drift=changes.drift,
        renewed=changes.renewed,
        answer=changes.answer,
        filled_in=filled_in,
        has_same_spec=has_same_spec,
        unmarked=bool(row.marker) and marker is None,
        marker=row.marker if proof == row.marker else proof,
        rev=rev,
        stack=marker.stack if marker else "",
        gpus=gpus,
    )


def echo_of(remote: Remote) -> dict[str, Any]:
    """The live content without our annotations."""
    return {**remote.echo, "manifest": unmark(remote.raw_manifest)}


def _filled_in(desired: Desired, remote: Remote, redactor: Redactor) -> Json | None:
    """The platform's values for fields that the manifest leaves open and the spec declares."""
    raw, completed, declared = remote.raw_manifest, remote.workload_manifest, desired.manifest
    if raw == completed:
        return None
    declared = decoded(declared)
    if _put_in(declared, raw, completed, ROOT) is ABSENT:
        return None
    # Redacted as a whole: a name beside a value may say that it is a secret.
    return {"manifest": _put_in(declared, raw, redactor.redact(completed), ROOT)}


def _put_in(desired: Any, raw: Any, completed: Any, spot: Spot) -> Any:
    """The declared part of a completed manifest that the submitted one (`raw`) leaves open."""
    if completed is ABSENT or raw == completed:
        return ABSENT
    if _leaves_open(raw, spot):
        return project(completed, desired)
    if all(isinstance(value, MAPS) for value in (desired, raw, completed)):
        spot_of = spots_below(desired, spot)
        parts = {
            key: _put_in(
                desired[key], raw.get(key, ABSENT), completed.get(key, ABSENT), spot_of(key)
            )
            for key in desired
        }
        return {key: part for key, part in parts.items() if part is not ABSENT} or ABSENT
    if isinstance(raw, list) and isinstance(completed, list):
        part = project(completed, desired)
        return ABSENT if part == project(raw, desired) else part
    return ABSENT


def _leaves_open(value: Any, spot: Spot) -> bool:
    """Whether a submitted value leaves the field to the platform."""
    # `false` means nothing to Kubernetes, but its author has decided: the platform keeps it.
    return value is ABSENT or (value is not False and is_nothing(value, spot))


def body_digest(desired: Desired, redactor: Redactor) -> str:
    """The digest of a spec's content; secrets are in it as keyed digests only."""
    return redactor.redact_and_digest(desired.spec)[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecChanges:
    """How a spec differs from its record: in its meaning (`changes`), or only in its text.

    `row` is the record under today's redaction rules, `spec` the redacted spec. `is_same` says that
    this is the document of the record, `only_read_anew` that its author has changed nothing:
    numbers in it are read otherwise than then.
    """

    row: Recorded
    spec: Json
    changes: tuple[FieldChange, ...] = ()
    restated: tuple[FieldChange, ...] = ()
    is_same: bool = False
    only_read_anew: bool = False


def compare_spec(row: Recorded, desired: Desired, redactor: Redactor) -> SpecChanges:
    """What the author has changed since the record was made."""
    spec, spec_digest = redactor.redact_and_digest(desired.spec)
    if spec_digest == row.digest:
        return SpecChanges(row=row, spec=spec, is_same=True)
    row = renew_row(row, redactor, plain=desired.spec)
    spec, before = decoded(spec), decoded(row.spec)
    if not row.is_declared:
        before = project(before, spec)
    changes = _find_differences(before, spec, Origin.SPEC)
    return SpecChanges(
        row=row,
        spec=spec,
        changes=changes,
        restated=() if changes else tuple(find_changes(before, spec)),
        only_read_anew=bool(changes) and _is_only_read_anew(before, desired, redactor),
    )


def _is_only_read_anew(before: Json, desired: Desired, redactor: Redactor) -> bool:
    if not desired.older_readings:
        return False
    then: Any = desired.spec
    for pointer, value in desired.older_readings.items():
        then = with_value(then, pointer, value)
    return is_equal(before, redactor.redact(then))


def _find_differences(before: Any, after: Any, origin: Origin) -> tuple[FieldChange, ...]:
    """The fields that differ in their meaning to Kubernetes."""
    return tuple(find_changes(reword(before, like=after), after, origin=origin))


def what_runs(row: Recorded, live: Compared | None, desired: Json, redactor: Redactor) -> Json:
    """The content on the server as far as the record or `desired` declares it, redacted.

    A field that the record declares runs as it was sent, unless the server's answer has changed
    since. A field that only `desired` declares runs as the server says, or else as the platform
    filled it in. Without a live answer the recorded echo stands for it.
    """
    shape = decoded(redactor.redact(row.spec))
    recorded = shape if row.is_declared else project(shape, desired)
    echo = row.echo if row.echo is not None else row.spec
    # Never the answer in place of what was sent: a server may write a value in another spelling,
    # or not repeat it at all. So only a change from one answer to the next counts.
    then = reword(redactor.strict.redact(echo), like=shape)
    now = then if live is None or live.answer is None else reword(live.answer, like=then)
    filled_in = ABSENT if live is None or live.filled_in is None else live.filled_in
    runs = _overlay(_Sides(recorded, then, now, desired, filled_in), ROOT)
    return runs if isinstance(runs, MAPS) else {}


class _Sides(NamedTuple):
    """One value five times: recorded, echoed then, echoed now, desired, filled in."""

    recorded: Any
    then: Any
    now: Any
    desired: Any
    filled_in: Any


def _overlay(sides: _Sides, spot: Spot) -> Any:
    recorded, then, now, desired, filled_in = sides
    if recorded == desired and then == now:
        return recorded
    # Nobody has touched what was sent, and the server repeats it as it was.
    if then is now and then == recorded and filled_in is ABSENT:
        return recorded
    if desired is ABSENT or recorded is ABSENT:
        is_declared_anew = desired is not ABSENT
    else:
        # A recorded value without a meaning left the field to the server. Where that has put a map
        # or a list, the overlay goes into it, and decides key by key.
        was_open = is_nothing(recorded, spot) and not isinstance(now, (*MAPS, list))
        is_declared_anew = was_open and not is_nothing(desired, spot)
    if is_declared_anew:
        runs = _complete(now, filled_in, spot)
        return ABSENT if runs is ABSENT else project(runs, desired)
    if now is ABSENT:
        return recorded if then is ABSENT else ABSENT
    if isinstance(recorded, MAPS) and isinstance(now, MAPS):
        documents = [side if isinstance(side, MAPS) else {} for side in sides]
        spot_of = spots_below(recorded, spot)
        below = {
            key: _overlay(
                _Sides(*(document.get(key, ABSENT) for document in documents)), spot_of(key)
            )
            for key in {**recorded, **documents[3]}
        }
        return {key: value for key, value in below.items() if value is not ABSENT}
    if isinstance(recorded, list) and isinstance(now, list):
        return _overlay_list(sides, spot)
    return recorded if is_same(then, now) else now


def _complete(now: Any, filled_in: Any, spot: Spot) -> Any:
    """The server's value, with the platform's where the server says nothing."""
    if filled_in is ABSENT:
        return now
    if _leaves_open(now, spot):
        return filled_in
    if isinstance(now, MAPS) and isinstance(filled_in, MAPS):
        spot_of = spots_below(now, spot)
        parts = {
            key: _complete(now.get(key, ABSENT), filled_in[key], spot_of(key)) for key in filled_in
        }
        return {**now, **parts}
    return now


def _overlay_list(sides: _Sides, spot: Spot) -> list[Any]:
    """Item by item where they have keys and nobody has changed their order."""
    keyed: list[dict[str, Any] | None] = []
    for side in sides:
        items = side if isinstance(side, list) else []
        # By Kubernetes' own key, or else by their names.
        keys = keys_of(items, spot) or names_of(items)
        keyed.append(None if keys is None else dict(zip(keys, items, strict=True)))
    by_key = [items or {} for items in keyed]
    recorded, then, now, desired, _ = by_key
    same_order = [key for key in then if key in now] == [key for key in now if key in then]
    if None in keyed[:3] or not same_order:
        same = is_same(sides.then, sides.now)
        return list(sides.recorded if same else project(sides.now, sides.recorded))
    runs = [
        _overlay(_Sides(*(items.get(key, ABSENT) for items in by_key)), spot)
        for key in {**recorded, **desired}
    ]
    # An item that was added after the create runs as well; one of the first echo is the server's.
    drifted = [now[key] for key in now if key not in (recorded | desired | then)]
    return [item for item in runs if item is not ABSENT] + drifted
