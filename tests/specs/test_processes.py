"""Work that is shared with copies of a process."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pytest

from reconciler.specs.processes import usable_processes

# In a process of its own: this one may have threads.
SHARE = """
import json, os, signal, sys
from reconciler.specs.processes import share, usable_processes

here = os.getpid()
fails = sys.argv[1]

def work(item):
    if os.getpid() != here and item == 5:
        if fails == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if fails == "raises":
            raise ValueError
        if fails == "late":
            signal.raise_signal(signal.SIGALRM)
        if fails == "stopped":
            signal.raise_signal(signal.SIGINT)
    return [item, os.getpid() == here]

def refuse():
    raise BlockingIOError

def open_files():
    return len(os.listdir("/dev/fd"))

if fails == "not started":
    os.fork = refuse
before = open_files()
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"a copy says that it stops"))
print(json.dumps(share(range(10), 3, work, 600)))
print(open_files() - before)
print(usable_processes(2) == min(2, len(os.sched_getaffinity(0))))
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no copy is left")
"""
ORPHAN = """
import os, sys, time
from reconciler.specs.processes import share

here = os.getpid()

def work(item):
    if os.getpid() == here:
        print(flush=True)
        sys.stdin.readline()
    # The copy would be at work for two minutes.
    time.sleep(0.02)

share(range(12_000), 2, work, 600)
"""
# The same, with a copy that waits for somebody to read what it has found.
UNREAD = """
import os, sys
from pathlib import Path
from reconciler.specs.processes import share

here = os.getpid()

def work(item):
    if os.getpid() == here:
        (copy,) = Path(f"/proc/self/task/{here}/children").read_text().split()
        while Path(f"/proc/{copy}/stat").read_text().rpartition(")")[2].split()[0] != "S":
            pass
        print(flush=True)
        sys.stdin.readline()
    return "x" * 1000

share(range(2000), 2, work, 600)
"""
FIND = """
import json, os, sys
from pathlib import Path
from reconciler.specs import judged_tree, processes, validating
from reconciler.specs.config import Config
from reconciler.specs.loading import load_specs

root = Path(sys.argv[1])
copies = []
fork = os.fork
def counted():
    copies.append(fork())
    return copies[-1]
whole = load_specs([root], root=root, config=Config())
os.fork, judged_tree.SAMPLE, judged_tree.WORTH_A_PROCESS = counted, 5, 10
os.sched_getaffinity = lambda _: {0, 1}
checked = validating.validate_specs([root], root=root, config=Config())
print(len(copies), checked.diagnostics == whole.diagnostics, len(checked.diagnostics))
print(sorted(checked.workloads) == sorted(whole.workloads), len(checked.workloads))
print(load_specs([root], root=root, config=Config()) == whole, len(copies))
"""
FOREIGN = """
import os, sys
from pathlib import Path
from reconciler.specs import judged_tree, validating
from reconciler.specs.config import Config

root = Path(sys.argv[1])
judged_tree.SAMPLE, judged_tree.WORTH_A_PROCESS = 5, int(sys.argv[2])
os.sched_getaffinity = lambda _: {0, 1}
checked = validating.validate_specs([root], root=root, config=Config())
print([diagnostic.code for diagnostic in checked.diagnostics])
"""


def run(code: str, *arguments: object) -> str:
    """What a program prints."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_results_are_in_the_order_of_the_items() -> None:
    """The first part is done here, the others by copies, and none of these is left."""
    results, opened, usable, left = run(SHARE, "nothing").splitlines()
    assert json.loads(results) == [[item, item < 4] for item in range(10)]
    assert (opened, usable, left) == ("0", "True", "no copy is left")


def test_what_a_copy_cannot_do_is_done_here() -> None:
    """One that is killed, fails or is out of time changes no result."""
    for fails in ("killed", "raises", "late", "stopped"):
        results, opened, _, left = run(SHARE, fails).splitlines()
        assert json.loads(results) == [[item, item < 8] for item in range(10)]
        assert (opened, left) == ("0", "no copy is left")


def test_a_process_that_cannot_be_copied_does_all_by_itself() -> None:
    """A container may allow no more processes; that is no reason to fail."""
    results, opened, _, left = run(SHARE, "not started").splitlines()
    assert json.loads(results) == [[item, True] for item in range(10)]
    assert (opened, left) == ("0", "no copy is left")


@pytest.mark.parametrize("code", [ORPHAN, UNREAD])
def test_no_copy_works_for_a_process_that_is_gone(code: str) -> None:
    """Killed alone, a process takes its copies with it: they hold its standard output open."""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        readable, _, _ = select.select([process.stdout], [], [], 30)
        assert readable
        assert process.stdout.read() == b""


def test_a_thread_keeps_a_process_alone() -> None:
    """A copy would wait forever for a lock that a thread holds."""
    ended = Event()
    thread = Thread(target=ended.wait)
    thread.start()
    try:
        assert usable_processes(2) == 1
    finally:
        ended.set()
        thread.join()


def test_two_processes_find_what_one_finds(tmp_path: Path) -> None:
    """With mistakes in the parts of both, and between these."""
    for number in range(40):
        name = "same" if number in (3, 38) else f"w{number}"
        priority = "urgent" if number % 7 == 0 else "low"
        (tmp_path / f"{number:02d}.yaml").write_text(
            f'metadata: {{name: {name}, projectId: "1", priority: {priority}}}\n'
            "manifest: {apiVersion: v1, kind: Pod, spec: {containers: [{name: m, image: a}]}}\n"
        )
    assert run(FIND, tmp_path) == "1 True 7\nTrue 39\nTrue 2\n"


def test_two_processes_see_that_nothing_is_a_repository(tmp_path: Path) -> None:
    """Each has seen too few files that are no specs, and both together too many."""
    for number in range(60):
        (tmp_path / f"{number}.yaml").write_text(f"a: {'b' * (number % 2)}\n")
    for least in (10, 1000):
        assert run(FOREIGN, tmp_path, least) == "['no-configuration']\n"
