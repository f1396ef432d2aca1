"""Makes records durable before anything depends on them, many in one transaction."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress

from reconciler.core.model import Recorded, Target
from reconciler.errors import StateError
from reconciler.ports import RecordStore

# The database lets go of the interpreter's lock for every row, and gets it back from a busy loop
# only after Python's own 5 ms: 26 rows took 10 to 100 ms instead of 2, and every create waits for
# two such writes.
_SWITCH_SECONDS = 0.0005
# A commit costs as much as thirty rows, and a quick disk would end one for every few: within this
# time after one has begun, others may still join the next one.
_JOIN_SECONDS = 0.02


@contextmanager
def writing_thread() -> Iterator[Executor]:
    """One thread for a journal, which gets its turns while the event loop is busy."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    # What was loaded and planned stays to the end: the collector need not look at it any more.
    gc.freeze()
    try:
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="state") as executor:
            yield executor
    finally:
        sys.setswitchinterval(before)
        gc.unfreeze()


class Journal:
    """Group commits: what arrives while one transaction is written goes into the next.

    With an executor the event loop stays free meanwhile; without one the write happens in it.
    `crowd` is how many callers may wait at once: then nobody is left who could join them. `target`
    is what the state has to know of its target before the first row.
    After a failed write nothing more is written: an order that skips a record is worse than none.
    `trouble` then says why, and `unsaved` holds what is known and could not be stored.
    """

    def __init__(
        self,
        store: RecordStore,
        executor: Executor | None = None,
        *,
        target: Target | None = None,
        crowd: int = 1,
    ) -> None:
        self._store = store
        self._target = target
        self._executor = executor
        self._crowd = crowd
        self._is_crowded = asyncio.Event()
        self._join_until = 0.0
        self._waiting: list[tuple[tuple[Recorded, ...], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self.trouble: StateError | None = None
        self.unsaved: dict[str, Recorded] = {}

    async def commit(self, *rows: Recorded) -> None:
        """Return when the rows are durable, all at one instant; raises StateError."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((rows, done))
        if len(self._waiting) >= self._crowd:
            self._is_crowded.set()
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._drain())
        await done

    async def settle(self) -> None:
        """Wait until everything handed in so far is written or has failed."""
        if self._writer is not None:
            await self._writer

    async def _drain(self) -> None:
        # What arrives during a write finds this task at work, and is taken with the next batch.
        loop = asyncio.get_running_loop()
        while self._waiting:
            if len(self._waiting) < self._crowd and loop.time() < self._join_until:
                self._is_crowded.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(self._join_until):
                        await self._is_crowded.wait()
            self._join_until = loop.time() + _JOIN_SECONDS
            batch, self._waiting = self._waiting, []
            rows = [row for together, _ in batch for row in together]
            try:
                await self._write(rows)
            except Exception as error:
                # Whatever it is: whoever waits must hear of it, or would wait for ever.
                if isinstance(error, StateError):
                    self.trouble = error
                else:
                    message = str(error) or type(error).__name__
                    self.trouble = StateError(f"the state cannot be written: {message}")
                    self.trouble.__cause__ = error
                self.unsaved |= {row.op: row for row in rows}
                for _, done in batch:
                    if not done.done():
                        done.set_exception(self.trouble)
            else:
                for _, done in batch:
                    # A caller that was cancelled does not take the shared write with it.
                    if not done.done():
                        done.set_result(None)

    async def _write(self, rows: list[Recorded]) -> None:
        if self.trouble is not None:
            raise self.trouble
        # The last word on each operation is enough: the transaction is one instant.
        latest = list({row.op: row for row in rows}.values())
        if self._executor is None:
            self._store_rows(latest)
        else:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._executor, self._store_rows, latest)

    def _store_rows(self, rows: list[Recorded]) -> None:
        if self._target is not None:
            # After a kill the rows would be in a project that no name on record means.
            self._store.pin(self._target)
            self._target = None
        self._store.write(rows)
