"""What a server learns from whoever is only told its address by a repository."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from reconciler.core.states.places import parse_place
from reconciler.errors import UnreachableError
from reconciler.state.places import open_state

_SSL_REQUEST, _GSS_REQUEST = 80877103, 80877104
_CLEARTEXT = b"R" + struct.pack(">ii", 8, 3)


@contextlib.contextmanager
def collector() -> Iterator[tuple[int, list[bytes]]]:
    """A server that asks everybody for the password in the clear: its port, what it was told."""
    told: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client:
                        client.settimeout(10)
                        _ask(client, told)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], told
        # Closing alone does not wake whoever waits for the next client.
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def _ask(client: socket.socket, told: list[bytes]) -> None:
    while True:
        head = client.recv(8)
        if len(head) < 8:
            return
        length, code = struct.unpack(">ii", head)
        client.recv(length - 8)
        if code not in (_SSL_REQUEST, _GSS_REQUEST):
            break
        client.sendall(b"N")
    client.sendall(_CLEARTEXT)
    told.append(client.recv(1024))


@pytest.mark.parametrize("by_repository", [True, False])
def test_a_server_that_a_repository_names_gets_no_password(
    by_repository: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that somebody means may ask for it, as databases of clouds do."""
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    with collector() as (port, told):
        place = parse_place(
            f"postgresql://ci@127.0.0.1:{port}/x", stack="s", by_repository=by_repository
        )
        with pytest.raises(UnreachableError):
            open_state(place, 5.0)
    assert (b"hunter2" in b"".join(told)) is not by_repository
