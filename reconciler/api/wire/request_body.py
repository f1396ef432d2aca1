"""The body of a request: how it is sent, and how it is searched for secrets."""

from __future__ import annotations

import base64
import json

from reconciler.core.digest import canonical
from reconciler.core.model import Json
from reconciler.core.stored_json import StoredJson

_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def write_body(body: Json) -> bytes:
    """A body as JSON; raises TypeError and ValueError for what is none.

    Its parts that are texts already are sent as they are.
    """
    parts = (
        f'"{name}":{part.text if isinstance(part, StoredJson) else _ENCODER.encode(part)}'
        for name, part in body.items()
    )
    return f"{{{','.join(parts)}}}".encode()


def readable_body(body: Json) -> Json:
    """A create request whose manifest can be searched for secrets."""
    encoded = body.get("manifestBase64Encoded")
    return {**body, "manifest": json.loads(base64.b64decode(encoded))} if encoded else body


def readable_text(body: Json, content: bytes) -> str:
    """A body as JSON text, in which a manifest stands as it is; `content` is how it was written."""
    if "manifestBase64Encoded" in body:
        return canonical(readable_body(body))
    return content.decode()
