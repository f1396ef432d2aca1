"""Any history of wishes, faults, kills and meddling: one workload each, and peace at the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from reconciler.app.planning.planning import PlanRequest
from reconciler.app.session import Session
from reconciler.app.settings import Settings
from reconciler.core.ending.workload_limit import WorkloadLimit
from reconciler.core.history.stop_reason import StopReason
from reconciler.core.model import Desired, Own
from reconciler.errors import UnreachableError
from tests.support.worlds import PROJECT, World, wish

# Lives in the project all the time: without it no list can be believed (see lookup.py).
ANCHOR = "anchor"
NAMES = st.sampled_from(["a", "b", "c"])
IMAGES = st.sampled_from(["nginx:1", "nginx:2"])
FAULTS = st.lists(
    st.sampled_from(
        [
            "503 p=30%",
            "503 executed p=20%",
            "500 executed p=20% on=POST",
            "lost p=30% on=POST,DELETE",
            "drop p=20%",
            "502 page=html p=20%",
            "late=20s hangup p=30% on=POST",
            "lag=20s p=50%",
            "list-lag=40s p=50%",
            "linger=15s p=50%",
            "delete-fails p=30% try=1",
            "truncate=20 p=20%",
            "429 p=20% retry-after=3s",
        ]
    ),
    max_size=3,
    unique=True,
)
MOMENTS = st.floats(0.0, 30.0, allow_nan=False)
# Longer than a late request may take, and than anything stays invisible.
PEACE = 400.0


class History(RuleBasedStateMachine):
    """One repository, one state, one server, and everything that may happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(sync_delay=1.0, latency=0.5)
        # How much may be deleted is a matter for the guards' own tests.
        self.world.settings = _unlimited(self.world)
        self.wanted: dict[str, Desired] = {ANCHOR: wish(ANCHOR)}

    @initialize()
    def begin(self) -> None:
        """The anchor is there before anything goes wrong."""
        self.world.apply(*self.wanted.values())

    @rule(name=NAMES, image=IMAGES)
    def wish(self, name: str, image: str) -> None:
        """Declare or edit a workload."""
        self.wanted[name] = wish(name, image=image)

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        """Take a spec away."""
        self.wanted.pop(name, None)

    @rule(faults=FAULTS)
    def apply(self, faults: list[str]) -> None:
        """Apply in bad weather, to the end."""
        self._apply(faults)

    @rule(faults=FAULTS, moment=MOMENTS)
    def kill(self, faults: list[str], moment: float) -> None:
        """The process dies in the middle, and nothing of it is left but the disk."""
        self._apply(faults, moment, killed=True)

    @rule(faults=FAULTS, moment=MOMENTS)
    def interrupt(self, faults: list[str], moment: float) -> None:
        """Somebody presses Ctrl-C."""
        self._apply(faults, moment)

    @rule(name=NAMES)
    def vanish(self, name: str) -> None:
        """Somebody deletes a workload on the server."""
        workload = self.world.sandbox.store.find(PROJECT, name)
        if workload is not None:
            self.world.sandbox.store.vanish(workload.id)

    @rule(name=NAMES)
    def drift(self, name: str) -> None:
        """Somebody edits a workload on the server."""
        workload = self.world.sandbox.store.find(PROJECT, name)
        if workload is not None:
            self.world.sandbox.store.edit(workload.id, priority="low")

    @rule(seconds=st.sampled_from([1.0, 30.0, 90.0, 400.0]))
    def rest(self, seconds: float) -> None:
        """Time passes."""
        self.world.timeline.skip(seconds)

    @invariant()
    def at_most_one_of_ours_lives_under_a_name(self) -> None:
        """I2."""
        counts = Counter(self.world.live())
        assert all(count == 1 for count in counts.values()), counts

    @invariant()
    def what_lives_is_known(self) -> None:
        """I1: by its id, or by an operation in doubt under its name."""
        owned = {row.id for row in self.world.rows() if row.id}
        in_doubt = (Own.CREATING, Own.UNCONFIRMED, Own.LATE_CREATE_POSSIBLE)
        doubtful = {row.address.name for row in self.world.rows() if row.own in in_doubt}
        for workload in self.world.sandbox.store.live():
            assert workload.id in owned or workload.name in doubtful, workload.name

    @invariant()
    def only_what_was_given_to_us_is_deleted(self) -> None:
        """I3: every DELETE names an id that an answer or a marked workload gave us."""
        made = {e.id for e in self.world.entries() if e.effect == "created"}
        deleted = {e.path.rpartition("/")[2] for e in self.world.entries() if e.method == "DELETE"}
        assert deleted <= made

    def teardown(self) -> None:
        """I8: once nothing goes wrong any more, two applies are enough."""
        self.world.sandbox.set_faults()
        self.world.timeline.skip(PEACE)
        for _ in range(2):
            self._apply([])
        assert self.world.apply(*self.wanted.values()).summary == {}
        assert self.world.live() == sorted(self.wanted)
        assert [row.own for row in self.world.rows()] == [Own.ACCEPTED] * len(self.wanted)
        self.at_most_one_of_ours_lives_under_a_name()
        self.what_lives_is_known()
        self.only_what_was_given_to_us_is_deleted()

    def _apply(
        self, faults: list[str], moment: float | None = None, *, killed: bool = False
    ) -> None:
        self.world.sandbox.set_faults(*faults)

        def meanwhile(session: Session) -> None:
            if moment is None:
                return
            loop = asyncio.get_running_loop()
            if killed:
                loop.call_later(moment, self.world.kill)
            else:
                loop.call_later(moment, session.halt.pull, StopReason.SIGINT)

        try:
            self.world.apply(
                *self.wanted.values(),
                request=PlanRequest(allow_missing=9),
                meanwhile=meanwhile,
                deadline=300.0,
                wait_timeout=60.0,
            )
        except UnreachableError:
            assert faults
        self.world.sandbox.set_faults()


def _unlimited(world: World) -> Settings:
    return replace(world.settings, max_delete=WorkloadLimit.parse("100%"))


TestHistory = History.TestCase
# A history is worth several examples of anything else.
TestHistory.settings = settings(
    max_examples=settings().max_examples // 2 + 18, stateful_step_count=15, deadline=None
)
