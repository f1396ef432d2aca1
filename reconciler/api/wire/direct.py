"""One request and its response, as a transport takes and gives them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from reconciler.api.wire.body import BodyReader
from reconciler.ports import BeforeSend
from reconciler.values import dataclass

Headers = tuple[tuple[str, str], ...]


@dataclass(slots=True, kw_only=True)
class Outgoing:
    """A request to the server of a transport; `path` is quoted and may have a query.

    `patience` is how many seconds it waits for a place among the connections, and as many again for
    a connection to be made; None is without end. `before_send` is awaited once there is a
    connection, right before bytes leave. The transport writes the status of the response into
    `status` as soon as it has come, for the body may never end.
    """

    method: str
    path: str
    headers: Headers = ()
    content: bytes | None = None
    patience: float | None = None
    before_send: BeforeSend | None = None
    status: int | None = None


@dataclass(slots=True, kw_only=True)
class Incoming:
    """A response; the names of `headers` are in lower case, `body` has taken all that it needs."""

    status: int
    headers: Mapping[str, str]
    body: BodyReader


class DirectTransport(ABC):
    """Sends requests to one server, each once."""

    @abstractmethod
    async def send(self, request: Outgoing) -> Incoming:
        """Send a request; raises TransportError, or TimeoutError for a response that is late."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close every connection."""
