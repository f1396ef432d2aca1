"""What stands for a secret in everything that is stored or shown."""

from __future__ import annotations

import re
from typing import Any

MARK = re.compile(r"\(sensitive [0-9a-f]{16}\)")


def is_redacted(value: Any) -> bool:
    """Whether a value is, or contains, the stand-in of a secret."""
    return isinstance(value, str) and MARK.search(value) is not None


def spell_marks(text: str, replacement: str) -> str:
    """A text in which every mark is replaced by the same words."""
    return MARK.sub(replacement, text)
