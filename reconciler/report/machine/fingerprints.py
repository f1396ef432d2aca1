"""Fingerprints by which a code scanner knows a diagnostic again after its line has moved."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence

from reconciler.core.diagnostics import Diagnostic

# Some messages name a second place; an edit above it must not make a new diagnostic.
_POSITIONS = re.compile(r"(?<=\bline )\d+(?:, column \d+)?|:\d+:\d+\b")


def fingerprints(diagnostics: Sequence[Diagnostic]) -> list[str]:
    """Give each diagnostic a name of 64 hexadecimal digits that no other one of the report has.

    Lines and columns have no part in it. Diagnostics that are alike but for their lines are
    counted in their order.
    """
    seen: Counter[str] = Counter()
    names = []
    for diagnostic in diagnostics:
        message = _POSITIONS.sub("", diagnostic.message)
        content = json.dumps(
            [
                diagnostic.code,
                diagnostic.where.file,
                diagnostic.pointer,
                diagnostic.address,
                message,
            ]
        )
        # Equal ones are told apart by their number: two with one fingerprint would count as one.
        seen[content] += 1
        names.append(hashlib.sha256(f"{seen[content]}{content}".encode()).hexdigest())
    return names
