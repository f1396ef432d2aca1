"""One workload as a plan sees it: what was compared, what differs, what applies, what follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import chain, repeat
from typing import Any

from reconciler.core.diff.diff import FieldChange
from reconciler.core.model import Json, Live, Missing, Recorded, Remote, Unread
from reconciler.core.planning.explanation import ChangedBy, Difference, Explanation
from reconciler.core.planning.guards import Refusal
from reconciler.core.planning.plan import FORMAT_VERSION, action_to_json
from reconciler.report.machine.documents import record_document, to_yaml
from reconciler.report.text.color import ColorWriter
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.formatting import moment, number_of
from reconciler.report.text.plantext import PlanText

# Of what a server adds, enough to see what kind of thing it is.
MOST_POINTERS = 12


def explanation_document(found: Explanation, refusals: Sequence[Refusal] = ()) -> dict[str, Any]:
    """An explanation for programs; secrets are stand-ins, as in the state."""
    source, row = found.action.source, found.recorded
    place = {"file": source.file, "line": source.line} if source else None
    return {
        "format_version": FORMAT_VERSION,
        "address": str(found.address),
        "declared": {"source": place, "document": found.declared},
        "applied": record_document(row, whole=True) if row else None,
        "echoed": {
            "answer": _answer(found),
            "read_at": found.read_at.isoformat(timespec="seconds") if found.read_at else None,
            "document": found.echoed,
        },
        "differences": [_difference_document(difference) for difference in found.differences],
        "undeclared": list(found.undeclared),
        "sent": found.sent,
        "policies": [asdict(policy) for policy in found.policies],
        "other_records": [record_document(row) for row in found.others],
        "decision": action_to_json(found.action),
        "refusals": [asdict(refusal) for refusal in refusals],
    }


def _difference_document(difference: Difference) -> dict[str, Any]:
    return {
        "pointer": difference.pointer,
        "changed_by": difference.changed_by.value,
        "ignored": difference.ignored,
        "spec": difference.spec.to_json() if difference.spec else None,
        "remote": difference.remote.to_json() if difference.remote else None,
    }


class ExplanationText:
    """Renders an explanation; a document that is the same as another is not shown twice."""

    def __init__(
        self, *, paint: ColorWriter | None = None, prefix: str = "", now: datetime | None = None
    ) -> None:
        self._paint = paint or ColorWriter()
        self._prefix = prefix
        self._plans = PlanText(self._paint, prefix=prefix, now=now)

    def text(self, found: Explanation) -> str:
        """The documents, the differences, the policies, and the decision last."""
        blocks = [
            self._declared(found),
            *self._applied(found),
            *self._echoed(found),
            self._differences(found),
            *self._undeclared(found),
            self._policies(found),
            *self._others(found),
            *self._sent(found),
            f"{self._heading('Decision')}\n{self._plans.action(found.action, details=False)}",
        ]
        return "\n\n".join(blocks)

    def _heading(self, words: str, origin: str = "") -> str:
        head = self._paint.bold(f"{words}:")
        return f"{head}  {self._paint.dim(escape_terminal(origin))}" if origin else head

    def _declared(self, found: Explanation) -> str:
        if found.desired is None or found.declared is None:
            return f"{self._heading('Declared now')}  no spec declares it"
        origin = f"{self._prefix}{found.desired.source}"
        return f"{self._heading('Declared now', origin)}\n{_yaml(found.declared)}"

    def _applied(self, found: Explanation) -> Iterator[str]:
        row = found.recorded
        if row is None:
            yield f"{self._heading('Last applied')}  never: the state does not record it"
            return
        heading = self._heading("Last applied", _origin_of(row))
        yield f"{heading}\n{_yaml_unless(row.spec, found.declared, 'as declared now')}"
        if row.echo is not None:
            heading = self._heading("The server's echo of that")
            same = _yaml_unless(row.echo, row.spec, "as applied")
            yield f"{heading}\n{same}"

    def _echoed(self, found: Explanation) -> Iterator[str]:
        if found.recorded is None:
            return
        read = f"read {moment(found.read_at.isoformat())} UTC" if found.read_at else ""
        heading = self._heading("The server's echo now", read)
        if found.echoed is None:
            yield f"{heading}\n  {escape_terminal(_answer(found))}"
            return
        state = f"  {escape_terminal(_answer(found))}"
        yield f"{heading}\n{state}\n" + _yaml_unless(
            found.echoed, found.recorded.echo, "the same as its echo then"
        )

    def _differences(self, found: Explanation) -> str:
        if not found.differences:
            return f"{self._heading('Differences')}  none in what is declared"
        lines = [self._heading("Differences")]
        for difference in found.differences:
            for label, change in _sides(difference):
                shown = self._plans.changes((change,))
                lines += [
                    f"  {label if first else '':<8} {line}"
                    for first, line in zip(chain((True,), repeat(False)), shown, strict=False)
                ]
            if difference.ignored:
                lines.append(f"  {'':<8} left alone by ignoreChanges")
            elif difference.changed_by is ChangedBy.BOTH:
                lines.append(f"  {'':<8} changed on both sides")
        return "\n".join(lines)

    def _undeclared(self, found: Explanation) -> Iterator[str]:
        if not found.undeclared:
            return
        shown = found.undeclared[:MOST_POINTERS]
        more = len(found.undeclared) - len(shown)
        count = number_of(len(found.undeclared), "field")
        lines = [f"{self._heading('Not declared')}  {count} of the server's, left alone"]
        lines += [f"  {escape_terminal(pointer)}" for pointer in shown]
        yield "\n".join([*lines, *([f"  … and {more} more"] if more else [])])

    def _policies(self, found: Explanation) -> str:
        lines = [self._heading("Policies", "those that decide here are marked")]
        for policy in found.policies:
            mark = "*" if policy.applies else " "
            words = f"{mark} {policy.name}: {policy.value}  ({policy.origin})"
            lines.append(f"  {escape_terminal(words)}")
        return "\n".join(lines)

    def _sent(self, found: Explanation) -> Iterator[str]:
        """The body of an action that keeps something of what runs; else it is as declared."""
        if found.sent is not None and found.sent != found.declared:
            yield f"{self._heading('Will be sent')}\n{_yaml(found.sent)}"

    def _others(self, found: Explanation) -> Iterator[str]:
        if found.others:
            lines = [self._heading("Also recorded")]
            lines += [f"  {escape_terminal(_origin_of(row))}" for row in found.others]
            yield "\n".join(lines)


def _sides(difference: Difference) -> Iterator[tuple[str, FieldChange]]:
    """Each change of a field with who made it."""
    if difference.spec is not None:
        yield "spec", difference.spec
    if difference.remote is not None:
        yield "server", difference.remote


def _origin_of(row: Recorded) -> str:
    """Where a record is from: which operation, which run, and when."""
    when = f", sent {moment(row.last_sent_at)} UTC" if row.last_sent_at else ""
    run = f"run {row.run}" if row.run else "no run of this state"
    return f"{row.own.value.lower()}, id {row.id or 'unknown'}, {run}{when}"


def _answer(found: Explanation) -> str:
    """What the server said, in words: its own where it had any."""
    live: Live | None = found.live
    match live:
        case Remote():
            words = f"desiredPhase {live.desired_phase}, syncInfo {live.seen.value}"
            words = f"{words}: {live.message}" if live.message else words
            return f"{words} (deleted {live.deleted_at})" if live.deleted_at else words
        case Missing():
            heir = f"; a later run made {live.successor}" if live.successor else ""
            return f"the server does not have it: {live.message or 'no message'}{heir}"
        case Unread():
            return f"could not be read: {live.reason}"
        case None:
            return "not read"


def _yaml_unless(document: Json, other: Json | None, words: str) -> str:
    return f"  {words}" if document == other else _yaml(document)


def _yaml(document: Json) -> str:
    text = escape_terminal(to_yaml([_in_order(document)]), keep="\n")
    return "\n".join(f"  {line}" for line in text.splitlines())


def _in_order(document: Json) -> dict[str, Any]:
    """The same order in every document, so that they can be compared by eye."""
    names = sorted(document, key=lambda name: (name != "metadata", name))
    return {name: _sorted(document[name]) for name in names}


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        first = {"name": value["name"]} if "name" in value else {}
        return first | {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
