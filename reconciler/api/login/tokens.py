"""Bearer tokens: where they come from, how long they last, how a rejected one is replaced."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

from reconciler.api.login.claims import lifetime, read_issuer
from reconciler.api.login.credentials import (
    ClientCredentials,
    Credentials,
    FixedToken,
    TokenFile,
    is_bearer,
)
from reconciler.api.secret import Secret
from reconciler.api.urls import LOGIN_PATH, OLD_LOGIN_PATH
from reconciler.api.wire.classification import classify_response, result_fields
from reconciler.api.wire.exchange import FORM, JSON, Call, RawResponse
from reconciler.api.wire.headers import http_date
from reconciler.core.protocol.api_results import (
    Ambiguous,
    ApiResult,
    NotFound,
    NotSent,
    Refused,
    TooManyRequests,
    Unauthorised,
    Unavailable,
)
from reconciler.values import dataclass

SendLogin = Callable[[Call, Secret], Awaitable[RawResponse | NotSent | Ambiguous]]
Monotonic = Callable[[], float]

# Of its life: late enough to fetch few, early enough for requests that are on their way.
_REFRESH_AT = 0.8
_MAX_FILE_BYTES = 65_536
# Identity providers answer wrong credentials by these as well as by 401 (RFC 6749 5.2: 400).
_BAD_CREDENTIALS = (400, 403, 422)
_NO_SUCH_CALL = (404, 405, 501)


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerToken:
    """A token, and its issuer where it names one."""

    token: Secret
    issuer: str | None = None


class TokenSource(Protocol):
    """Gives tokens; an ApiResult in place of one says why there is none."""

    def held(self) -> BearerToken | None:
        """The token at hand, where it is sure to serve: nobody need wait for it."""
        ...

    async def current(self) -> BearerToken | ApiResult:
        """A token that should be accepted."""
        ...

    async def renew(self, rejected: BearerToken, /) -> BearerToken | ApiResult | None:
        """Another token in place of one that a 401 rejected; None for no other."""
        ...

    async def aclose(self) -> None:
        """Stop a request that is under way."""
        ...


def make_token_source(
    credentials: Credentials, *, send: SendLogin, monotonic: Monotonic, has_v2_token: bool = True
) -> TokenSource:
    """Make the source for these credentials; `send` sends a call without a token.

    `has_v2_token` is False for a server that only has the old login.
    """
    match credentials:
        case FixedToken():
            return FixedSource(credentials)
        case TokenFile():
            return FileSource(credentials.path)
        case ClientCredentials():
            return ClientSource(
                credentials, send=send, monotonic=monotonic, has_v2_token=has_v2_token
            )


class FixedSource:
    """One token, for as long as the server takes it."""

    def __init__(self, credentials: FixedToken) -> None:
        self._bearer = _read_bearer(credentials.token.reveal())

    def held(self) -> BearerToken | None:
        """The token."""
        return self._bearer

    async def current(self) -> BearerToken | ApiResult:
        """The token."""
        return self._bearer

    async def renew(self, _rejected: BearerToken, /) -> BearerToken | ApiResult | None:
        """There is no other."""
        return None

    async def aclose(self) -> None:
        """Nothing is under way."""


class FileSource:
    """A token file, read again when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: BearerToken | None = None
        self._signature: tuple[int, ...] | None = None

    def held(self) -> BearerToken | None:
        """None: the file has to be looked at each time."""
        return None

    async def current(self) -> BearerToken | ApiResult:
        """The file's token; Unauthorised where it never had one."""
        return self._load(force=False)

    async def renew(self, rejected: BearerToken, /) -> BearerToken | ApiResult | None:
        """The file's token, where it is a new one."""
        bearer = self._load(force=True)
        return None if bearer == rejected else bearer

    async def aclose(self) -> None:
        """Nothing is under way."""

    def _load(self, *, force: bool) -> BearerToken | ApiResult:
        try:
            status = self._path.stat()
            # A pipe from another command can be read once only.
            signature = None
            if stat.S_ISREG(status.st_mode):
                signature = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            if self._held is None or (signature and (force or signature != self._signature)):
                self._held, self._signature = self._read_file(), signature
        except (OSError, ValueError) as error:
            # A rotation may be half done: the old token serves until the file can be read again.
            reason = getattr(error, "strerror", None) or str(error)
            if self._held is None:
                return Unauthorised(message=f"cannot use the token file {self._path}: {reason}")
        return self._held

    def _read_file(self) -> BearerToken:
        with self._path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        text = content.decode("ascii", "replace").strip()
        if not text:
            raise ValueError("it is empty")
        if len(content) > _MAX_FILE_BYTES or not is_bearer(text):
            raise ValueError("it has more in it than a bearer token")
        return _read_bearer(text)


@dataclass(slots=True, kw_only=True)
class _Held:
    """A token with its times on the monotonic clock: when to renew it, and when it expires."""

    bearer: BearerToken
    due: float
    expires: float


