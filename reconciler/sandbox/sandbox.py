"""One sandbox, put together: an ASGI application, the world behind it, and its ledger."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from reconciler.sandbox.api.control import Control
from reconciler.sandbox.api.endpoints import Api
from reconciler.sandbox.api.tokens import Tokens
from reconciler.sandbox.application import App
from reconciler.sandbox.connection import Sleep
from reconciler.sandbox.faults.plan import FaultPlan
from reconciler.sandbox.faults.rules import read_rule
from reconciler.sandbox.ledger import Ledger
from reconciler.sandbox.settings import SandboxError, Settings
from reconciler.sandbox.versions import find_version
from reconciler.sandbox.world.journal import FileJournal, Journal
from reconciler.sandbox.world.store import Store


class Sandbox:
    """A server without a socket: give `app` to any ASGI server or in-process transport.

    `clock` tells epoch seconds and decides every phase, expiry and window; `sleep` is awaited
    where an answer is meant to take time. Raises SandboxError when the settings cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.settings = settings
        self._clock = clock
        # Whatever can be wrong with the settings comes before the first file is opened.
        rules = [read_rule(text) for text in settings.faults]
        find_version(settings.api_version)
        self.ledger = Ledger(settings.ledger_limit, settings.ledger)
        try:
            self._journal = Journal() if settings.data is None else FileJournal(settings.data)
        except SandboxError:
            self.ledger.close()
            raise
        self._store = Store(settings, clock, self._journal)
        self.tokens = Tokens(settings, clock)
        self.faults = FaultPlan(rules, seed=settings.seed, now=clock())
        control = Control(self._store, self.faults, self.ledger, self.tokens, clock)
        self.app = App(
            settings=settings,
            api=Api(settings, self._store, self.tokens, clock),
            faults=self.faults,
            ledger=self.ledger,
            control=control if settings.control else None,
            clock=clock,
            sleep=sleep,
        )

    @property
    def store(self) -> Store:
        """The world as of now: requests that were held back are carried out first when due."""
        # A test that looks at the world sends no request, so nothing else would carry them out.
        self.app.settle()
        return self._store

    def set_faults(self, *rules: str) -> None:
        """Put these rules in force instead of the present ones; raises SandboxError."""
        self.faults.replace([read_rule(text) for text in rules], self._clock())

    def close(self) -> None:
        """Close the data file and the ledger."""
        self._journal.close()
        self.ledger.close()
