"""What a finding repeats of a file: little of it, and no secret."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.core.redact import HIDDEN, blank

# Names and the beginnings of values that decide what is hidden of the text before them.
_ROOM = 1000
# A shorter secret would turn up in innocent words.
_SHORTEST = 4


def quote(text: str, most: int = 60) -> str:
    """Words that stand in a file, fit to be repeated."""
    # Cut first, so that a long text takes no time, but not within what would have been hidden.
    shown = blank(text[: most + _ROOM])
    is_whole = len(text) <= most + _ROOM and len(shown) <= most
    return shown if is_whole else f"{shown[: most - 3]}..."


def hide(text: str, secrets: Collection[str]) -> str:
    """A sentence about a file without the secrets that stand in the file."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, HIDDEN)
    return text
