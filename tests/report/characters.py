"""Characters that must not reach a terminal."""

from __future__ import annotations

import unicodedata

HARMFUL = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def harmful(text: str) -> list[str]:
    """Return what could move a cursor or turn a line around; line breaks are the report's own."""
    return [c for c in text if c != "\n" and unicodedata.category(c) in HARMFUL]
