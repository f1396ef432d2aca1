"""Histories of several holders on one bucket: frozen, replaced, resumed, with lost answers."""

from __future__ import annotations

import itertools
import os
from contextlib import ExitStack, closing
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reconciler.core.states.places import ObjectPlace, parse_place
from reconciler.errors import LockLostError
from reconciler.state.objects import holding, opening
from reconciler.state.objects.store import ObjectStore
from reconciler.state.shared.timings import Timings
from tests.support.factories import make_recorded, make_target
from tests.support.object_server import Fault, running_objects

# Nothing renews by itself: whoever is not asked stands still.
FROZEN = Timings(lease=30, renewal=600, silence=2, patience=5, connect=2, first_pause=0.001)
FAULTS = st.lists(st.sampled_from(["lost", "unheard", "busy"]), max_size=2)


class Holders(RuleBasedStateMachine):
    """What was confirmed is read by everybody, in any order of take-overs; what was refused is not.

    At most one holder can write: the one that took the state last.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.server = self.stack.enter_context(running_objects())
        environment = self.server.environment()
        self.stack.enter_context(mock.patch.dict(os.environ, environment))
        # A short log at the end of a run: every few commits something is removed.
        self.stack.enter_context(mock.patch.object(holding, "_SHORT_LOG", 2))
        place = parse_place(self.server.url("x"), stack=make_target().stack)
        assert isinstance(place, ObjectPlace)
        self.place = place
        self.holders: list[ObjectStore] = []
        self.confirmed: set[str] = set()
        self.ops = map(str, itertools.count(1000))

    @initialize()
    def make(self) -> None:
        """A new state."""
        opening.create_state(self.place, make_target()).close()

    @rule(faults=FAULTS, key=st.sampled_from(["/lease", "/log/", "/probes/"]))
    def take(self, faults: list[str], key: str) -> None:
        """Somebody comes when every lease has run out."""
        self.server.ahead += 60
        self.server.faults = [Fault(kind=kind, key=key) for kind in faults]
        store = self.stack.enter_context(closing(ObjectStore(self.place, waits=FROZEN)))
        store.hold("reconciler apply")
        self.server.faults = []
        self.holders.append(store)

    @precondition(lambda self: self.holders)
    @rule(data=st.data(), faults=FAULTS)
    def write(self, data: st.DataObject, faults: list[str]) -> None:
        """One of all that believe to hold the state goes on."""
        index = data.draw(st.integers(0, len(self.holders) - 1))
        op = next(self.ops)
        self.server.faults = [Fault(kind=kind) for kind in faults]
        try:
            self.holders[index].write([make_recorded(address=f"1/{op}", op=op)])
        except LockLostError:
            assert index != len(self.holders) - 1
        else:
            assert index == len(self.holders) - 1
            self.confirmed.add(op)
        finally:
            self.server.faults = []

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """One of them gives the lock back, or what it believes to be the lock."""
        last = len(self.holders) - 1
        index = data.draw(st.integers(0, last))
        # Whoever was not replaced and is gone leaves nobody who could write.
        self.holders.pop(index).close()
        if index == last:
            while self.holders:
                self.holders.pop().close()

    @invariant()
    def is_read(self) -> None:
        """Whoever comes now reads all that was confirmed, and nothing else."""
        if self.server.objects:
            with closing(ObjectStore(self.place, waits=FROZEN)) as store:
                assert {row.op for row in store.read()} == self.confirmed

    def teardown(self) -> None:
        """Nothing is left."""
        self.stack.close()


TestHolders = Holders.TestCase
# A history is some hundred requests; the thorough profile plays hundreds of them.
TestHolders.settings = settings(
    max_examples=max(4, settings().max_examples // 6), stateful_step_count=15
)
