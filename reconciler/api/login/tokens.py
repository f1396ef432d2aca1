"""Bearer tokens: where they come from, how long they last, how a rejected one is replaced."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
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
from reconciler.api.wire.classification import ResultFields, classify_response, result_fields
from reconciler.api.wire.exchange import FORM, Call, RawResponse
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

Ask = Callable[[Call, Secret], Awaitable[RawResponse | NotSent | Ambiguous]]
Monotonic = Callable[[], float]

_REFRESH_AT = 0.8
_MOST_FILE_BYTES = 65_536
_BAD_CREDENTIALS = (400, 403, 422)
_NO_SUCH_CALL = (404, 405, 501)


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerToken:
    """A token in hand, and who issued it where it says so."""

    token: Secret
    issuer: str | None = None


class TokenSource(Protocol):
    """Gives tokens; an Answer instead of one says why there is none."""

    async def current(self) -> BearerToken | ApiResult:
        """A token that should be accepted."""
        ...

    async def renew(self, rejected: BearerToken, /) -> BearerToken | ApiResult | None:
        """Another token than the one that was answered by 401; None when there is no other."""
        ...

    async def aclose(self) -> None:
        """Stop what is under way."""
        ...


def open_source(
    credentials: Credentials, *, ask: Ask, monotonic: Monotonic, has_v2_token: bool = True
) -> TokenSource:
    """Make the source for these credentials; `ask` sends a call without a token.

    `has_v2_token` is False for a server of which it is known that it only has the old login.
    """
    match credentials:
        case FixedToken():
            return FixedSource(credentials)
        case TokenFile():
            return FileSource(credentials.path)
        case ClientCredentials():
            return ClientSource(
                credentials, ask=ask, monotonic=monotonic, has_v2_token=has_v2_token
            )


class FixedSource:
    """One token, for as long as the server takes it."""

    def __init__(self, credentials: FixedToken) -> None:
        self._bearer = _bearer(credentials.token.reveal())

    async def current(self) -> BearerToken | ApiResult:
        """The token."""
        return self._bearer

    async def renew(self, _rejected: BearerToken, /) -> BearerToken | ApiResult | None:
        """There is no other."""
        return None

    async def aclose(self) -> None:
        """Nothing is under way."""


class FileSource:
    """A token file, read again when it changes; a rotation caught half-way keeps the old token.

    What is not a regular file (a pipe from another command) can be read once only.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: BearerToken | None = None
        self._signature: tuple[int, ...] | None = None

    async def current(self) -> BearerToken | ApiResult:
        """The file's token; Unauthorised where it has never held one."""
        return self._load(force=False)

    async def renew(self, rejected: BearerToken, /) -> BearerToken | ApiResult | None:
        """The file's token, where it is a new one."""
        found = self._load(force=True)
        return None if found == rejected else found

    async def aclose(self) -> None:
        """Nothing is under way."""

    def _load(self, *, force: bool) -> BearerToken | ApiResult:
        try:
            signature = self._sign()
            if self._held is None or (signature and (force or signature != self._signature)):
                self._held, self._signature = self._read(), signature
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            if self._held is None:
                return Unauthorised(message=f"cannot use the token file {self._path}: {reason}")
        return self._held

    def _sign(self) -> tuple[int, ...] | None:
        status = self._path.stat()
        if not stat.S_ISREG(status.st_mode):
            return None
        return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)

    def _read(self) -> BearerToken:
        with self._path.open("rb") as file:
            content = file.read(_MOST_FILE_BYTES + 1)
        text = content.decode("ascii", "replace").strip()
        if not text:
            raise ValueError("it is empty")
        if len(content) > _MOST_FILE_BYTES or not is_bearer(text):
            raise ValueError("it holds more than a bearer token")
        return _bearer(text)


@dataclass(slots=True, kw_only=True)
class _Held:
    """A token with its times on the monotonic clock: when to renew, when it ends."""

    bearer: BearerToken
    due: float
    expires: float


