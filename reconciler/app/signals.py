"""What a signal does to work that is under way in an event loop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

# What a process that such a signal has ended exits with.
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143}


@contextmanager
def on_signal(handle: Callable[[signal.Signals], None], *, once: bool) -> Iterator[None]:
    """Let `handle` decide what a signal does, and give the earlier handlers back at the end.

    With `once` they are given back at the first signal, so that the second, whichever it is, does
    what it did before.
    """
    loop = asyncio.get_running_loop()
    # The loop sets a default handler when it lets one go, and not the one that was there before.
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def give_back() -> None:
        for number in SIGNALS:
            if loop.remove_signal_handler(number):
                signal.signal(number, before[number])

    def receive(number: signal.Signals) -> None:
        handle(number)
        if once:
            give_back()

    for number in SIGNALS:
        # Handlers exist in the main thread only; elsewhere the caller decides what a signal does.
        with suppress(RuntimeError, ValueError):
            loop.add_signal_handler(number, receive, number)
    try:
        yield
    finally:
        give_back()
