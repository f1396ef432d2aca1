"""What a workload would run, as a reviewer asks first: images, commands, access to its host."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.digest import canonical
from reconciler.core.model import Json
from reconciler.core.planning.actions import AnyAction, document_of, recorded_of
from reconciler.core.redact import HIDDEN, spell_marks

# What a process is started with, in pods and in the kinds around them.
COMMANDS = ("command", "args", "entrypoint", "script")
# Documents come out of JSON here. A look at each text would cost more than all the rest.
_NESTED = (dict, list)
HOST_FLAGS = ("hostNetwork", "hostPID", "hostIPC", "privileged", "hostProcess")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What one container, probe or kind starts; `of` names it, or says where it stands."""

    of: str
    name: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """One body as it will be sent, without its secrets, and what stands out in it.

    `images` and `host_access` name each once, in the order of the manifest. They are looked for
    everywhere in it, so that they are found in kinds that nobody here knows.
    """

    kind: str
    priority: str | None
    images: tuple[str, ...]
    commands: tuple[Command, ...]
    host_access: tuple[str, ...]
    document: Json


def content_of(redacted: Json) -> Content:
    """Lay out a redacted body; what tells its secrets apart is left out as well."""
    # In the order of its keys: how a spec is laid out has no part in a plan.
    document = json.loads(spell_marks(canonical(redacted), HIDDEN))
    manifest = document["manifest"]
    priority = document["metadata"].get("priority")
    return Content(
        kind=str(manifest.get("kind", "")),
        priority=priority if isinstance(priority, str) else None,
        images=tuple(dict.fromkeys(_find_images(manifest))),
        commands=tuple(_find_commands(manifest, "")),
        host_access=tuple(dict.fromkeys(_find_host_access(manifest))),
        document=document,
    )


def kind_of(action: AnyAction) -> str:
    """The kind of a workload, by what is sent or else by its record; empty where none tells."""
    row = recorded_of(action)
    document = document_of(action) or (row.spec if row else {})
    kind = (document.get("manifest") or {}).get("kind")
    return kind if isinstance(kind, str) else ""


def former_source_of(action: AnyAction) -> str:
    """The file that declared a workload which no spec declares any more; else empty."""
    row = recorded_of(action)
    return row.source if row is not None and action.source is None else ""


def find_images(manifest: Json) -> tuple[str, ...]:
    """The images that a redacted manifest names, each once."""
    document = json.loads(spell_marks(canonical(manifest), HIDDEN))
    return tuple(dict.fromkeys(_find_images(document)))


def _below(value: Any) -> Iterable[tuple[str, Any]]:
    """The values right below a map or a list; those of a list have no key."""
    return value.items() if isinstance(value, dict) else [("", item) for item in value]


def _find_images(value: Any) -> Iterator[str]:
    # Everywhere, not where pods have it: what a reviewer is not shown could run unseen.
    for key, item in _below(value):
        if key == "image" and isinstance(item, str):
            yield item
        elif key == "image" and isinstance(item, Mapping) and "repository" in item:
            # The operators of some kinds take an image in its parts.
            yield ":".join(str(item[part]) for part in ("repository", "tag") if part in item)
        elif isinstance(item, _NESTED):
            yield from _find_images(item)


def _find_commands(value: Any, of: str) -> Iterator[Command]:
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        of = value["name"]
    for key, item in _below(value):
        if key in COMMANDS and isinstance(item, str | list) and item:
            yield Command(of=of, name=key, value=item)
        elif isinstance(item, _NESTED):
            yield from _find_commands(item, of)


def _find_host_access(value: Any) -> Iterator[str]:
    for key, item in _below(value):
        part = item if isinstance(item, Mapping) else {}
        if key in HOST_FLAGS and item is True:
            yield key
        elif key == "hostPort" and item:
            yield f"hostPort {item}"
        elif key == "hostPath":
            yield f"hostPath {part.get('path', item)}"
        elif key == "capabilities" and isinstance(part.get("add"), list):
            yield from (f"capability {name}" for name in part["add"])
        elif isinstance(item, _NESTED):
            yield from _find_host_access(item)
