"""What a state that machines share costs, as ratios to a file on the disk of the same machine.

Everything is measured in turns, so that a busy machine is busy for both. The database is a real one
with real syncs; a wire in between adds the round trips of a network. The bucket is in a process of
its own, which answers that much later. Run it from the root of the repository:
`python -m benchmarks.state`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from unittest import mock

from benchmarks.journal import GROUP, Spent, median, records, timed
from benchmarks.sandboxes import PROGRAM, Sandbox, measure, sandbox, write_specs
from reconciler.core.model import Target
from reconciler.core.states.places import FilePlace, StatePlace, parse_place
from reconciler.ports import StateStore
from reconciler.state.places import create_state, open_state
from tests.support.object_server import ObjectServer
from tests.support.postgres import PostgresServer, running_server

TARGET = Target(url="https://server", stack="s")
# Milliseconds: the same machine, the same region, another one.
ROUND_TRIPS = (0, 5, 20)
BUCKET_TRIPS = (0, 20, 50)
FILE = "file"
# The design's bounds: of a commit, of whole commands at API latency 50 ms, of reading.
COMMANDS = {0: 1.05, 5: 1.15, 20: 1.25}
READING = 2.0


@contextmanager
def wire(port: int, milliseconds: int) -> Iterator[int]:
    """A port at which the database is so far away."""
    if not milliseconds:
        yield port
        return
    # Each way takes half of it. A thread of this process would take turns with what is measured.
    command = [sys.executable, "-m", "tests.support.wires", str(port), str(milliseconds / 2000)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        # It ends when its input does, which the end of this block closes.
        yield int(process.stdout.readline()) if process.stdout else 0


@contextmanager
def storage(milliseconds: int, counts: dict[str, int] | None = None) -> Iterator[dict[str, str]]:
    """The environment of a bucket that is so far away; afterwards `counts` has its requests."""
    command = [sys.executable, "-m", "tests.support.object_server", str(milliseconds / 1000)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the server has no pipes")
        server = ObjectServer(port=int(process.stdout.readline().rpartition(":")[2]))
        yield server.environment()
        process.stdin.close()
        told: dict[str, int] = json.loads(process.stdout.read())
        if counts is not None:
            counts |= told


def measure_bucket(count: int, rounds: int, milliseconds: int) -> None:
    """Commits of a group, and reading all records, with a bucket that is so far away."""
    pairs = [records(index) for index in range(GROUP)]
    with storage(milliseconds) as environment, mock.patch.dict(os.environ, environment):
        place = parse_place(ObjectServer().url("bench"), stack=TARGET.stack)
        commits: list[Spent] = []
        with closing(create_state(place, TARGET)) as store:
            store.hold("benchmark")
            for _ in range(rounds):
                for part in (0, 1):
                    rows = [pair[part] for pair in pairs]
                    commits.append(timed(partial(store.write, rows)))
            if count:
                store.write([records(index)[1] for index in range(count)])
        spent = median(commits)
        print(
            f"commit of {GROUP} records, bucket at RTT {milliseconds} ms  "
            f"{spent.clock * 1e3:6.1f} ms  {spent.cpu / GROUP * 2 * 1e6:4.0f} us CPU per create"
        )
        if count:
            spent = median([timed(partial(_read, place)) for _ in range(3)])
            print(
                f"open and read {count}, bucket at RTT {milliseconds} ms  "
                f"{spent.clock * 1e3:6.0f} ms"
            )


def _read(place: StatePlace) -> None:
    with closing(open_state(place)) as store:
        store.read()


def count_requests(count: int, milliseconds: int, latency: str, concurrency: int) -> None:
    """One apply of so many new workloads with a bucket, and what the bucket was asked for it."""
    counts: dict[str, int] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        storage(milliseconds, counts) as environment,
        sandbox("--sync-delay", "0s", "--latency", latency) as server,
        mock.patch.dict(os.environ, environment),
    ):
        specs = Path(name)
        write_specs(specs, count)
        options = ("--concurrency", str(concurrency))
        for command, seconds in _commands(server, specs, ObjectServer().url("apply"), *options):
            print(
                f"{command} of {count} at {latency} of API latency, bucket at RTT {milliseconds} ms"
                f"  {seconds:6.2f} s"
            )
    print(
        f"requests to the bucket: {counts}; PUTs of the log for {count} creates: "
        f"{counts.get('PUT log', 0)}"
    )


def place_at(server: PostgresServer, port: int, schema: str) -> StatePlace:
    """A state in a schema, at one of the ports."""
    url = server.url(schema).replace(str(server.port), str(port))
    return parse_place(url, stack=TARGET.stack)


def apply_address(server: PostgresServer, port: int, number: int) -> str:
    """A new state for an apply, as `--state` takes it."""
    return str(place_at(server, port, f"apply_{port}_{number}"))


def measure_commits(places: Mapping[str, StatePlace], rounds: int) -> None:
    """Intents and results of so many creates, a group at a time."""
    pairs = [records(index) for index in range(GROUP)]
    stores: dict[str, StateStore] = {}
    spent: dict[str, list[Spent]] = {name: [] for name in places}
    with ExitStack() as stack:
        for name, place in places.items():
            store = stack.enter_context(closing(open_state(place)))
            store.hold("benchmark")
            store.write([intent for intent, _ in pairs])
            stores[name] = store
        for _ in range(rounds):
            for name, store in stores.items():
                for part in (0, 1):
                    rows = [pair[part] for pair in pairs]
                    spent[name].append(timed(partial(store.write, rows)))
    base = median(spent[FILE]).clock
    for name, commits in spent.items():
        commit = median(commits)
        # A create is two of the rows that are written.
        each = commit.cpu / GROUP * 2 * 1e6
        bound = "" if name == FILE else f"  at most {2 * base * 1e3 + 1.5 * _trip(name):5.1f}"
        print(
            f"commit of {GROUP} records, {name:12} {commit.clock * 1e3:6.1f} ms  "
            f"{commit.clock / base:5.2f} x file{bound}  {each:4.0f} us CPU per create"
        )


def measure_reading(places: Mapping[str, StatePlace], count: int, rounds: int) -> None:
    """Open a state of so many records and read all of them."""
    for place in places.values():
        with closing(open_state(place)) as store:
            store.hold("benchmark")
            store.write([records(index)[1] for index in range(count)])
    spent: dict[str, list[Spent]] = {name: [] for name in places}
    for _ in range(rounds):
        for name, place in places.items():
            spent[name].append(timed(partial(_read, place)))
    base = median(spent[FILE]).clock
    for name, reads in spent.items():
        clock = median(reads).clock
        print(
            f"open and read {count}, {name:12} {clock * 1e3:6.0f} ms  "
            f"{clock / base:5.2f} x file  at most {READING}"
        )


def measure_commands(
    addresses: Mapping[str, Callable[[int], str]], count: int, rounds: int, latency: str
) -> None:
    """Whole applies of new workloads, and plans without changes after each."""
    spent: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        specs = Path(name)
        write_specs(specs, count)
        for number in range(rounds):
            for place, address in addresses.items():
                with sandbox("--sync-delay", "0s", "--latency", latency) as server:
                    for command, seconds in _commands(server, specs, address(number)):
                        spent.setdefault((command, place), []).append(seconds)
    for (command, place), times in spent.items():
        middle, base = statistics.median(times), statistics.median(spent[command, FILE])
        bound = "" if place == FILE else f"  at most {COMMANDS[_trip(place)]:.2f}"
        print(
            f"{command} of {count} at {latency} of API latency, {place:12} {middle:6.2f} s  "
            f"{middle / base:5.2f} x file{bound}"
        )


def _commands(
    server: Sandbox, specs: Path, state: str, *options: str
) -> Iterator[tuple[str, float]]:
    common = (str(specs), "--state", state, "-q", *options)
    apply = [str(PROGRAM), "apply", *common, "--yes", "--init", "--no-wait"]
    yield "apply", measure([*apply, "-o", "ndjson=/dev/null"], server, specs).seconds
    plan = [str(PROGRAM), "plan", *common, "--detailed-exitcode"]
    yield "plan", measure(plan, server, specs).seconds


def _trip(place: str) -> int:
    """The milliseconds of a round trip, from a place's name."""
    return int(place.removeprefix("RTT ").removesuffix(" ms"))


