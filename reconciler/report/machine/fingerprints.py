"""What makes a finding the same finding tomorrow: what it says of what, and not in which line."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence

from reconciler.core.diagnostics import Diagnostic

# Some messages name a second place; an edit above it must not make a new finding.
_POSITIONS = re.compile(r"(?<=\bline )\d+(?:, column \d+)?|:\d+:\d+\b")


def fingerprints(found: Sequence[Diagnostic]) -> list[str]:
    """Give each finding a name of 64 hexadecimal digits that no other one of the report has.

    Lines and columns have no part in it. Findings that are alike but for their lines are counted
    in their order.
    """
    seen: Counter[str] = Counter()
    names = []
    for one in found:
        message = _POSITIONS.sub("", one.message)
        said = json.dumps([one.code, one.where.file, one.pointer, one.address, message])
        seen[said] += 1
        names.append(hashlib.sha256(f"{seen[said]}{said}".encode()).hexdigest())
    return names