class ClientSource:
    """Tokens for client credentials, renewed at 80 % of their life; one fetch serves all requests.

    It tries the v2 login first. On a server that says itself that it has none, it uses the old one,
    which newer versions have deprecated. The login that gave a token stays for the rest of the run.
    """

    def __init__(
        self,
        credentials: ClientCredentials,
        *,
        send: SendLogin,
        monotonic: Monotonic,
        has_v2_token: bool = True,
    ) -> None:
        self._credentials = credentials
        self._send = send
        self._monotonic = monotonic
        self._path = LOGIN_PATH if has_v2_token else OLD_LOGIN_PATH
        self._held: _Held | None = None
        self._has_had_token = False
        self._refused: Unauthorised | None = None
        self._fetching: asyncio.Task[BearerToken | ApiResult] | None = None

    def held(self) -> BearerToken | None:
        """The token, until it is due to be renewed."""
        if self._held is None or self._monotonic() >= self._held.due:
            return None
        return self._held.bearer

    async def current(self) -> BearerToken | ApiResult:
        """A token that has not expired, or why there is none."""
        bearer = self.held()
        if bearer is not None:
            return bearer
        if self._refused is not None:
            return self._refused
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch())
        # Shielded: a caller that gives up must not take the token from the others.
        fetched = await asyncio.shield(self._fetching)
        if isinstance(fetched, BearerToken):
            return fetched
        held, now = self._held, self._monotonic()
        if held is None or now >= held.expires:
            # Remembered: each request that is still on its way would try the credentials again,
            # and a server counts that as an attack.
            self._refused = fetched if isinstance(fetched, Unauthorised) else None
            return fetched
        # The old token serves until it expires; the next try comes after half of that time.
        held.due = now + (held.expires - now) / 2
        return held.bearer

    async def renew(self, rejected: BearerToken, /) -> BearerToken | ApiResult | None:
        """A token that was fetched after the rejected one."""
        # Another request may have renewed it already.
        if self._held is not None and self._held.bearer == rejected:
            self._held = None
        bearer = await self.current()
        return None if bearer == rejected else bearer

    async def aclose(self) -> None:
        """Stop a fetch under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    async def _fetch(self) -> BearerToken | ApiResult:
        asked_at = self._monotonic()
        response = await self._send_login()
        is_first = not self._has_had_token and self._path == LOGIN_PATH
        if is_first and await self._lacks_login(response):
            self._path = OLD_LOGIN_PATH
            response = await self._send_login()
        if not isinstance(response, RawResponse):
            # Whatever became of the request for a token, the workload's own was not sent.
            permanent = isinstance(response, NotSent) and response.permanent
            return NotSent(message=f"no token: {response.message}", permanent=permanent)
        failure = classify_response(response)
        if failure is not None:
            return self._explain(failure, response)
        data = response.data or {}
        name, life_name = _LOGIN_FIELDS[self._path]
        token = data.get(name)
        if not isinstance(token, str) or not is_bearer(token):
            return self._no_endpoint(response, f"its answer has no {name}")
        life = lifetime(data.get(life_name), token, http_date(response.headers.get("date")))
        # From before the request: the token was issued at some time after that.
        self._held = _Held(
            bearer=_read_bearer(token), due=asked_at + _REFRESH_AT * life, expires=asked_at + life
        )
        self._has_had_token = True
        return self._held.bearer

    async def _send_login(self) -> RawResponse | NotSent | Ambiguous:
        client_id, secret = self._credentials.client_id, self._credentials.client_secret
        if self._path == LOGIN_PATH:
            form = {
                "grant_type": "client_credentials",
                "client_id": client_id,
                "client_secret": secret.reveal(),
            }
            content, content_type = urlencode(form).encode("ascii"), FORM
        else:
            document = {
                "grantType": "client_credentials",
                "clientID": client_id,
                "clientSecret": secret.reveal(),
            }
            content, content_type = json.dumps(document).encode(), JSON
        call = Call(method="POST", path=self._path, content=content, content_type=content_type)
        return await self._send(call, secret)

    async def _lacks_login(self, response: RawResponse | NotSent | Ambiguous) -> bool:
        """Whether the server says that it has no v2 login."""
        if not isinstance(response, RawResponse) or response.status not in _NO_SUCH_CALL:
            return False
        if response.data is None:
            # A page comes from something before the server.
            return False
        refusal = classify_response(response)
        own = isinstance(refusal, NotFound) and refusal.trusted
        if own or (isinstance(refusal, Refused) and refusal.own):
            return True
        # JSON in another form may come from a gateway in the middle of a restart: it has to say
        # the same twice.
        again = await self._send_login()
        return isinstance(again, RawResponse) and (
            (again.status, again.data) == (response.status, response.data)
        )

    def _explain(self, failure: ApiResult, response: RawResponse) -> ApiResult:
        fields = result_fields(response)
        is_rejected = isinstance(failure, Unauthorised) or (
            isinstance(failure, Refused) and failure.status in _BAD_CREDENTIALS
        )
        if is_rejected:
            fields["message"] = f"the client credentials are not accepted: {response.message}"
            return Unauthorised(**fields)
        match failure:
            case TooManyRequests(retry_after=delay) | Unavailable(retry_after=delay):
                fields["message"] = f"no token: {response.message}"
                # Not Unavailable, which would leave the workload's own request in doubt.
                return TooManyRequests(retry_after=delay, **fields)
            case Ambiguous() if response.status >= 500 or response.status == 408:
                fields["message"] = f"no token: {response.message}"
                return NotSent(answered=True, **fields)
        return self._no_endpoint(response, response.message)

    def _no_endpoint(self, response: RawResponse, reason: str) -> NotSent:
        fields = result_fields(response)
        fields["message"] = f"{self._path} of this server issues no tokens: {reason}"
        # At the first login the address is wrong, which no repeat mends. Once it has given a token
        # the address is right, and a proxy before it may say anything while it is restarted.
        return NotSent(permanent=not self._has_had_token, answered=True, **fields)


def _read_bearer(token: str) -> BearerToken:
    return BearerToken(token=Secret(value=token), issuer=read_issuer(token))


# Fields of a login's response: the token, and its life in seconds.
_LOGIN_FIELDS = {
    LOGIN_PATH: ("access_token", "expires_in"),
    OLD_LOGIN_PATH: ("accessToken", "expiresIn"),
}
