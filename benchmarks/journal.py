"""What the journal costs: per create, as a share of an apply, and reading it all again.

Everything is measured on a file system in memory and on the disk in turns, so that a busy machine
is busy for both. Microseconds are of processor time, which other processes disturb least, and of
the clock, which is what a disk costs. Run it from the root of the repository:
`python -m benchmarks.journal`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.sandboxes import PROGRAM, body, measure, sandbox, write_specs
from reconciler.core.model import Address, LastSeen, Own, Recorded, Target
from reconciler.state.sqlite import SqliteStore, create_state, open_state

MEMORY = Path("/dev/shm")  # noqa: S108 - the file system in memory is what is measured
GROUP = 64


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of the processor and of the clock."""

    cpu: float
    clock: float

    def per(self, count: int) -> str:
        """Microseconds for each of so many."""
        return f"{self.cpu / count * 1e6:6.1f} us CPU {self.clock / count * 1e6:7.1f} us clock"


def timed(work: Callable[[], object]) -> Spent:
    """How long something takes."""
    cpu, clock = time.process_time(), time.perf_counter()
    work()
    return Spent(time.process_time() - cpu, time.perf_counter() - clock)


def median(spent: Sequence[Spent]) -> Spent:
    """The middle of several rounds."""
    return Spent(
        statistics.median(one.cpu for one in spent), statistics.median(one.clock for one in spent)
    )


def records(index: int) -> tuple[Recorded, Recorded]:
    """The intent and the result of one create; the server's echo is a document of its own."""
    sent, echoed = body(index), body(index)
    op = f"01a208c0-e131-76d6-8d12-{index:012x}"
    intent = Recorded(
        op=op,
        address=Address(project="1", name=sent["metadata"]["name"]),
        own=Own.CREATING,
        digest="sha256:" + "a" * 64,
        spec=sent,
        attempts=1,
        first_sent_at="2026-11-23T14:13:07.123+00:00",
        last_sent_at="2026-11-23T14:13:07.123+00:00",
        marker="f83279f4-ceda-4c73-a39c-d8b26206e703/" + op,
        source=f"{sent['metadata']['name']}.json",
        run="83af2754-e784-41de-983b-9ea6feece78c",
    )
    workload_id = f"97ae5fb0-8946-400f-9d08-{index:012x}"
    return intent, replace(
        intent, own=Own.ACCEPTED, seen=LastSeen.QUEUED, id=workload_id, echo=echoed
    )


@contextmanager
def folder(where: Path | None) -> Iterator[Path]:
    """A folder that goes away again; None is where temporary files usually are."""
    with tempfile.TemporaryDirectory(dir=where) as path:
        yield Path(path)


def journal(pairs: Sequence[tuple[Recorded, Recorded]], where: Path | None) -> Spent:
    """Write intents and results in groups, as an apply with so many requests in flight does."""
    with folder(where) as path:
        store = create_state(path / "state.db", Target(url="u", stack="s"))
        store.hold("benchmark")
        spent = timed(lambda: write(store, pairs))
        store.close()
        return spent


def write(store: SqliteStore, pairs: Sequence[tuple[Recorded, Recorded]]) -> None:
    """Each group's intents, durably, then its results."""
    for begin in range(0, len(pairs), GROUP):
        group = pairs[begin : begin + GROUP]
        store.write([intent for intent, _ in group])
        store.write([result for _, result in group])


def read_and_copy(count: int, where: Path | None) -> tuple[Spent, Spent]:
    """Open a state of so many records and read all of them; and back it up."""
    with folder(where) as path:
        store = create_state(path / "state.db", Target(url="u", stack="s"))
        store.hold("benchmark")
        store.write([records(index)[1] for index in range(count)])
        store.close()
        opened: list[SqliteStore] = []

        def read() -> None:
            opened.append(open_state(path / "state.db"))
            opened[0].read()

        spent = timed(read)
        copied = timed(opened[0].back_up)
        opened[0].close()
        return spent, copied


def apply(specs: Path, where: Path | None) -> Spent:
    """A whole apply by the command line against a sandbox that answers at once."""
    with folder(where) as path, sandbox("--sync-delay", "0s") as server:
        state = ("--state", str(path / "state.db"))
        command = [str(PROGRAM), "apply", str(specs), *state, "--yes", "--init", "--no-wait", "-q"]
        measured = measure([*command, "-o", "ndjson=/dev/null"], server, specs)
        return Spent(measured.cpu, measured.seconds)


def main() -> None:
    """Measure all of it and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--creates", type=int, default=2000, help="creates per round")
    parser.add_argument("--records", type=int, default=1000, help="records to read")
    parser.add_argument("--backup", type=int, default=10_000, help="records to back up")
    parser.add_argument("--apply", type=int, default=10_000, help="workloads to apply; 0 is none")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    places = [("memory", MEMORY if MEMORY.is_dir() else None), ("disk", None)]
    measure_journal(options.creates, options.rounds, places)
    for name, where in places:
        rounds = [read_and_copy(options.records, where) for _ in range(options.rounds)]
        spent = median([read for read, _ in rounds])
        print(
            f"open and read {options.records} records, {name:6}  "
            f"{spent.cpu * 1e3:6.1f} ms CPU {spent.clock * 1e3:7.1f} ms clock"
        )
    _, copied = read_and_copy(options.backup, None)
    print(f"back up {options.backup} records, disk    {copied.clock * 1e3:7.1f} ms clock")
    if options.apply:
        measure_applies(options.apply, options.rounds, places)


def measure_journal(count: int, rounds: int, places: Sequence[tuple[str, Path | None]]) -> None:
    """The journal by itself."""
    pairs = [records(index) for index in range(count)]
    spent: dict[str, list[Spent]] = {name: [] for name, _ in places}
    for _ in range(rounds):
        for name, where in places:
            spent[name].append(journal(pairs, where))
    for name, rows in spent.items():
        print(
            f"intent and result of a create, groups of {GROUP}, {name:6}  {median(rows).per(count)}"
        )


def measure_applies(count: int, rounds: int, places: Sequence[tuple[str, Path | None]]) -> None:
    """The same apply with its state in memory and on the disk, in turns; the best round counts."""
    spent: dict[str, list[Spent]] = {name: [] for name, _ in places}
    with folder(None) as specs:
        write_specs(specs, count)
        for _ in range(rounds):
            for name, where in places:
                spent[name].append(apply(specs, where))
    best = {name: min(one.clock for one in rows) for name, rows in spent.items()}
    for name, rows in spent.items():
        seconds = ", ".join(f"{one.clock:.2f}" for one in rows)
        print(f"apply of {count}, state on {name:6}  {best[name]:6.2f} s of {seconds}")
    pairs = [records(index) for index in range(min(count, 2000))]
    alone = journal(pairs, places[0][1]).cpu / len(pairs) * count
    cpu = min(one.cpu for one in spent["memory"])
    memory, disk = best["memory"], best["disk"]
    print(
        f"share of the disk in the time of the apply        {max(0.0, disk - memory) / disk:6.1%}"
    )
    print(f"share of the journal in its processor time        {alone / cpu:6.1%}")


if __name__ == "__main__":
    main()
