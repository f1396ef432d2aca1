"""Explains one workload as a plan sees it: documents, differences, policies, decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from reconciler.core.file_names import under_prefix
from reconciler.core.model import Json, Live, Missing, Recorded, Remote, Unread
from reconciler.core.planning.actions import action_to_json
from reconciler.core.planning.guards import Refusal
from reconciler.core.planning.plan import FORMAT_VERSION
from reconciler.core.review.explanation import ChangedBy, Explanation
from reconciler.errors import Where
from reconciler.report.machine.documents import record_document, to_yaml
from reconciler.report.text.color import ColorWriter
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.formatting import moment, number_of
from reconciler.report.text.plantext import PlanText

# Of what a server adds, enough to see what kind of thing it is.
MOST_POINTERS = 12


def explanation_document(
    explanation: Explanation, refusals: Sequence[Refusal] = ()
) -> dict[str, Any]:
    """An explanation for programs; secrets are stand-ins, as in the state."""
    source, record = explanation.action.source, explanation.recorded
    read_at = explanation.read_at
    return {
        "format_version": FORMAT_VERSION,
        "address": str(explanation.address),
        "declared": {
            "source": _place_document(source),
            "document": explanation.declared,
        },
        "applied": record_document(record, whole=True) if record else None,
        "echoed": {
            "answer": _response_text(explanation),
            "read_at": read_at.isoformat(timespec="seconds") if read_at else None,
            "document": explanation.echoed,
        },
        "differences": [
            {
                "pointer": difference.pointer,
                "changed_by": difference.changed_by.value,
                "ignored": difference.ignored,
                "where": _place_document(difference.where),
                "spec": difference.spec.to_json() if difference.spec else None,
                "remote": difference.remote.to_json() if difference.remote else None,
            }
            for difference in explanation.differences
        ],
        "undeclared": list(explanation.undeclared),
        "sent": explanation.sent,
        "policies": [
            {**asdict(policy), "where": _place_document(policy.where)}
            for policy in explanation.policies
        ],
        "other_records": [record_document(record) for record in explanation.others],
        "decision": action_to_json(explanation.action),
        "refusals": [asdict(refusal) for refusal in refusals],
    }


def _place_document(where: Where | None) -> dict[str, Any] | None:
    return {"file": where.file, "line": where.line} if where else None


class ExplanationText:
    """Renders an explanation; a document that is the same as another is not shown twice."""

    def __init__(
        self, *, paint: ColorWriter | None = None, prefix: str = "", now: datetime | None = None
    ) -> None:
        self._paint = paint or ColorWriter()
        self._prefix = prefix
        self._plans = PlanText(self._paint, prefix=prefix, now=now)

    def text(self, explanation: Explanation) -> str:
        """The documents, the differences, the policies, and the decision last."""
        # Without details: the fields that differ stand above, with who changed them.
        decision = self._plans.action(explanation.action, details=False)
        blocks = [
            *self._documents(explanation),
            self._differences(explanation),
            *self._circumstances(explanation),
            f"{self._heading('Decision')}\n{decision}",
        ]
        return "\n\n".join(blocks)

    def _heading(self, title: str, origin: str = "") -> str:
        head = self._paint.bold(f"{title}:")
        return f"{head}  {self._paint.dim(escape_terminal(origin))}" if origin else head

    def _documents(self, explanation: Explanation) -> Iterator[str]:
        """What is declared, what was applied, and what the server has."""
        declared, record = explanation.declared, explanation.recorded
        if explanation.desired is None or declared is None:
            yield f"{self._heading('Declared now')}  no spec declares it"
        else:
            origin = under_prefix(self._prefix, str(explanation.desired.source))
            yield f"{self._heading('Declared now', origin)}\n{_yaml(declared)}"
        if record is None:
            yield f"{self._heading('Last applied')}  never: the state does not record it"
            return
        heading = self._heading("Last applied", _origin_of(record))
        yield f"{heading}\n{_yaml_unless(record.spec, declared, 'as declared now')}"
        # What the server made of the body: it fills in defaults that no spec has.
        if record.echo is not None:
            heading = self._heading("The server's echo of that")
            yield f"{heading}\n{_yaml_unless(record.echo, record.spec, 'as applied')}"
        read_at = explanation.read_at
        read = f"read {moment(read_at.isoformat())} UTC" if read_at else ""
        heading = self._heading("The server's echo now", read)
        block = f"{heading}\n  {escape_terminal(_response_text(explanation))}"
        if explanation.echoed is not None:
            same = "the same as its echo then"
            block = f"{block}\n{_yaml_unless(explanation.echoed, record.echo, same)}"
        yield block

    def _differences(self, explanation: Explanation) -> str:
        if not explanation.differences:
            # Without a record there was nothing to compare with, which is not the same as equal.
            told = "none in the declared fields" if explanation.recorded else "all of it is new"
            return f"{self._heading('Differences')}  {told}"
        lines = [self._heading("Differences")]
        for difference in explanation.differences:
            for label, change in (("spec", difference.spec), ("server", difference.remote)):
                if change is None:
                    continue
                for number, line in enumerate(self._plans.changes((change,))):
                    lines.append(f"  {'' if number else label:<8} {line}")
            if difference.where is not None:
                lines.append(f"  {'':<8} {self._paint.dim(self._place(difference.where))}")
            if difference.ignored:
                lines.append(f"  {'':<8} left alone by ignoreChanges")
            elif difference.changed_by is ChangedBy.BOTH:
                lines.append(f"  {'':<8} changed on both sides")
        return "\n".join(lines)

    def _place(self, where: Where) -> str:
        return escape_terminal(f"{under_prefix(self._prefix, where.file)}:{where.line}")

    def _circumstances(self, explanation: Explanation) -> Iterator[str]:
        """The server's own fields, the policies, other records, and what differs when sent."""
        undeclared = explanation.undeclared
        if undeclared:
            count = number_of(len(undeclared), "field")
            lines = [f"{self._heading('Not declared')}  {count} of the server's, left alone"]
            lines += [f"  {escape_terminal(pointer)}" for pointer in undeclared[:MOST_POINTERS]]
            if len(undeclared) > MOST_POINTERS:
                lines.append(f"  … and {len(undeclared) - MOST_POINTERS} more")
            yield "\n".join(lines)
        applies = any(policy.applies for policy in explanation.policies)
        legend = "* marks those that decide here" if applies else "none of them decides here"
        lines = [self._heading("Policies", legend)]
        for policy in explanation.policies:
            mark = "*" if policy.applies else " "
            origin = self._place(policy.where) if policy.where else policy.origin
            lines.append(
                f"  {escape_terminal(f'{mark} {policy.name}: {policy.value}')}  ({origin})"
            )
        yield "\n".join(lines)
        if explanation.others:
            origins = (f"  {escape_terminal(_origin_of(record))}" for record in explanation.others)
            yield "\n".join([self._heading("Also recorded"), *origins])
        # An action that keeps something of what runs sends another body than the declared one.
        if explanation.sent is not None and explanation.sent != explanation.declared:
            yield f"{self._heading('Will be sent')}\n{_yaml(explanation.sent)}"


