"""What happens in other threads meanwhile, and waiting for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def wait_for(condition: Callable[[], bool]) -> None:
    """Look again and again for some seconds."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def later(seconds: float, action: Callable[[], None]) -> None:
    """Do something in a while, from another thread."""
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
