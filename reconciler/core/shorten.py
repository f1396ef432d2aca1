"""Long texts cut to a width."""

from __future__ import annotations


def shorten(text: str, width: int = 72) -> str:
    """Cut the middle out of a text of more than `width` characters; its ends say most."""
    if len(text) <= width:
        return text
    head = (width - 3) // 2
    return f"{text[:head]} … {text[len(text) - (width - 3 - head) :]}"
