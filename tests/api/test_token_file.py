from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.api.client import HttpWorkloadApi
from reconciler.api.login.credentials import (
    TokenFile,
)
from reconciler.core.protocol.api_results import Accepted, ApiResult, Method, Unauthorised
from tests.api.factories import (
    ID,
    ask_by,
)
from tests.api.servers import FOUND, Server, story


def test_a_token_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """A rotation in place, one by renaming, and a moment in which the file is empty or gone."""
    path, server = tmp_path / "token", Server()
    path.write_text("one\n")

    async def tell(api: HttpWorkloadApi) -> None:
        await api.read(ID)
        path.write_text("three")
        await api.read(ID)
        fresh = tmp_path / "fresh"
        fresh.write_text("three-and-a-half")
        fresh.rename(path)
        await api.read(ID)
        path.write_text("")
        await api.read(ID)
        path.unlink()
        await api.read(ID)

    story(server, tell, credentials=TokenFile(path=path))
    assert server.used == ["one", "three", "three-and-a-half"] + ["three-and-a-half"] * 2


def test_a_rejected_token_file_is_read_once_more(tmp_path: Path) -> None:
    """A rotation that left size and times alike is noticed by the 401; no change, no replay."""
    path, server = tmp_path / "token", Server(good={"two"})
    path.write_text("one")
    status = path.stat()

    async def tell(api: HttpWorkloadApi) -> list[ApiResult]:
        before = await api.read(ID)
        path.write_text("two")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        return [before, await api.read(ID)]

    before, after = story(server, tell, credentials=TokenFile(path=path))
    assert isinstance(before, Unauthorised)
    assert isinstance(after, Accepted)
    assert server.used == ["one", "one", "two"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"", "it is empty"),
        (b"two words", "it has more in it than a bearer token"),
        (b"\xff\xfe", "it has more in it than a bearer token"),
        (b"a" * 70_000, "it has more in it than a bearer token"),
    ],
)
def test_a_token_file_without_a_token_is_unauthorised(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    """The message names the file and never what it holds."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    answer = ask_by(FOUND, Method.GET, credentials=TokenFile(path=path))
    assert answer == Unauthorised(message=f"cannot use the token file {path}: {reason}")


def test_a_pipe_is_read_once() -> None:
    """`--token-file <(command)` gives a token that cannot be read a second time."""
    reading, writing = os.pipe()
    os.write(writing, b"piped\n")
    os.close(writing)
    server = Server(good=set())

    async def tell(api: HttpWorkloadApi) -> list[ApiResult]:
        return [await api.read(ID), await api.read(ID)]

    try:
        story(server, tell, credentials=TokenFile(path=Path(f"/dev/fd/{reading}")))
    finally:
        os.close(reading)
    assert server.used == ["piped", "piped"]
