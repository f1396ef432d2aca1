"""A kernel that says no: a full disk, a failing disk, a size limit, output that nobody takes.

Run it as `python -m proof.kernel`; `--only state_0:pwrite64:ENOSPC:7+` repeats one failure.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from proof.commands import Ended, begin
from proof.forks import Stop, fork, preload
from proof.referee import Wanted, check_known, read_rows
from proof.rounds import APPLY, PLAN, Ground, Round, count_calls, follow, judge_recovery
from proof.sandboxes import sandbox
from proof.tracing import NoTracerError, need_strace, strike
from reconciler.errors import ReconcilerError

FEW, MANY = 8, 40
FAILING = ("pwrite64", "fdatasync", "fsync", "ftruncate", "unlink")
ERRORS = ("ENOSPC", "EIO")
# Few at a time, so that the failure meets some workloads before and some after their request.
VICTIM = (*APPLY, "--concurrency", "2")
OK, STATE_LOST = 0, 1
# So long that an update's status is seen to move, which is what its wait ends with.
SYNC = "300ms"
NAMED = re.compile(r"the (?:state|backup) \S+ cannot be")


@dataclass(frozen=True, slots=True)
class Failure:
    """These calls of this thread fail with an error from the n-th on, or only the n-th."""

    thread: str
    call: str
    error: str
    n: int
    stays: bool

    def __str__(self) -> str:
        return f"{self.thread}:{self.call}:{self.error}:{self.n}{'+' if self.stays else ''}"

    @property
    def injection(self) -> str:
        """How strace is told."""
        return f"error={self.error}:when={self.n}{'+' if self.stays else ''}"

    @classmethod
    def parse(cls, text: str) -> Failure:
        """Read what `str` writes."""
        thread, call, error, n = text.split(":")
        return cls(thread, call, error, int(n.rstrip("+")), n.endswith("+"))


class Tally:
    """Counts what was tried, and tells what was broken."""

    def __init__(self) -> None:
        self.broken = 0

    def tell(self, title: str, tried: int, hurt: int, unsaved: int) -> None:
        """One line of figures."""
        print(
            f"{title}: {tried} runs, {hurt} of them hurt; "
            f"{unsaved} rows that could not be stored were printed",
            flush=True,
        )

    def blame(self, what: object, found: Sequence[str], runs: Sequence[Ended]) -> None:
        """What was broken, and how to see it again."""
        if not found:
            return
        self.broken += 1
        print(f"\n{what}: {'; '.join(found)}")
        for run in runs:
            print(run)
        if isinstance(what, Failure):
            print(f"repeat it: python -m proof.kernel --only {what}")
        sys.stdout.flush()


def unsaved_ids(run: Ended) -> set[str]:
    """The ids that a run printed because it could not store them."""
    lines = (line.strip() for line in run.err.splitlines())
    rows = (json.loads(line) for line in lines if line.startswith('{"unsaved"'))
    return {row["id"] for row in rows if row["id"]}


def check_told(here: Round, run: Ended) -> list[str]:
    """Every id that the server told us is in the state or on the screen."""
    try:
        known = {row.id for row in read_rows(here.state)} | unsaved_ids(run)
    except ReconcilerError as error:
        return [f"the state cannot be opened: {error}"]
    return [
        f"{entry.name} {entry.id} was answered, and is neither stored nor printed"
        for entry in here.entries()
        if entry.effect == "created" and entry.status == 202 and entry.id not in known
    ]


def judge_hurt(here: Round, wanted: Wanted, run: Ended) -> list[str]:
    """What a run owes whose state could not be written: its code, its words, its knowledge."""
    found = here.judge(check_known, wanted)
    if run.code not in (OK, STATE_LOST):
        found.append(f"exit code {run.code}, documented is {STATE_LOST}")
    if "Traceback" in run.err or "unexpected failure" in run.err:
        found.append("a traceback or a bug was printed")
    if run.code == STATE_LOST and not NAMED.search(run.out + run.err):
        found.append("nothing says that it is the state that could not be written")
    if run.code == STATE_LOST and "; everything known is recorded" in run.err:
        found.append("it says that everything known is recorded, which is not true")
    if run.code == OK:
        found += here.judge_end(wanted)
    return found + check_told(here, run)


def play(here: Round, wanted: Wanted, run: Ended, tally: Tally, what: object) -> None:
    """Judge a run that was hurt, let others follow, judge again."""
    found = judge_hurt(here, wanted, run)
    again = here.recover()
    found += judge_recovery(again) + here.judge_end(wanted)
    tally.blame(what, found, [run, *again])


def fail_calls(ground: Ground, tally: Tally, failures: Sequence[Failure], title: str) -> None:
    """Let system calls on the state fail, one failure a round."""
    hurt = unsaved = 0
    for failure in failures:
        past = failure.thread != "main"
        with ground.round() as here:
            wanted = here.prepare(FEW, past=past, updated=past)

            def attach(stop: Stop, failure: Failure = failure) -> subprocess.Popen[str] | None:
                if stop.thread != failure.thread:
                    return None
                return strike(stop.tid, here.folder.parent / "log", failure.call, failure.injection)

            run = follow(fork(VICTIM, ground.server.variables, here.folder), attach)
            hurt += run.code != OK
            unsaved += len(unsaved_ids(run))
            play(here, wanted, run, tally, failure)
    tally.tell(title, len(failures), hurt, unsaved)


def list_failures(ground: Ground, stride: int) -> list[Failure]:
    """Every failure worth trying, from the calls of an apply that nothing disturbs."""
    found = []
    for past in (False, True):
        with ground.round() as here:
            here.prepare(FEW, past=past, updated=past)
            counts = count_calls(here, VICTIM)
        found += [
            Failure(thread, call, error, n, stays)
            for thread, calls in counts.items()
            if (thread != "main") is past
            for call, count in calls.items()
            if call in FAILING
            for n in range(1, count + 1)
            for error in ERRORS
            for stays in (True, False)
        ]
    # In no order, so that a stride leaves out no kind of failure; the same one every time.
    random.Random(1).shuffle(found)
    return found[::stride]


def limit_sizes(ground: Ground, tally: Tally, steps: int) -> None:
    """Let no file grow beyond a limit, which the state meets in the middle of the apply."""
    hurt = unsaved = 0
    for step in range(steps):
        with ground.round() as here:
            wanted = here.prepare(MANY, past=True, updated=True)
            limit = here.state.stat().st_size + 4096 * 3 * step
            victim = fork(VICTIM, ground.server.variables, here.folder)
            for stop in victim.stops():
                if stop.thread == "main":
                    resource.prlimit(victim.pid, resource.RLIMIT_FSIZE, (limit, limit))
                victim.release()
            run = victim.wait()
            hurt += run.code != OK
            unsaved += len(unsaved_ids(run))
            play(here, wanted, run, tally, f"RLIMIT_FSIZE of {limit} bytes")
    tally.tell("size limit", steps, hurt, unsaved)


@contextlib.contextmanager
def small_disk(size: int) -> Iterator[str | None]:
    """A file system of that many bytes; None where nothing can be mounted."""
    with tempfile.TemporaryDirectory(prefix="reconciler-proof-") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", folder]
        try:
            mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        except OSError:
            mounted = False
        try:
            yield folder if mounted else None
        finally:
            if mounted:
                subprocess.run(["umount", folder], check=True)


def fill_disks(ground: Ground, tally: Tally, steps: int) -> None:
    """Let the state live on a disk that is full before, or soon after, the apply begins."""
    tried = hurt = unsaved = 0
    for step in range(steps):
        with small_disk(1 << 20) as disk:
            if disk is None:
                print("full disk: NOT RUN, nothing can be mounted here", flush=True)
                return
            with ground.round() as here:
                # Only the state lives on the small disk: what is printed has room.
                here.state.parent.symlink_to(disk)
                wanted = here.prepare(MANY, past=True, updated=True)
                ballast, pages = Path(disk) / "ballast", 2 + 5 * step
                _fill(ballast, spare=4096 * pages)
                run = here.run(VICTIM, "victim")
                ballast.unlink()
                tried += 1
                hurt += run.code != OK
                unsaved += len(unsaved_ids(run))
                play(here, wanted, run, tally, f"a disk with {pages} pages left")
    tally.tell("full disk", tried, hurt, unsaved)


def _fill(ballast: Path, spare: int) -> None:
    free = os.statvfs(ballast.parent)
    size = free.f_bavail * free.f_frsize - spare
    with ballast.open("wb") as file:
        file.write(b"\0" * size)


@contextlib.contextmanager
def deaf_stream(kind: str) -> Iterator[int]:
    """A stream that takes nothing: the full device, or a pipe that nobody reads."""
    if kind == "closed pipe":
        reader, writer = os.pipe()
        os.close(reader)
    else:
        writer = os.open(kind, os.O_WRONLY)
    try:
        yield writer
    finally:
        os.close(writer)


def lose_readers(ground: Ground, tally: Tally) -> None:
    """Let nobody take what an apply prints, in every format: it is done all the same."""
    tried = 0
    for kind in ("/dev/full", "closed pipe"):
        for form in ("text", "json", "ndjson"):
            with ground.round() as here, deaf_stream(kind) as writer:
                wanted = here.prepare(FEW, past=False)
                process = begin(
                    [*VICTIM, "-o", form, "-v"],
                    ground.server.variables,
                    here.folder,
                    stdout=writer,
                )
                _, err = process.communicate(timeout=120)
                run = Ended(code=process.returncode, out="", err=err)
                tried += 1
                found = here.judge_end(wanted)
                # Who has gone wants nothing more; a full device has lost what somebody wanted.
                lost = "not all of the result could be written" in run.err
                if run.code or (not lost if kind == "/dev/full" else run.err):
                    found.append(f"exit code {run.code}, or not the warning that this case needs")
                planned = here.run(PLAN, "plan")
                found += [f"the plan is not empty: {planned}"] if planned.code else []
                tally.blame(f"apply -o {form} to {kind}", found, [run])
    tally.tell("lost readers", tried, 0, 0)


def lose_everything(ground: Ground, tally: Tally) -> None:
    """A full state and no reader at once: what was not stored is on standard error."""
    unsaved = tried = 0
    for kind in ("/dev/full", "closed pipe"):
        with ground.round() as here, deaf_stream(kind) as writer:
            wanted = here.prepare(FEW, past=True, updated=True)
            limit = here.state.stat().st_size + 4096
            process = begin(
                VICTIM,
                ground.server.variables,
                here.folder,
                stdout=writer,
                limits=((resource.RLIMIT_FSIZE, limit),),
            )
            _, err = process.communicate(timeout=120)
            run = Ended(code=process.returncode, out="", err=err)
            tried += 1
            unsaved += len(unsaved_ids(run))
            play(here, wanted, run, tally, f"RLIMIT_FSIZE of {limit} bytes and {kind}")
    tally.tell("full state and lost readers", tried, tried, unsaved)


def main() -> int:
    """Run everything that can be run here; 1 on a broken promise, 2 where strace is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stride", type=int, default=17, help="try only every N-th failing call")
    parser.add_argument("--steps", type=int, default=10, help="sizes of disks and files to try")
    parser.add_argument("--only", metavar="THREAD:CALL:ERROR:N[+]", help="only this failing call")
    arguments = parser.parse_args()
    tally = Tally()
    missing = ""
    with sandbox("--sync-delay", SYNC, "--latency", "5ms") as server:
        ground = Ground(server)
        preload(server)
        try:
            need_strace()
        except NoTracerError as why:
            missing = f"{why}; no failing call was tried"
        else:
            only = [Failure.parse(arguments.only)] if arguments.only else None
            failures = only or list_failures(ground, arguments.stride)
            for error in ERRORS:
                chosen = [failure for failure in failures if failure.error == error]
                fail_calls(ground, tally, chosen, error)
        if not arguments.only:
            limit_sizes(ground, tally, arguments.steps)
            fill_disks(ground, tally, arguments.steps)
            lose_readers(ground, tally)
            lose_everything(ground, tally)
    print(f"{tally.broken} broken promises")
    if missing:
        print(f"NOT RUN: {missing}", file=sys.stderr)
        return 2
    return int(bool(tally.broken))


if __name__ == "__main__":
    sys.exit(main())