class ClientSource:
    """Tokens for client credentials, fetched once however many ask, renewed at 80 % of life.

    The v2 login is asked first. A server that says itself that it has none is asked by the old one,
    which newer versions have deprecated; what has given a token is asked for the rest of the run.
    """

    def __init__(
        self,
        credentials: ClientCredentials,
        *,
        ask: Ask,
        monotonic: Monotonic,
        has_v2_token: bool = True,
    ) -> None:
        self._credentials = credentials
        self._ask = ask
        self._monotonic = monotonic
        self._path = LOGIN_PATH if has_v2_token else OLD_LOGIN_PATH
        self._held: _Held | None = None
        self._has_had_one = False
        self._refused: Unauthorised | None = None
        self._fetching: asyncio.Task[BearerToken | ApiResult] | None = None

    async def current(self) -> BearerToken | ApiResult:
        """A token with life left; why not, where none can be had."""
        if self._held is not None and self._monotonic() < self._held.due:
            return self._held.bearer
        if self._refused is not None:
            return self._refused
        fetched = await self._fetch_once()
        return fetched if isinstance(fetched, BearerToken) else self._fall_back(fetched)

    async def renew(self, rejected: BearerToken, /) -> BearerToken | ApiResult | None:
        """A token fetched since the rejected one, by whoever noticed first."""
        if self._held is not None and self._held.bearer == rejected:
            self._held = None
        found = await self.current()
        return None if found == rejected else found

    async def aclose(self) -> None:
        """Stop a fetch under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    def _fall_back(self, failure: ApiResult) -> BearerToken | ApiResult:
        # The old token serves until its end; the next try comes after half of what is left.
        held, now = self._held, self._monotonic()
        if held is None or now >= held.expires:
            # Every request that is still on its way would ask again, and be counted as an attack.
            self._refused = failure if isinstance(failure, Unauthorised) else None
            return failure
        held.due = now + (held.expires - now) / 2
        return held.bearer

    async def _fetch_once(self) -> BearerToken | ApiResult:
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch())
        # Shielded: a caller that gives up must not take the token from the others.
        return await asyncio.shield(self._fetching)

    async def _fetch(self) -> BearerToken | ApiResult:
        asked_at = self._monotonic()
        reply = await self._ask_login()
        if not self._has_had_one and self._path == LOGIN_PATH and await self._lacks_login(reply):
            self._path = OLD_LOGIN_PATH
            reply = await self._ask_login()
        if not isinstance(reply, RawResponse):
            return _not_asked(reply)
        refusal = classify_response(reply)
        if refusal is not None:
            return self._explain(refusal, reply)
        return self._keep(reply, asked_at)

    async def _ask_login(self) -> RawResponse | NotSent | Ambiguous:
        call = _token_call(self._credentials, self._path)
        return await self._ask(call, self._credentials.client_secret)

    async def _lacks_login(self, reply: RawResponse | NotSent | Ambiguous) -> bool:
        """Whether the server says that it has no v2 login.

        Its own error is enough. Other JSON may come from a gateway in the middle of a restart, so
        it has to be said twice; a page is never the server's word.
        """
        if (
            not isinstance(reply, RawResponse)
            or reply.status not in _NO_SUCH_CALL
            or reply.data is None
        ):
            return False
        refusal = classify_response(reply)
        own = isinstance(refusal, NotFound) and refusal.trusted
        if own or (isinstance(refusal, Refused) and refusal.own):
            return True
        again = await self._ask_login()
        return isinstance(again, RawResponse) and (again.status, again.data) == (
            reply.status,
            reply.data,
        )

    def _keep(self, reply: RawResponse, asked_at: float) -> BearerToken | ApiResult:
        data = reply.data or {}
        name, life_name = _ANSWERS[self._path]
        token = data.get(name)
        if not isinstance(token, str) or not is_bearer(token):
            return self._no_endpoint(result_fields(reply), f"its answer holds no {name}")
        life = lifetime(data.get(life_name), token, http_date(reply.headers.get("date")))
        self._held = _Held(
            bearer=_bearer(token), due=asked_at + _REFRESH_AT * life, expires=asked_at + life
        )
        self._has_had_one = True
        return self._held.bearer

    def _explain(self, refusal: ApiResult, reply: RawResponse) -> ApiResult:
        words = result_fields(reply)
        match refusal:
            case Unauthorised():
                return _not_accepted(words)
            case Refused(status=status) if status in _BAD_CREDENTIALS:
                return _not_accepted(words)
            case TooManyRequests(retry_after=delay) | Unavailable(retry_after=delay):
                words["message"] = f"no token: {reply.message}"
                # Not Unavailable, which would leave the workload's own request in doubt.
                return TooManyRequests(retry_after=delay, **words)
            case Ambiguous() if reply.status >= 500 or reply.status == 408:
                words["message"] = f"no token: {reply.message}"
                return NotSent(answered=True, **words)
        return self._no_endpoint(words, reply.message)

    def _no_endpoint(self, words: ResultFields, problem: str) -> NotSent:
        """Nobody gives tokens here: for good at the first login, for a moment after that.

        A wrong address is told at once. One that has given a token is right, and what stands
        before it may say anything while it is restarted.
        """
        words["message"] = f"{self._path} of this server issues no tokens: {problem}"
        return NotSent(permanent=not self._has_had_one, answered=True, **words)


def _bearer(token: str) -> BearerToken:
    return BearerToken(token=Secret(value=token), issuer=read_issuer(token))


# What a login answers with: the token, and its life in seconds.
_ANSWERS = {
    LOGIN_PATH: ("access_token", "expires_in"),
    OLD_LOGIN_PATH: ("accessToken", "expiresIn"),
}


def _token_call(credentials: ClientCredentials, path: str) -> Call:
    client_id, secret = credentials.client_id, credentials.client_secret.reveal()
    if path == LOGIN_PATH:
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": secret,
        }
        return Call(
            method="POST", path=path, content=urlencode(form).encode("ascii"), content_type=FORM
        )
    content = {
        "grantType": "client_credentials",
        "clientID": client_id,
        "clientSecret": secret,
    }
    return Call(method="POST", path=path, content=json.dumps(content).encode())


def _not_asked(failure: NotSent | Ambiguous) -> NotSent:
    # Whatever became of the request for a token, the workload's own was not sent.
    permanent = isinstance(failure, NotSent) and failure.permanent
    return NotSent(message=f"no token: {failure.message}", permanent=permanent)


def _not_accepted(words: ResultFields) -> Unauthorised:
    words["message"] = f"the client credentials are not accepted: {words['message']}"
    return Unauthorised(**words)
