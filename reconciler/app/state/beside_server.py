"""A state beside its server: the only way to a session, so that none begins unchecked.

A state that is used against another server than its own sees every workload missing and makes all
of them again. So a state is opened first, and opens the session itself: whoever has both cannot
have left the comparison out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import field
from typing import TYPE_CHECKING

from reconciler.app.settings import Settings
from reconciler.app.state.states import read_state
from reconciler.app.target import PinnedTarget, need_same_target
from reconciler.core.model import Target
from reconciler.errors import StateError
from reconciler.ports import EventListener, StateStore
from reconciler.state.places import create_state, is_there
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.app.session import Connector, Session


@dataclass(slots=True, kw_only=True)
class StateBesideServer:
    """An open state, or the place where one may be created, and the way to its server.

    `store` is None until there is a state. A state that `may_move` follows its user to another
    server as long as it records nothing.
    """

    settings: Settings
    connector: Connector
    say: EventListener
    hold_as: str
    lock_timeout: float
    may_move: bool
    store: StateStore | None = None
    _files: ExitStack = field(default_factory=ExitStack)

    def open(self) -> StateStore:
        """Open the state, and hold it for a command that writes.

        Raises StateError where there is none, LockedError where another run holds it.
        """
        if self.store is None:
            settings = self.settings
            store = self._files.enter_context(read_state(settings.state, settings.deadline))
            if self.hold_as:
                store.hold(self.hold_as, self.lock_timeout)
            self.store = store
        return self.store

    def create(self, target: Target, *, or_open: bool = False) -> StateStore:
        """Create the state that was missing, and open it.

        Raises StateError where somebody else has created one since, unless told to open that.
        """
        try:
            create_state(self.settings.state, target).close()
        except StateError:
            if not (or_open and is_there(self.settings.state)):
                raise
        return self.open()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Session]:
        """Log in to the server of this state; raises as `Connector.open_session` does."""
        async with self.connector.open_session(self.settings, self._pin, self.say) as session:
            yield session

    def confirm_server(self) -> None:
        """Raise now for a server that `connect` would refuse; may ask a person about it."""
        self.connector.check(self.settings, self._pin)

    def need_same_server(self, session: Session) -> None:
        """Raise GuardError for a session that an earlier look at this place has left open.

        The state may be another one by now, which belongs to another server.
        """
        need_same_target(self._pin, session.target)

    @property
    def _pin(self) -> PinnedTarget | None:
        return None if self.store is None else pin_of(self.store, may_move=self.may_move)


@contextmanager
def open_beside_server(
    settings: Settings,
    connector: Connector,
    say: EventListener,
    *,
    hold_as: str = "",
    lock_timeout: float = 0.0,
    may_be_missing: bool = False,
    may_move: bool = False,
) -> Iterator[StateBesideServer]:
    """Open a state that is going to be used with its server, before anything is sent to that.

    `hold_as` names the command that writes to it; without a name nothing is locked or written.
    Raises StateError where the state is missing and may not be, LockedError.
    """
    with ExitStack() as files:
        state = StateBesideServer(
            settings=settings,
            connector=connector,
            say=say,
            hold_as=hold_as,
            lock_timeout=lock_timeout,
            may_move=may_move,
            _files=files,
        )
        if not may_be_missing or is_there(settings.state):
            state.open()
        yield state


def pin_of(store: StateStore, *, may_move: bool = True) -> PinnedTarget:
    """The target that a run on this state is bound to."""
    binds = not may_move or store.has_records()
    return PinnedTarget(target=store.header.target, binds=binds)
