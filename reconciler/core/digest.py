"""One canonical form of a JSON value, and its digest."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical(value: Any) -> str:
    """The same text for the same value, whatever the order of its keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """`sha256:…` over the canonical form; lone surrogates are kept apart, never an error."""
    return digest_text(canonical(value))


def digest_text(text: str) -> str:
    """The digest of a value whose canonical form is at hand."""
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
