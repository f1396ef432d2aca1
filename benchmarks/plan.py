"""What deciding costs beside reading: a plan of many workloads, the answers at hand.

Every figure is seconds of the processor, and its ratio to reading and checking the same specs from
their files, measured in the same run. Run it from the root of the repository:
`python -m benchmarks.plan`.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.sandboxes import write_specs
from reconciler.core.diff.comparison import compare
from reconciler.core.model import Desired, LastSeen, Live, Own, Recorded, Remote
from reconciler.core.planning.case import PlanOptions
from reconciler.core.planning.plan import Plan, PlanTarget
from reconciler.core.planning.planner import make_plan
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.core.protocol.marker import Marker, mark
from reconciler.core.redact import Redactor
from reconciler.report.text.text import Text
from reconciler.specs.config import load_config
from reconciler.specs.loading import load_specs

LINEAGE = "f83279f4-ceda-4c73-a39c-d8b26206e703"
TARGET = PlanTarget(url="https://runai.example.com", stack="bench", api_version="2.23")
REDACTOR = Redactor(LINEAGE)

T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """A result, and the seconds of the processor that it took."""
    gc.collect()
    began = time.process_time()
    result = work()
    return result, time.process_time() - began


def record(desired: Desired) -> Recorded:
    """What a create of this spec has left in the state, as it comes back from the file."""
    spec, digest = REDACTOR.redact_and_digest(desired.spec)
    return Recorded(
        op=desired.address.name,
        address=desired.address,
        own=Own.ACCEPTED,
        digest=digest,
        spec=_copy(spec),
        echo=_copy(spec),
        id=f"id-{desired.address.name}",
        seen=LastSeen.SYNCED,
        first_sent_at="2026-11-20T09:00:00.000+00:00",
        last_sent_at="2026-11-20T09:00:00.000+00:00",
    )


def answer(row: Recorded, desired: Desired) -> Remote:
    """What the server says of it, nothing changed."""
    marker = Marker(lineage=LINEAGE, op=row.op, stack=TARGET.stack)
    return Remote(
        id=row.id or "",
        address=row.address,
        metadata=_copy(desired.metadata),
        raw_manifest=mark(_copy(desired.manifest), marker),
        desired_phase="Running",
        seen=LastSeen.SYNCED,
    )


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))


def scale(desired: Desired) -> Desired:
    """The same workload with more replicas and another image."""
    manifest = _copy(desired.manifest)
    manifest["spec"]["replicas"] += 1
    manifest["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example.com/new:2"
    return replace(desired, manifest=manifest)


def plan(desired: Sequence[Desired], rows: Sequence[Recorded], live: Mapping[str, Live]) -> Plan:
    """One plan."""
    options = PlanOptions(can_update=CanUpdate.NO)
    return make_plan(desired, rows, live, target=TARGET, lineage=LINEAGE, options=options)


def check(true: bool) -> None:
    """A figure about something else than what it says would be worse than none."""
    if not true:
        raise SystemExit("the plan is not the one that was to be measured")


def peak() -> float:
    """The most memory of this process so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--changed", type=int, default=100)
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as name:
        folder = Path(name)
        write_specs(folder, settings.count)
        config = load_config(None, root=folder)
        loaded, reading = timed(lambda: load_specs([folder], root=folder, config=config))
    specs = loaded.desired
    print(f"read and check {len(specs)} specs      {reading:6.2f} s CPU, {peak():.0f} MB")
    rows = [record(one) for one in specs]
    said = {row.id or "": answer(row, one) for row, one in zip(rows, specs, strict=True)}
    by_id = {row.id or "": row for row in rows}

    def tell(what: str, seconds: float) -> None:
        print(f"{what:<34}{seconds:6.2f} s CPU, {seconds / reading:5.2f} x reading")

    live, comparing = timed(
        lambda: {id_: compare(by_id[id_], remote, REDACTOR) for id_, remote in said.items()}
    )
    tell("compare every answer", comparing)
    before = peak()
    same, seconds = timed(lambda: plan(specs, rows, live))
    check(same.count("keep") == len(specs))
    tell("plan, nothing changed", seconds)
    edited = [*map(scale, specs[: settings.changed]), *specs[settings.changed :]]
    some, seconds = timed(lambda: plan(edited, rows, live))
    check(some.count("replace") == settings.changed)
    tell(f"plan, {settings.changed} changed", seconds)
    print(f"memory that both plans added      {peak() - before:6.0f} MB")
    many = plan([*map(scale, specs[:1000]), *specs[1000:]], rows, live)
    _, seconds = timed(lambda: Text().plan(many))
    tell(f"text of {len(many.changes)} actions", seconds)


if __name__ == "__main__":
    main()
