"""How many mistakes are caught at the right line and column, and how many right files refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import yaml

from reconciler.core.diagnostics import Severity
from reconciler.specs.config import Config
from reconciler.specs.loading import load_specs
from tests.support.mistakes.manifests import manifests
from tests.support.mistakes.places import Path as Steps
from tests.support.mistakes.ways import WAYS, Planted

CORE = ("v1", "apps/v1", "batch/v1")
ROWS = ("core kinds", "custom kinds, their pods", "custom kinds, their own fields")
_PREFIX = ("manifest",)


class Mistake(NamedTuple):
    """One planted mistake, with the text of its spec."""

    way: str
    kind: str
    number: int
    planted: Planted

    @property
    def row(self) -> str:
        """Which row of the table it counts in."""
        if self.kind.rpartition("/")[0] in CORE:
            return ROWS[0]
        return ROWS[1] if self.planted.is_in_pod else ROWS[2]


class Row(NamedTuple):
    """A row of the table: how many mistakes, and how many of them were caught at their place."""

    mistakes: int
    caught: int


def mistakes(seed: int, each: int) -> list[Mistake]:
    """Draw mistakes: so many in each manifest, no two of them in the same way."""
    made: list[Mistake] = []
    for kind, number, manifest in manifests():
        random = Random(f"{seed} {kind} {number}")  # noqa: S311 - drawn by seed
        names = random.sample(sorted(WAYS), len(WAYS))
        planted = ((name, WAYS[name].plant(manifest, random)) for name in names)
        drawn = (Mistake(name, kind, number, one) for name, one in planted if one)
        # Planting is what takes the time, so no more is tried than is wanted.
        made += islice(drawn, each)
    return made


def judge(specs: Sequence[Any]) -> list[set[tuple[int, int]]]:
    """The places of the errors in each of some manifests, checked in one run."""
    found: list[set[tuple[int, int]]] = [set() for _ in specs]
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for number, manifest in enumerate(specs):
            (root / f"{number}.yaml").write_text(_text(manifest, number))
        for one in load_specs([root], root=root, config=Config()).diagnostics:
            if one.severity is Severity.ERROR:
                found[int(one.where.file.removesuffix(".yaml"))].add(
                    (one.where.line, one.where.column)
                )
    return found


def table(drawn: Sequence[Mistake]) -> tuple[dict[str, Row], list[Mistake]]:
    """Count what is caught, by row; beside it what is not."""
    places = judge([one.planted.manifest for one in drawn])
    missed = [
        one
        for number, (one, found) in enumerate(zip(drawn, places, strict=True))
        if found.isdisjoint(_expected(one.planted, number))
    ]
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for one in drawn:
        counts[one.row][0] += 1
    for one in missed:
        counts[one.row][1] += 1
    rows = {row: Row(counts[row][0], counts[row][0] - counts[row][1]) for row in ROWS}
    return rows, missed


def total(rows: Iterable[Row]) -> Row:
    """All rows as one."""
    listed = list(rows)
    return Row(sum(row.mistakes for row in listed), sum(row.caught for row in listed))


def refused() -> tuple[int, list[str]]:
    """How many right manifests there are, and those of them that have an error."""
    right = list(manifests())
    found = judge([manifest for _, _, manifest in right])
    named = [f"{kind} {number}" for kind, number, _ in right]
    return len(right), [name for name, places in zip(named, found, strict=True) if places]


def _text(manifest: Mapping[str, Any], number: int) -> str:
    # Each with an address of its own, and a name that says nothing of the object's.
    spec = {"metadata": {"name": "llm", "projectId": str(1000 + number)}, "manifest": manifest}
    return yaml.dump(spec, Dumper=yaml.CSafeDumper, sort_keys=False)


def _expected(planted: Planted, number: int) -> set[tuple[int, int]]:
    """The keys and values at which the mistake may be told, as another reader finds them."""
    root = yaml.compose(_text(planted.manifest, number), yaml.CSafeLoader)
    places: set[tuple[int, int]] = set()
    for path in planted.paths:
        places |= _marks(root, (*_PREFIX, *path))
    return places


def _marks(root: Any, path: Steps) -> set[tuple[int, int]]:
    node, key = root, None
    for step in path:
        if isinstance(node, yaml.SequenceNode):
            node, key = node.value[int(step)], None
        else:
            pairs = {one.value: (one, value) for one, value in node.value}
            key, node = pairs[str(step)]
    marks = [one.start_mark for one in (key, node) if one is not None]
    return {(mark.line + 1, mark.column + 1) for mark in marks}
