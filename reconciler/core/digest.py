"""One canonical form of a JSON value, and its digest."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from reconciler.core.stored_json import StoredJson, plain

_encode = json.JSONEncoder(
    sort_keys=True,
    separators=(",", ":"),
    ensure_ascii=False,
    # No JSON is within itself, and to look for that takes a fifth of the time.
    check_circular=False,
    default=plain,
).encode


def canonical(value: Any) -> str:
    """The same text for the same value, whatever the order of its keys."""
    if isinstance(value, StoredJson):
        # It is stored in this form, but for what is not ASCII.
        text = value.text
        return text if "\\u" not in text else _encode(value.value)
    return _encode(value)


def digest(value: Any) -> str:
    """`sha256:…` over the canonical form; never an error."""
    return digest_text(canonical(value))


def digest_text(text: str) -> str:
    """The digest of a value, by its canonical form."""
    # JSON can spell lone surrogates, for which UTF-8 has no bytes; they still have to differ.
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
