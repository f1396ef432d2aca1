from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.api.login.claims import lifetime, read_claims, read_issuer
from reconciler.api.wire.headers import http_date
from tests.api.factories import DATE, jwt

NOW = http_date(DATE)
ISSUED = int(NOW.timestamp()) if NOW else 0


@pytest.mark.parametrize(
    ("expires_in", "claims", "seconds"),
    [
        (3600, {"iat": ISSUED, "exp": ISSUED + 60}, 3600.0),
        (None, {"iat": ISSUED - 30, "exp": ISSUED + 60}, 90.0),
        (None, {"exp": ISSUED + 60}, 60.0),
        (None, {"exp": ISSUED - 60}, 300.0),
        (None, {"exp": "soon"}, 300.0),
        (None, {}, 300.0),
        (0, {}, 300.0),
        (-5, {}, 300.0),
        (True, {}, 300.0),
        ("3600", {}, 300.0),
        (10**400, {}, 300.0),
        (10**9, {}, 86_400.0),
    ],
)
def test_a_lifetime_comes_from_the_first_that_makes_sense(
    expires_in: object, claims: dict[str, Any], seconds: float
) -> None:
    """`expiresIn`, then `exp` against `iat` or the answer's Date, then five minutes."""
    assert lifetime(expires_in, jwt(**claims), NOW) == seconds


@given(st.text(alphabet="abAB01-_.=", max_size=40) | st.text())
def test_any_text_can_be_asked_for_claims(token: str) -> None:
    """A token need not be a JWT."""
    assert isinstance(dict(read_claims(token)), dict)
    assert 0 < lifetime(None, token, None) <= 86_400


@given(st.binary(max_size=60))
def test_any_payload_can_be_asked_for_claims(payload: bytes) -> None:
    """Nor need a JWT hold an object, or text at all."""
    assert read_issuer(f"a.{base64.urlsafe_b64encode(payload).decode()}.c") is None


def test_the_issuer_is_a_text_or_unknown() -> None:
    """Other types and an empty text say nothing."""
    issuers = [read_issuer(jwt(iss=issuer)) for issuer in ("https://a", "", 7, None)]
    assert issuers == ["https://a", None, None, None]
