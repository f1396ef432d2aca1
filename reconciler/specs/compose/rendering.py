"""Effective specs as documents again, such as could have been written by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.core.lifecycle import (
    Lifecycle,
)
from reconciler.core.model import (
    Desired,
)
from reconciler.core.protocol.body import create_body


def render_documents(desired: Iterable[Desired]) -> list[dict[str, Any]]:
    """Return each spec with defaults, aliases and files resolved; reading them gives the same.

    Values are as their authors wrote them, secrets included. A base64 manifest stays one.
    """
    return [
        create_body(dict(spec.metadata), dict(spec.manifest), encoded=spec.encoded)
        | {"lifecycle": _render_lifecycle(spec.lifecycle)}
        for spec in desired
    ]


def _render_lifecycle(lifecycle: Lifecycle) -> dict[str, Any]:
    rendered: dict[str, Any] = {
        "protect": lifecycle.protect,
        "onRemove": lifecycle.on_remove.value,
        "onChange": lifecycle.on_change.value if lifecycle.on_change else None,
        "onFailed": lifecycle.on_failed.value,
        "wave": lifecycle.wave,
        "ignoreChanges": list(lifecycle.ignore_changes),
    }
    # Without a value of its own it is the run's, which no value in a document stands for.
    if lifecycle.on_missing is not None:
        rendered["onMissing"] = lifecycle.on_missing.value
    return rendered