def tell_driver() -> None:
    """Whether anything that needs no database loads its driver."""
    probe = (
        "import sys; from reconciler.cli.main import run; run(sys.argv[1:]); "
        "print('psycopg' in sys.modules or 'obstore' in sys.modules, file=sys.stderr)"
    )
    with tempfile.TemporaryDirectory() as folder:
        for arguments in (["--help"], ["state", "list", "--state", f"{folder}/none.db"]):
            done = subprocess.run(
                [sys.executable, "-c", probe, *arguments],
                check=True,
                capture_output=True,
                text=True,
            )
            loads = done.stderr.split()[-1] == "True"
            print(f"reconciler {arguments[0]} loads the driver: {'YES' if loads else 'no'}")


def main() -> None:
    """Measure all of it and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=30, help="rounds of two commits each")
    parser.add_argument("--records", type=int, default=10_000, help="records to read; 0 is none")
    parser.add_argument("--apply", type=int, default=1000, help="workloads to apply; 0 is none")
    parser.add_argument("--latency", default="50ms", help="of the API")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--creates", type=int, default=0, help="to count the requests of")
    parser.add_argument("--concurrency", type=int, default=64, help="of those creates")
    parser.add_argument("--only-bucket", action="store_true", help="measure no database")
    options = parser.parse_args()
    tell_driver()
    for trip in BUCKET_TRIPS:
        measure_bucket(options.records, options.commits, trip)
    if options.creates:
        count_requests(options.creates, BUCKET_TRIPS[-1], options.latency, options.concurrency)
    if options.only_bucket:
        return
    with ExitStack() as stack:
        server = stack.enter_context(running_server(fsync="on", full_page_writes="on"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ports = {
            f"RTT {trip} ms": stack.enter_context(wire(server.port, trip)) for trip in ROUND_TRIPS
        }
        places: dict[str, StatePlace] = {FILE: FilePlace(path=folder / "state.db")}
        for number, (name, port) in enumerate(ports.items()):
            places[name] = place_at(server, port, f"bench_{number}")
        for place in places.values():
            create_state(place, TARGET).close()
        measure_commits(places, options.commits)
        if options.records:
            measure_reading(places, options.records, options.rounds)
        if options.apply:
            addresses: dict[str, Callable[[int], str]] = {
                FILE: lambda number: str(folder / f"apply-{number}.db")
            }
            for name, port in ports.items():
                addresses[name] = partial(apply_address, server, port)
            measure_commands(addresses, options.apply, options.rounds, options.latency)


if __name__ == "__main__":
    main()
