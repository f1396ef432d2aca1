"""What a message repeats of a file: little of it, and no secret."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.core.redact import HIDDEN, blank

# Names and the beginnings of values that decide what is hidden of the text before them.
_ROOM = 1000
# A shorter secret would turn up in innocent words.
_SHORTEST = 4


def quote(text: str, max_length: int = 60) -> str:
    """Return text of a file as a message may repeat it: without secrets, and not too long."""
    # Cut first, so that a long text takes no time, but not within what would have been hidden.
    redacted = blank(text[: max_length + _ROOM])
    is_whole = len(text) <= max_length + _ROOM and len(redacted) <= max_length
    return redacted if is_whole else f"{redacted[: max_length - 3]}..."


def hide(text: str, secrets: Collection[str]) -> str:
    """Return a message about a file without the secrets that stand in the file."""
    # The longest first, in case one secret is part of another.
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, HIDDEN)
    return text
