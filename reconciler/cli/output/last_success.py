"""Reads from an earlier metrics file when a run last succeeded."""

from __future__ import annotations

import math
import re

from reconciler.report.machine.metrics import LAST_SUCCESS

_SAMPLE = re.compile(
    rf'{LAST_SUCCESS}\{{command="(\w+)",stack="((?:[^"\\]|\\.)*)"\}} (\S+)', re.ASCII
)


def read_successes(text: str) -> dict[tuple[str, str], float]:
    """The moments of the last successes in an earlier file, by command and stack.

    What cannot be read is left out: a file that was cut or edited must not stop a run.
    """
    successes = {}
    # The last piece has no line break after it: of a file that was cut, it may be half a number.
    for line in text.split("\n")[:-1]:
        if not (match := _SAMPLE.fullmatch(line)):
            continue
        command, stack, value = match.groups()
        try:
            moment = float(value)
        except ValueError:
            continue
        # An alert compares with this moment, and never fires over one that is NaN or infinite.
        if math.isfinite(moment) and moment > 0:
            unescaped = re.sub(r"\\(.)", lambda pair: "\n" if pair[1] == "n" else pair[1], stack)
            successes[command, unescaped] = moment
    return successes
