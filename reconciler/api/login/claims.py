"""Claims of a token; read and not verified, which the server does that takes it."""

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
    """The issuer of a token (`iss`); None for a token without one."""
    issuer = read_claims(token).get("iss")
    return issuer if isinstance(issuer, str) and issuer else None


def lifetime(expires_in: object, token: str, now: datetime | None) -> float:
    """Seconds for which a token just issued will serve, at most a day.

    The server's `expiresIn`, else the token's `exp` counted from its `iat` or from `now`, the Date
    of the response, else five minutes.
    """
    # Never by our clock, which may be wrong.
    claims = read_claims(token)
    expires = _seconds(claims.get("exp"))
    issued = _seconds(claims.get("iat")) or (now.timestamp() if now else None)
    seconds = _seconds(expires_in)
    if seconds is None and expires is not None and issued is not None and expires > issued:
        seconds = expires - issued
    return min(seconds or ASSUMED_LIFETIME, _LONGEST_LIFETIME)


def _seconds(value: object) -> float | None:
    # Claims are JSON from elsewhere: NaN, a text or a number beyond all calendars counts as none.
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if 0 < value < _LATEST_MOMENT else None
    return None
