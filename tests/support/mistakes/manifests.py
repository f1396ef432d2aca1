"""Right manifests of every registered kind, ten of each, written for this repository."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from tests.support.mistakes.own import OWN
from tests.support.mistakes.pods import PARTS, Fields

EACH = len(PARTS)


def manifests() -> Iterator[tuple[str, int, Fields]]:
    """Yield the kind with its version, a number, and a manifest that is the caller's."""
    for kind, make in OWN.items():
        version, _, name = kind.rpartition("/")
        for number in range(EACH):
            head = {"apiVersion": version, "kind": name, "metadata": _metadata(number)}
            yield kind, number, deepcopy({**head, **make(number)})


def _metadata(number: int) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "llm"}
    if number % 2:
        metadata["labels"] = {"team": "research", "app.kubernetes.io/part-of": "llm"}
    if number % 3:
        metadata["annotations"] = {"example.com/ticket": f"ML-{number}"}
    return metadata
