"""Manifests without the texts that no check looks at: most of a repository have one outline.

Those of a team differ in their name, their images, what they run and the values of variables. What
is checked is the outline itself, so that a check of such a text would never find anything in a
spec, and its own test would say so: then the text has to stay in the outline.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Any

from reconciler.specs.kubernetes.bodies import CONTAINERS

# Of a container: lists of texts that are handed on to a program.
_HANDED_ON = frozenset({"args", "command"})
_TEXT, _IMAGE = "text", "image"
# Equal to no value.
_NOTHING = object()
_LABELS = frozenset({"labels", "matchLabels"})
# Of an image, only blanks, variables and templates are looked at.
IMAGE = r"[A-Za-z0-9][A-Za-z0-9._/:@-]*"
_ORDINARY_IMAGE = re.compile(IMAGE)
# Whatever takes this name takes all that it stands for, which are not longer. Drawn anew by each
# process, so that no author can write it beside a name and have the two taken for the same.
_NAME = f"n-{os.urandom(14).hex()}"
ORDINARY_NAME = r"[a-z](?:[-a-z0-9]{0,28}[a-z0-9])?"
_ORDINARY_NAME = re.compile(ORDINARY_NAME)
# Longer ones, and more of them, take more memory and time than they spare.
_LONGEST, _MOST = 10_000, 2_000
# Documents hold no cycles.
_encode = json.JSONEncoder(check_circular=False).encode
# So many manifests show whether those of a repository are alike.
_TRIED = 500


class Outlines:
    """The outlines of a run in which nothing is wrong."""

    def __init__(self) -> None:
        self._sound: set[str] = set()
        self._known, self._unknown = 0, 0
        self._latest: tuple[Any, Any, str] = ("", None, "")

    def write(self, name: Any, manifest: Any) -> str:
        """The outline of a manifest, as `write_outline`; who asks twice in turn gets it at once."""
        if self._latest[0] != name or self._latest[1] is not manifest:
            self._latest = name, manifest, write_outline(name, manifest)
        return self._latest[2]

    def is_sound(self, name: Any, manifest: Any, check: Callable[[Any, Any], bool]) -> bool:
        """Whether there is nothing to find in a manifest of a workload, as far as its outline says.

        `check` tells it for the name and the manifest of an outline that is not known yet.
        """
        if self._unknown > self._known + _TRIED:
            return False
        outline = self.write(name, manifest)
        if outline in self._sound:
            self._known += 1
            return True
        self._unknown += 1
        if not outline or not check(*json.loads(outline)):
            return False
        if len(self._sound) < _MOST:
            self._sound.add(outline)
        return True


def write_outline(name: Any, manifest: Any) -> str:
    """The name and the manifest in JSON, without what no check looks at; empty where it is long."""
    outline = ""
    if isinstance(name, str) and _ORDINARY_NAME.fullmatch(name):
        outlined = _outline(manifest, name)
        metadata = outlined.get("metadata")
        if type(metadata) is dict and metadata.get("name") == name:
            metadata["name"] = _NAME
        outline = _encode([_NAME, outlined])
    # Elsewhere the name may mean something, and a selector looks for labels with it.
    if not outline or f'"{name}"' in outline:
        outline = _encode([name, _outline(manifest, _NOTHING)])
    return outline if len(outline) <= _LONGEST else ""


def _outline(value: Any, name: Any) -> Any:
    if type(value) is list:
        return [_outline(item, name) for item in value]
    if type(value) is not dict:
        return value
    outline: dict[str, Any] = {}
    for field, part in value.items():
        if field in CONTAINERS and type(part) is list:
            outline[field] = [_outline_container(item) for item in part]
        elif field in _LABELS and type(part) is dict:
            outline[field] = {key: _NAME if text == name else text for key, text in part.items()}
        else:
            outline[field] = _outline(part, name)
    return outline


def _outline_container(container: Any) -> Any:
    if type(container) is not dict:
        return container
    outline: dict[str, Any] = {}
    for field, part in container.items():
        if field == "image" and type(part) is str and _ORDINARY_IMAGE.fullmatch(part):
            outline[field] = _IMAGE
        elif field == "env" and type(part) is list:
            outline[field] = [_outline_variable(variable) for variable in part]
        elif field in _HANDED_ON and type(part) is list:
            outline[field] = [_TEXT if type(item) is str else item for item in part]
        else:
            outline[field] = part
    return outline


def _outline_variable(variable: Any) -> Any:
    # Whether there is a value, as an empty one is none.
    if type(variable) is dict and type(text := variable.get("value")) is str and text:
        return {**variable, "value": _TEXT}
    return variable
