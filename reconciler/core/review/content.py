"""What a workload would run, as a reviewer asks first: images, commands, access to its host."""

from __future__ import annotations

import json
from typing import Any

from reconciler.core.digest import canonical
from reconciler.core.model import Json
from reconciler.core.planning.actions import AnyAction, document_of, recorded_of
from reconciler.core.redact import HIDDEN
from reconciler.core.secrets.marks import spell_marks
from reconciler.core.stored_json import StoredJson
from reconciler.values import dataclass

# What a process is started with, in pods and in the kinds around them.
COMMANDS = frozenset({"command", "args", "entrypoint", "script"})
# Documents come out of JSON here. To ask about each value whether it is a Mapping would cost more
# than all the rest.
_NESTED = (dict, list)
HOST_FLAGS = ("hostNetwork", "hostPID", "hostIPC", "privileged", "hostProcess")
# The keys that lead to access to the host, as JSON writes them.
_HOST_KEYS = tuple(json.dumps(key) for key in (*HOST_FLAGS, "hostPort", "hostPath", "capabilities"))


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
    text = spell_marks(canonical(redacted), HIDDEN)
    document = StoredJson(text).value
    manifest = document["manifest"]
    priority = document["metadata"].get("priority")
    images, commands, host_access = list[str](), list[Command](), list[str]()
    _find_images_and_commands(manifest, "", images, commands)
    # Few have any, and a look at the text is quicker than one at each value.
    if any(key in text for key in _HOST_KEYS):
        _find_host_access(manifest, host_access)
    return Content(
        kind=str(manifest.get("kind", "")),
        priority=priority if isinstance(priority, str) else None,
        images=tuple(dict.fromkeys(images)),
        commands=tuple(commands),
        host_access=tuple(dict.fromkeys(host_access)),
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
    images = list[str]()
    _find_images_and_commands(json.loads(spell_marks(canonical(manifest), HIDDEN)), "", images, [])
    return tuple(dict.fromkeys(images))


def _find_images_and_commands(
    value: dict[str, Any] | list[Any], of: str, images: list[str], commands: list[Command]
) -> None:
    # Everywhere, not where pods have it: what a reviewer is not shown could run unseen.
    if isinstance(value, list):
        for item in value:
            if isinstance(item, _NESTED):
                _find_images_and_commands(item, of, images, commands)
        return
    name = value.get("name")
    of = name if isinstance(name, str) else of
    for key, item in value.items():
        if key == "image" and isinstance(item, str):
            images.append(item)
        elif key == "image" and isinstance(item, dict) and "repository" in item:
            # The operators of some kinds take an image in its parts.
            parts = (str(item[part]) for part in ("repository", "tag") if part in item)
            images.append(":".join(parts))
        elif key in COMMANDS and isinstance(item, str | list) and item:
            commands.append(Command(of=of, name=key, value=item))
        if isinstance(item, _NESTED):
            _find_images_and_commands(item, of, images, commands)


def _find_host_access(value: dict[str, Any] | list[Any], host_access: list[str]) -> None:
    # Those of a list have no key.
    for key, item in value.items() if isinstance(value, dict) else (("", item) for item in value):
        part = item if isinstance(item, dict) else {}
        if key in HOST_FLAGS and item is True:
            host_access.append(key)
        elif key == "hostPort" and item:
            host_access.append(f"hostPort {item}")
        elif key == "hostPath":
            host_access.append(f"hostPath {part.get('path', item)}")
        elif key == "capabilities" and isinstance(part.get("add"), list):
            host_access += (f"capability {name}" for name in part["add"])
        elif isinstance(item, _NESTED):
            _find_host_access(item, host_access)
