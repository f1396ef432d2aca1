"""Logging in: client credentials against signed tokens that expire and can be revoked."""

from __future__ import annotations

import hmac
import math
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs

from reconciler.sandbox.http import OAuthRefusal, Refusal, read_json_object
from reconciler.sandbox.settings import Credential, Settings
from reconciler.sandbox.versions import find_version

_CHALLENGE = ((b"www-authenticate", b"Bearer"),)
_ALGORITHM = "HS256"
_CACHED = 4096
# The control plane reads these names in any letter case: its documents themselves disagree.
_SPELLINGS = {
    "client_credentials": ("clientID", "clientSecret"),
    "app_token": ("appID", "appSecret"),
}


class Tokens:
    """Grants and checks the tokens of one sandbox; the signing key follows from its secrets.

    So a token outlives a restart, and a sandbox with other secrets refuses it.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._credentials = {c.client_id: c for c in settings.credentials}
        secrets = "\0".join(f"{c.client_id}\0{c.client_secret}" for c in settings.credentials)
        self._key = sha256(f"sandbox signing key\0{secrets}".encode()).digest()
        self._granted = 0
        self._revoked: set[str] = set()
        self._live: dict[str, set[str]] = {}
        self._checked: dict[bytes, dict[str, Any]] = {}

    def grant(self, body: bytes) -> dict[str, Any]:
        """Answer `POST /api/v1/token`; raises Refusal, 400 for the form and 401 for the secret."""
        fields = {key.lower(): value for key, value in read_json_object(body).items()}
        grant = _read_text(fields, "grantType")
        if grant == "refresh_token":
            return self._issue(self._refresh(_read_text(fields, "refreshToken")))
        if grant not in _SPELLINGS:
            raise Refusal(400, f"grantType '{grant}' is not supported")
        client_id, secret = (_read_text(fields, key) for key in _SPELLINGS[grant])
        return self._issue(self._log_in(client_id, secret))

    def grant_oauth(self, body: bytes, media_type: bytes) -> dict[str, Any]:
        """Answer `POST /api/v2/token`; raises OAuthRefusal, 400 or 401 as RFC 6749 says."""
        if media_type != b"application/x-www-form-urlencoded":
            raise OAuthRefusal(400, "invalid_request", "the body must be a form")
        try:
            form = parse_qs(body.decode("ascii"), strict_parsing=True)
        except ValueError:
            raise OAuthRefusal(400, "invalid_request", "the body is not a form") from None
        # RFC 6749, 3.2: parameters must not be included more than once.
        if any(len(values) > 1 for values in form.values()):
            raise OAuthRefusal(400, "invalid_request", "a parameter is repeated")
        fields = {name: values[0] for name, values in form.items()}

        def read(name: str) -> str:
            if name not in fields:
                raise OAuthRefusal(400, "invalid_request", f"{name} is required")
            return fields[name]

        match read("grant_type"):
            case "client_credentials":
                client_id, secret = read("client_id"), read("client_secret")
                # RFC 6749, 5.2: a client that fails is a 401, a grant that fails a 400.
                code, status = "invalid_client", 401
                log_in = partial(self._log_in, client_id, secret)
            case "refresh_token":
                code, status = "invalid_grant", 400
                log_in = partial(self._refresh, read("refresh_token"))
            case grant:
                raise OAuthRefusal(400, "unsupported_grant_type", f"{grant} is not supported")
        try:
            credential = log_in()
        except Refusal as refusal:
            raise OAuthRefusal(status, code, refusal.message) from None
        return {
            "access_token": self._sign(credential, "access", self._settings.token_lifetime),
            "token_type": "Bearer",
            "expires_in": math.ceil(self._settings.token_lifetime),
            "refresh_token": self._sign(credential, "refresh", self._settings.refresh_lifetime),
        }

    def caller(self, authorization: bytes | None) -> Credential:
        """Find whom a request speaks for; raises Refusal (401)."""
        if authorization is None:
            raise Refusal(401, "Authorization header is missing", headers=_CHALLENGE)
        # Checking a signature costs more than the rest of a GET; expiry is checked each time.
        claims = self._checked.get(authorization)
        if claims is None:
            scheme, _, token = authorization.partition(b" ")
            if scheme.lower() != b"bearer":
                raise Refusal(401, "Authorization header is not a bearer token", headers=_CHALLENGE)
            claims = self._decode(token.strip(), "access")
            # Emptied, not aged: each token is used thousands of times, and then never again.
            if len(self._checked) >= _CACHED:
                self._checked.clear()
            self._checked[authorization] = claims
        if claims["exp"] <= self._clock():
            raise Refusal(401, "token is expired", headers=_CHALLENGE)
        return self._credentials[claims["sub"]]

    def revoke(self, client_id: str | None = None) -> int:
        """Make every token granted so far worthless, of one client or of all; returns how many."""
        revoked = 0
        for owner, ids in self._live.items():
            if client_id in (None, owner):
                revoked += len(ids)
                self._revoked |= ids
                ids.clear()
        # A cached check would let a revoked token pass.
        self._checked.clear()
        return revoked

    def _log_in(self, client_id: str, secret: str) -> Credential:
        credential = self._credentials.get(client_id)
        expected = "" if credential is None else credential.client_secret
        # Compared also where the client does not exist, so that the time does not tell.
        same = hmac.compare_digest(
            secret.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")
        )
        if credential is None or not same:
            raise Refusal(401, "Invalid client or Invalid client credentials", headers=_CHALLENGE)
        return credential

    def _refresh(self, token: str) -> Credential:
        claims = self._decode(token.encode("utf-8", "surrogatepass"), "refresh")
        if claims["exp"] <= self._clock():
            raise Refusal(401, "refresh token is expired", headers=_CHALLENGE)
        return self._credentials[claims["sub"]]

    def _issue(self, credential: Credential) -> dict[str, Any]:
        access = self._sign(credential, "access", self._settings.token_lifetime)
        grant: dict[str, Any] = {
            "accessToken": access,
            "idToken": access,
            "refreshToken": self._sign(credential, "refresh", self._settings.refresh_lifetime),
        }
        says_expiry = self._settings.says_expiry
        # The field came together with the second version of the call.
        if (
            find_version(self._settings.api_version).token_v2
            if says_expiry is None
            else says_expiry
        ):
            grant["expiresIn"] = math.ceil(self._settings.token_lifetime)
        return grant

    def _sign(self, credential: Credential, use: str, lifetime: float) -> str:
        import jwt

        now = self._clock()
        self._granted += 1
        token_id = f"{now:.6f}-{self._granted}"
        self._live.setdefault(credential.client_id, set()).add(token_id)
        claims = {
            "iss": self._settings.issuer,
            "sub": credential.client_id,
            "tenant_id": self._settings.tenant_id,
            "use": use,
            # JWT counts whole seconds; rounded so that a token never ends before its time.
            "iat": int(now),
            "exp": math.ceil(now + lifetime),
            "jti": token_id,
        }
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def _decode(self, token: bytes, use: str) -> dict[str, Any]:
        import jwt

        unfamiliar = Refusal(401, "Issuer is not familiar.", headers=_CHALLENGE)
        # PyJWT would compare with the real clock; expiry is judged by the injected one.
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                issuer=self._settings.issuer,
                options={
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "require": ["exp", "sub", "jti"],
                },
            )
        except (jwt.PyJWTError, ValueError):
            raise unfamiliar from None
        usable = claims.get("use") == use and claims["sub"] in self._credentials
        if not usable or claims["jti"] in self._revoked:
            raise unfamiliar
        return claims


def _read_text(fields: dict[str, Any], key: str) -> str:
    value = fields.get(key.lower())
    if not isinstance(value, str) or not value:
        raise Refusal(400, f"{key} is required and must be a string")
    return value
