"""What other programs read: plans, diagnostics and events in their published JSON forms."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, assert_never

from reconciler import __version__
from reconciler.core.diagnostics import Diagnostic
from reconciler.core.history.events import ActionEnded, Event, RunFinished, RunStarted
from reconciler.core.history.outcome import NAMES, Failed, InDoubt, Skipped, Succeeded
from reconciler.core.history.provenance import Provenance
from reconciler.core.model import Address, Recorded
from reconciler.core.planning.actions import AnyAction, action_to_json, document_of
from reconciler.core.planning.plan import FORMAT_VERSION, PLAN_FORMAT_VERSION, Plan
from reconciler.core.review.content import content_of, former_source_of, kind_of
from reconciler.core.states.inspection import Inspection
from reconciler.core.stored_json import plain
from reconciler.ports import ActionEntry, RunEntry
from reconciler.report.commands import COMMANDS, Commands
from reconciler.report.next_step import hint_after
from reconciler.report.text.escape import escape_json, escape_terminal


def plan_document(plan: Plan, created_at: datetime) -> dict[str, Any]:
    """A plan as `schemas/plan.schema.json` has it; only `created_at` depends on the moment."""
    return {
        "format_version": PLAN_FORMAT_VERSION,
        "tool_version": __version__,
        "digest": plan.digest,
        "created_at": created_at.isoformat(timespec="seconds"),
        "target": plan.target.to_json(),
        "state": {"lineage": plan.lineage, "serial": plan.serial},
        "complete": plan.complete,
        **({"at_work": plan.at_work} if plan.at_work else {}),
        **_provenance(plan.provenance),
        "summary": plan.summary(),
        **_quota(plan),
        "actions": [action_document(action) for action in plan.published],
        "drift": [
            {
                "address": str(drift.address),
                "changes": [change.to_json() for change in drift.changes],
                "origin": "remote",
                **({"returned": True} if drift.returned else {}),
            }
            for drift in plan.drift
        ],
        "diagnostics": [diagnostic.to_json() for diagnostic in plan.diagnostics],
    }


def _provenance(provenance: Provenance) -> dict[str, Any]:
    """Where something comes from; nothing where that is not known."""
    document = provenance.to_json()
    return {"provenance": document} if document else {}


def _quota(plan: Plan) -> dict[str, Any]:
    """The quotas that a plan has to fit into; nothing where none was looked at."""
    if plan.quota_note:
        return {"quota": {"projects": [], "note": plan.quota_note}}
    return {"quota": {"projects": [q.to_json() for q in plan.quotas]}} if plan.quotas else {}


def action_document(action: AnyAction) -> dict[str, Any]:
    """One action of a plan; of one that sends a body, what that is and what stands out in it."""
    document = action_to_json(action)
    if kind := kind_of(action):
        document["kind"] = kind
    if former := former_source_of(action):
        document["declared_in"] = former
    body = document_of(action)
    if body is None:
        return document
    # What a reviewer looks for first, so that no program has to search the body for it.
    content = content_of(body)
    return document | {
        "kind": content.kind,
        "images": list(content.images),
        "commands": [dataclasses.asdict(command) for command in content.commands],
        "host_access": list(content.host_access),
        "priority": content.priority,
        "document": content.document,
    }


def diagnostics_document(diagnostics: Sequence[Diagnostic]) -> list[dict[str, Any]]:
    """Diagnostics as a list of `schemas/diagnostic.schema.json`."""
    return [diagnostic.to_json() for diagnostic in diagnostics]


def event_document(event: Event, commands: Commands = COMMANDS) -> dict[str, Any]:
    """An event as `schemas/event.schema.json` has it; its name comes first."""
    if isinstance(event, ActionEnded):
        return _ended_document(event, commands)
    # `RunStarted` is published as `run_started`.
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
    document: dict[str, Any] = {"event": name}
    if isinstance(event, RunStarted):
        document["format_version"] = FORMAT_VERSION
    # Not asdict(event): an address is a dataclass as well, and is published as its text.
    for field in dataclasses.fields(event):
        value = getattr(event, field.name)
        if isinstance(value, Provenance):
            document |= _provenance(value)
            continue
        if isinstance(value, Address):
            value = str(value)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = dataclasses.asdict(value)
        document[field.name] = value
    return document


def _ended_document(event: ActionEnded, commands: Commands) -> dict[str, Any]:
    """The end of an action, which is published as an event of its outcome."""
    outcome, address = event.outcome, event.address
    document: dict[str, Any] = {
        "event": NAMES[type(outcome)].event,
        "at": event.at,
        "address": str(address),
        "action": event.action,
    }
    match outcome:
        case Succeeded(id=id_, detail=detail, counted_as=count):
            return document | {"id": id_, "took": event.took, "detail": detail, "counted_as": count}
        case Failed(id=id_, message=message, cause=cause):
            hint = hint_after(address, outcome, commands)
            document |= {"message": message, "id": id_, "hint": hint, "cause": cause}
        case InDoubt(message=message):
            document |= {"message": message, "hint": hint_after(address, outcome, commands)}
        case Skipped(message=message, hint=hint):
            # The one hint is of what a flag holds back; for the rest, applying again is all.
            document |= {"message": message, "hint": hint}
        case _:
            assert_never(outcome)
    return document | {"deleted": outcome.deleted, "down": outcome.down}


def applied_document(
    plan: Plan,
    finished: RunFinished,
    ended: Iterable[ActionEnded] = (),
    *,
    commands: Commands = COMMANDS,
) -> dict[str, Any]:
    """How an apply ended: the plan that it carried out, each outcome, and its last event."""
    return {
        "format_version": FORMAT_VERSION,
        "tool_version": __version__,
        "digest": plan.digest,
        "actions": [event_document(event, commands) for event in ended],
        "run": event_document(finished),
    }


def record_document(
    record: Recorded, *, whole: bool = False, replaced: Recorded | None = None
) -> dict[str, Any]:
    """A record of the state; `whole` adds the redacted documents.

    `replaced` is the record of what had the name before, where its successor is not there yet.
    """
    former_id = replaced.former_id if replaced else record.former_id
    document = {
        "address": str(record.address),
        "id": record.id,
        "own": record.own.value,
        "seen": record.seen.value,
        "message": record.reason or None,
        "former_id": former_id,
        "protect": record.protected or record.lifecycle.protect,
        "wave": record.lifecycle.wave,
        "source": record.source or None,
        "last_sent_at": record.last_sent_at,
    }
    if not whole:
        return document
    return document | {
        "op": record.op,
        "run": record.run or None,
        "digest": record.digest,
        "ambiguous": record.ambiguous,
        "attempts": record.attempts,
        "first_sent_at": record.first_sent_at,
        "purpose": record.purpose.value if record.purpose else None,
        "marker": record.marker,
        "lifecycle": dataclasses.asdict(record.lifecycle),
        "spec": record.spec,
        "echo": record.echo,
    }


def run_document(run: RunEntry, actions: Sequence[ActionEntry] | None = None) -> dict[str, Any]:
    """A run of the state's history; with `actions`, what it did to each workload."""
    document = dataclasses.asdict(run) | {"counts": dict(run.counts)}
    provenance = run.provenance
    document |= {"link": provenance.job, "commit": provenance.revision}
    if provenance.commit:
        document["clean"] = provenance.is_clean
    if actions is None:
        return document
    return document | {"actions": [dataclasses.asdict(action) for action in actions]}


