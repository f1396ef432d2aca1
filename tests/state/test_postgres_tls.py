"""An encrypted connection to the state's database, in front of a server that has none itself."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trustme

from reconciler.core.states.places import PostgresPlace, parse_place
from reconciler.errors import UnreachableError
from reconciler.state.places import create_state, open_state
from tests.support.factories import make_target
from tests.support.postgres import PostgresServer

NAME = "db.example.com"
# What a client says that wants to encrypt: its length, and a number that is no version.
_SSL_REQUEST = bytes([0, 0, 0, 8, 4, 210, 22, 47])


class Front:
    """Speaks TLS with a client as PostgreSQL does, and passes on what it says."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._server = port
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.encrypted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept nobody any more."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        # A client that does not like the certificate hangs up.
        with contextlib.suppress(OSError), client:
            if client.recv(8) != _SSL_REQUEST:
                return
            client.sendall(b"S")
            with (
                self._context.wrap_socket(client, server_side=True) as inside,
                socket.create_connection(("127.0.0.1", self._server)) as server,
            ):
                self.encrypted += 1
                _pass_on(inside, server)


def _pass_on(inside: ssl.SSLSocket, server: socket.socket) -> None:
    """Each what the other says, until one of them has ended."""
    while True:
        # What has been decrypted already shows on no descriptor.
        ready = [inside] if inside.pending() else select.select([inside, server], [], [])[0]
        for source in ready:
            data = source.recv(65536)
            if not data:
                return
            (server if source is inside else inside).sendall(data)


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    """An authority, whose certificate is in `ca.pem`."""
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    return made


@pytest.fixture
def front(postgres: PostgresServer, authority: trustme.CA) -> Iterator[Front]:
    """A server with a certificate for `NAME`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME).configure_cert(context)
    opened = Front(postgres.port, context)
    yield opened
    opened.close()


def place(port: int, schema: str, ca: Path, name: str = NAME) -> PostgresPlace:
    """A state behind that name, as if it were another machine's."""
    found = parse_place(
        f"postgresql://postgres@{name}:{port}/postgres?hostaddr=127.0.0.1&schema={schema}"
        f"&sslmode=verify-full&sslrootcert={ca}",
        stack=make_target().stack,
    )
    assert isinstance(found, PostgresPlace)
    return found


def test_a_state_is_kept_behind_a_verified_connection(
    front: Front, schema: str, tmp_path: Path
) -> None:
    """Made, held and read with every connection encrypted."""
    here = place(front.port, schema, tmp_path / "ca.pem")
    create_state(here, make_target()).close()
    with closing(open_state(here)) as store:
        store.hold("reconciler apply")
        assert list(store.read()) == []
    assert front.encrypted >= 3


def test_a_server_of_another_name_is_refused(front: Front, schema: str, tmp_path: Path) -> None:
    """Whoever signed its certificate."""
    with pytest.raises(UnreachableError, match=r"other\.example\.com") as caught:
        open_state(place(front.port, schema, tmp_path / "ca.pem", "other.example.com"))
    assert (caught.value.exit_code, "sslrootcert" in caught.value.hint) == (9, True)


def test_a_server_of_an_unknown_authority_is_refused(
    front: Front, schema: str, tmp_path: Path
) -> None:
    """Whatever name it has."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    with pytest.raises(UnreachableError, match="certificate verify failed") as caught:
        open_state(place(front.port, schema, tmp_path / "other.pem"))
    assert "sslrootcert" in caught.value.hint


@pytest.mark.usefixtures("authority")
def test_a_server_that_does_not_encrypt_is_refused(
    postgres: PostgresServer, schema: str, tmp_path: Path
) -> None:
    """Nothing is sent to it in plain text."""
    with pytest.raises(UnreachableError, match="does not support SSL"):
        open_state(place(postgres.port, schema, tmp_path / "ca.pem"))
