"""What a token says about itself; read, not verified: the server that takes it does that."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

ASSUMED_LIFETIME = 300.0
_LONGEST_LIFETIME = 86_400.0
_LATEST_MOMENT = 1e11


def read_claims(token: str) -> Mapping[str, Any]:
    """The payload of a JWT; empty for a token that is not one."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def read_issuer(token: str) -> str | None:
    """Who issued a token (`iss`); None where it does not say."""
    issuer = read_claims(token).get("iss")
    return issuer if isinstance(issuer, str) and issuer else None


def lifetime(expires_in: object, token: str, now: datetime | None) -> float:
    """Seconds for which a token just issued will serve, at most a day.

    The server's `expiresIn`, else the token's `exp` counted from its `iat` or from the answer's
    Date (never from our clock, which may be wrong), else five minutes.
    """
    claims = read_claims(token)
    expires = _seconds(claims.get("exp"))
    issued = _seconds(claims.get("iat")) or (now.timestamp() if now else None)
    said = _seconds(expires_in)
    if said is None and expires is not None and issued is not None and expires > issued:
        said = expires - issued
    return min(said or ASSUMED_LIFETIME, _LONGEST_LIFETIME)


def _seconds(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if 0 < value < _LATEST_MOMENT else None
    return None