def inspection_document(inspection: Inspection) -> dict[str, Any]:
    """How sound a state is, and each of its flaws."""
    return dataclasses.asdict(inspection) | {
        "sound": not inspection.flaws,
        "flaws": [dataclasses.asdict(flaw) for flaw in inspection.flaws],
    }


def unsaved_document(record: Recorded) -> dict[str, Any]:
    """What is known of a workload and could not be written down: enough to settle it by hand."""
    return {
        "unsaved": str(record.address),
        "op": record.op,
        "id": record.id,
        "own": record.own.value,
        "seen": record.seen.value,
        "purpose": record.purpose.value if record.purpose else None,
        "ambiguous": record.ambiguous,
        "last_sent_at": record.last_sent_at,
        "marker": record.marker,
        "run": record.run,
    }


# Whatever any version of YAML may take for a number, a date, or a truth of one letter.
_LIKE_NUMBER = re.compile(
    r"[-+.]*[0-9][-+.:_0-9a-fA-FoOxX]*|[-+]?\.(?:inf|nan)|[ynYN~]", re.IGNORECASE
)


def to_yaml(documents: Sequence[Any]) -> str:
    """Documents as one YAML stream, keys in their own order, with nothing harmful in it.

    What is spelt out is spelt as YAML does it between double quotes, so it means the same.
    """
    # Few commands print YAML, and the import takes as long as that of click.
    import yaml

    class Dumper(yaml.SafeDumper):
        def represent_text(self, text: str) -> yaml.ScalarNode:
            # A long text is folded at its blanks, after which anything may begin a line.
            is_harmless = text == escape_terminal(text, keep="\n") and " ::" not in text
            # A script of several lines is read as such; what cannot stand in a block is quoted.
            style = ("|" if "\n" in text else None) if is_harmless else '"'
            # The library quotes what its own YAML 1.1 would misread: `1e-4` is a text there, and
            # a number for everybody else.
            if style is None and _LIKE_NUMBER.fullmatch(text):
                style = "'"
            return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, Dumper.represent_text)
    options: Any = {"sort_keys": False, "allow_unicode": True, "width": 100}
    text = yaml.dump_all(documents, Dumper=Dumper, **options)
    return escape_terminal(text.rstrip("\n"), keep="\n")


def to_text(document: Any) -> str:
    """A document for a file or a pipe: indented, readable characters as they are."""
    return escape_json(json.dumps(document, indent=2, ensure_ascii=False, default=plain))


def to_list_text(documents: Iterable[Any]) -> str:
    """The same of a list, of which only a few documents at a time are in memory as values."""
    remaining = iter(documents)
    # Without its brackets, the text of a part is that of its documents in any longer list.
    parts = [to_text(part)[1:-2] for part in iter(lambda: [*islice(remaining, 1000)], [])]
    return f"[{','.join(parts)}\n]" if parts else "[]"


def to_line(document: Any) -> str:
    """A document as one line of a stream."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=plain)
    return escape_json(text)