def _origin_of(record: Recorded) -> str:
    """Where a record is from: which operation, which run, and when."""
    when = f", sent {moment(record.last_sent_at)} UTC" if record.last_sent_at else ""
    run = f"run {record.run}" if record.run else "no run of this state"
    ending = f"; {record.ending}" if record.ending else ""
    return f"{record.own.value.lower()}, id {record.id or 'unknown'}, {run}{when}{ending}"


def _response_text(explanation: Explanation) -> str:
    """The server's response in a sentence, with its own message where it has one."""
    live: Live | None = explanation.live
    match live:
        case Remote():
            text = f"desiredPhase {live.desired_phase}, syncInfo {live.seen.value}"
            text = f"{text}: {live.message}" if live.message else text
            return f"{text} (deleted {live.deleted_at})" if live.deleted_at else text
        case Missing():
            later = f"; a later run made {live.replacement}" if live.replacement else ""
            return f"the server does not have it: {live.message or 'no message'}{later}"
        case Unread():
            return f"could not be read: {live.reason}"
        case None:
            return "not read"


def _yaml_unless(document: Json, other: Json | None, same: str) -> str:
    return f"  {same}" if document == other else _yaml(document)


def _yaml(document: Json) -> str:
    # In the same order in every document, so that they can be compared by eye.
    names = sorted(document, key=lambda name: (name != "metadata", name))
    ordered = {name: _sorted(document[name]) for name in names}
    text = escape_terminal(to_yaml([ordered]), keep="\n")
    return "\n".join(f"  {line}" for line in text.splitlines())


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        # The name of a container or volume tells which one a reader looks at.
        first = {"name": value["name"]} if "name" in value else {}
        return first | {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
