"""What other programs read: plans, findings and events in their published JSON forms."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from reconciler import __version__
from reconciler.core.diagnostics import Diagnostic
from reconciler.core.events import Event, RunFinished, RunStarted
from reconciler.core.model import Address, Recorded
from reconciler.core.planning.content import content_of
from reconciler.core.planning.plan import (
    FORMAT_VERSION,
    PLAN_FORMAT_VERSION,
    AnyAction,
    Plan,
    action_to_json,
    document_of,
)
from reconciler.ports import ActionEntry, Inspection, RunEntry
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
        "summary": plan.summary(),
        "actions": [action_document(action) for action in (*plan.changes, *plan.holds)],
        "drift": [
            {
                "address": str(drift.address),
                "changes": [change.to_json() for change in drift.changes],
                "origin": "remote",
            }
            for drift in plan.drift
        ],
        "diagnostics": [finding.to_json() for finding in plan.diagnostics],
    }


def action_document(action: AnyAction) -> dict[str, Any]:
    """One action of a plan; of one that sends a body, what that is and what stands out in it."""
    document = action_to_json(action)
    body = document_of(action)
    if body is None:
        return document
    content = content_of(body)
    return document | {
        "kind": content.kind,
        "images": list(content.images),
        "commands": [dataclasses.asdict(command) for command in content.commands],
        "host_access": list(content.host_access),
        "priority": content.priority,
        "document": content.document,
    }


def diagnostics_document(found: Sequence[Diagnostic]) -> list[dict[str, Any]]:
    """Findings as a list of `schemas/diagnostic.schema.json`."""
    return [finding.to_json() for finding in found]


def event_document(event: Event) -> dict[str, Any]:
    """An event as `schemas/event.schema.json` has it; its name comes first."""
    values = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    head: dict[str, Any] = {"event": _snake(type(event).__name__)}
    if isinstance(event, RunStarted):
        head["format_version"] = FORMAT_VERSION
    return head | {name: _plain(value) for name, value in values.items()}


def applied_document(
    plan: Plan, finished: RunFinished, outcomes: Iterable[Event] = ()
) -> dict[str, Any]:
    """How an apply ended: the plan that it carried out, each outcome, and its last event."""
    return {
        "format_version": FORMAT_VERSION,
        "tool_version": __version__,
        "digest": plan.digest,
        "actions": [event_document(event) for event in outcomes],
        "run": event_document(finished),
    }


def record_document(row: Recorded, *, whole: bool = False) -> dict[str, Any]:
    """A record of the state; `whole` adds the redacted documents."""
    short = {
        "address": str(row.address),
        "id": row.id,
        "own": row.own.value,
        "seen": row.seen.value,
        "message": row.message or None,
        "protect": row.protected or row.lifecycle.protect,
        "wave": row.lifecycle.wave,
        "source": row.source or None,
        "last_sent_at": row.last_sent_at,
    }
    if not whole:
        return short
    return short | {
        "op": row.op,
        "run": row.run or None,
        "digest": row.digest,
        "ambiguous": row.ambiguous,
        "attempts": row.attempts,
        "first_sent_at": row.first_sent_at,
        "purpose": row.purpose.value if row.purpose else None,
        "marker": row.marker,
        "lifecycle": dataclasses.asdict(row.lifecycle),
        "spec": row.spec,
        "echo": row.echo,
    }


def run_document(run: RunEntry, actions: Sequence[ActionEntry] | None = None) -> dict[str, Any]:
    """A run of the state's history; with `actions`, what it did to each workload."""
    document = dataclasses.asdict(run) | {"counts": dict(run.counts)}
    if actions is None:
        return document
    return document | {"actions": [dataclasses.asdict(action) for action in actions]}


def inspection_document(found: Inspection) -> dict[str, Any]:
    """What a look at all of a state found."""
    return dataclasses.asdict(found) | {
        "sound": not found.flaws,
        "flaws": [dataclasses.asdict(flaw) for flaw in found.flaws],
    }


def unsaved_document(row: Recorded) -> dict[str, Any]:
    """What is known of a workload and could not be written down: enough to settle it by hand."""
    return {
        "unsaved": str(row.address),
        "op": row.op,
        "id": row.id,
        "own": row.own.value,
        "seen": row.seen.value,
        "purpose": row.purpose.value if row.purpose else None,
        "ambiguous": row.ambiguous,
        "last_sent_at": row.last_sent_at,
        "marker": row.marker,
        "run": row.run,
    }


def to_yaml(documents: Sequence[Any]) -> str:
    """Documents as one YAML stream, keys in their own order, with nothing harmful in it.

    What is spelt out is spelt as YAML does it between double quotes, so it means the same.
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        def represent_text(self, text: str) -> yaml.ScalarNode:
            # A long text is folded at its blanks, after which anything may begin a line.
            is_harmless = text == escape_terminal(text, keep="\n") and " ::" not in text
            style = None if is_harmless else '"'
            return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, Dumper.represent_text)
    options: Any = {"sort_keys": False, "allow_unicode": True, "width": 100}
    text = yaml.dump_all(documents, Dumper=Dumper, **options)
    return escape_terminal(text.rstrip("\n"), keep="\n")


def to_text(document: Any) -> str:
    """A document for a file or a pipe: indented, readable characters as they are."""
    return escape_json(json.dumps(document, indent=2, ensure_ascii=False))


def to_line(document: Any) -> str:
    """A document as one line of a stream."""
    return escape_json(json.dumps(document, ensure_ascii=False, separators=(",", ":")))


def _plain(value: Any) -> Any:
    if isinstance(value, Address):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
