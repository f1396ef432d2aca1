"""Why a run ended before all of its work was done."""

from __future__ import annotations

from enum import StrEnum


class StopReason(StrEnum):
    """What stopped a run, as it is published; NOTHING where it came to its end."""

    NOTHING = ""
    SIGINT = "SIGINT"
    SIGTERM = "SIGTERM"
    DEADLINE = "deadline"
    FAIL_FAST = "fail-fast"
    UNAUTHORISED = "unauthorised"
    UNREACHABLE = "unreachable"
    STATE = "state"
    LOCK = "lock"
