"""How records become durable: in groups, in order, and not at all once something failed."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.core.model import Header, Own, Recorded, Target
from reconciler.engine.journal import Journal, writing_thread
from reconciler.engine.run import ActionContext
from reconciler.errors import StateError
from reconciler.state.memory import MemoryStore
from tests.support.timing import EPOCH, Timeline, run
from tests.support.worlds import Disk, wish

HEADER = Header(lineage="l", serial=0, target=Target(url="https://x.example", stack="s"))


def _row(op: str, **changes: object) -> Recorded:
    desired = wish("a")
    row = Recorded(
        op=op, address=desired.address, own=Own.CREATING, digest="sha256:0", spec=desired.spec
    )
    return replace(row, **changes)  # type: ignore[arg-type] # any field of a record


class Flaky(Disk):
    """A disk whose first write fails in a given way; the next one would succeed."""

    def __init__(self, error: Exception) -> None:
        super().__init__(MemoryStore(HEADER))
        self.error: Exception | None = error

    def write(self, rows: Sequence[Recorded]) -> None:
        """Fail once."""
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        super().write(rows)


def test_what_arrives_together_is_written_together() -> None:
    """One transaction holds every row that was waiting."""
    disk = Disk(MemoryStore(HEADER))

    async def main() -> None:
        journal = Journal(disk)
        await asyncio.gather(*(journal.commit(_row(op)) for op in "abc"))

    run(main())

    assert [[row.op for row in write] for write in disk.writes] == [["a", "b", "c"]]


def test_the_last_word_on_an_operation_is_written() -> None:
    """Two changes of one row in one transaction are one."""
    disk = Disk(MemoryStore(HEADER))

    async def main() -> None:
        journal = Journal(disk)
        await asyncio.gather(
            journal.commit(_row("a")), journal.commit(_row("a", own=Own.ACCEPTED, id="i"))
        )

    run(main())

    assert [(row.op, row.own) for row in disk.read()] == [("a", Own.ACCEPTED)]


def test_who_is_let_go_during_a_write_knows_what_it_wrote() -> None:
    """The write goes on, so what is told of the workload must fit it."""
    disk, begun, free = Disk(MemoryStore(HEADER)), threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        free.wait(5.0)

    disk.on_write = wait

    async def main() -> Recorded | None:
        with ThreadPoolExecutor(max_workers=1) as executor:
            journal = Journal(disk, executor)
            shared: Any = SimpleNamespace(
                journal=journal, commit=journal.commit, server_time=lambda: EPOCH
            )
            work = ActionContext(shared, wish("a").address, "create", None)
            task = asyncio.create_task(work.commit(_row("a")))
            await asyncio.get_running_loop().run_in_executor(None, begun.wait, 5.0)
            task.cancel()
            await asyncio.sleep(0)
            free.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            return work.durable

    assert asyncio.run(main()) == disk.read()[0] == _row("a")


def test_a_thread_writes_while_the_loop_goes_on() -> None:
    """What arrives during a write goes into the next one."""
    disk = Disk(MemoryStore(HEADER))

    async def main() -> None:
        with ThreadPoolExecutor(max_workers=1) as executor:
            journal = Journal(disk, executor)
            first = asyncio.create_task(journal.commit(_row("a")))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await asyncio.gather(first, *(journal.commit(_row(op)) for op in "bc"))
            await journal.settle()

    run(main())

    assert sorted(row.op for row in disk.read()) == ["a", "b", "c"]
    assert len(disk.writes) == 2


def test_while_many_are_at_work_a_write_waits_for_those_who_join_it() -> None:
    """The first begins at once, the next 20 ms later, or as soon as nobody is left to join it."""
    timeline, begun = Timeline(), list[float]()
    disk = Disk(MemoryStore(HEADER))
    disk.on_write = lambda: begun.append(timeline.now)

    async def commit_at(journal: Journal, seconds: float, *ops: str) -> None:
        await asyncio.sleep(seconds)
        await asyncio.gather(*(journal.commit(_row(op)) for op in ops))

    async def main() -> None:
        with ThreadPoolExecutor(max_workers=1) as executor:
            journal = Journal(disk, executor, crowd=3)
            await asyncio.gather(
                commit_at(journal, 1.000, "a"),
                commit_at(journal, 1.001, "b"),
                commit_at(journal, 1.015, "c"),
                commit_at(journal, 1.022, "d", "e", "f"),
                commit_at(journal, 2.000, "g"),
            )

    run(main(), timeline)

    assert [[row.op for row in write] for write in disk.writes] == [
        ["a"],
        ["b", "c"],
        ["d", "e", "f"],
        ["g"],
    ]
    assert begun == pytest.approx([1.0, 1.02, 1.022, 2.0], abs=1e-6)


def test_the_writing_thread_gets_its_turns_as_long_as_there_is_one() -> None:
    """A busy loop lets it in within a millisecond; afterwards Python is as it was."""
    before = sys.getswitchinterval()
    with writing_thread() as executor:
        assert executor.submit(lambda: threading.current_thread().name).result() == "state_0"
        assert sys.getswitchinterval() < 0.001
    assert sys.getswitchinterval() == before


def test_a_caller_that_leaves_does_not_take_the_write_along() -> None:
    """A cancelled action's record is written all the same."""
    disk = Disk(MemoryStore(HEADER))

    async def main() -> None:
        journal = Journal(disk)
        leaving = asyncio.create_task(journal.commit(_row("a")))
        staying = asyncio.create_task(journal.commit(_row("b")))
        await asyncio.sleep(0)
        leaving.cancel()
        await staying
        await journal.settle()

    run(main())

    assert sorted(row.op for row in disk.read()) == ["a", "b"]


def test_a_caller_that_leaves_a_write_that_fails_leaves_it_known() -> None:
    """Nobody is left to be told, but what could not be stored is not forgotten."""
    disk = Flaky(StateError("disk full"))

    async def main() -> Journal:
        journal = Journal(disk)
        leaving = asyncio.create_task(journal.commit(_row("a")))
        await asyncio.sleep(0)
        leaving.cancel()
        await journal.settle()
        return journal

    assert list(run(main()).unsaved) == ["a"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (StateError("disk full"), "disk full"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), "surrogates"),
        (OverflowError(), "OverflowError"),
    ],
)
def test_after_a_failed_write_nothing_is_written(error: Exception, words: str) -> None:
    """A state that skips a record is worse than one that ends: everyone waiting is told."""
    disk = Flaky(error)

    async def main() -> Journal:
        journal = Journal(disk)
        for op in "ab":
            with pytest.raises(StateError, match=words):
                await journal.commit(_row(op))
        await journal.settle()
        return journal

    journal = run(main())

    assert disk.read() == []
    assert sorted(journal.unsaved) == ["a", "b"]
