from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.places import ROOT
from tests.support.postgres import PostgresServer, running_server

_BEGIN = """
import time
from tests.support.postgres import running_server
with running_server() as server:
    print(server.pid, server.folder, flush=True)
    time.sleep(60)
"""


def test_the_server_runs_without_rights(postgres: PostgresServer) -> None:
    """As a user that is not root, over data that only this user can read."""
    data = (postgres.folder / "data").stat()
    assert data.st_mode & 0o777 == 0o700
    assert data.st_uid == Path(f"/proc/{postgres.pid}").stat().st_uid != 0
    assert postgres.query("SELECT current_setting('server_version_num')::int >= 140000") == [
        (True,)
    ]


def test_what_was_committed_outlives_a_crash_of_the_server(postgres: PostgresServer) -> None:
    """It comes back on the same port after SIGQUIT, with its tables."""
    address = postgres.address
    postgres.query("CREATE TABLE survivors (one int)")
    postgres.query("INSERT INTO survivors VALUES (1)")
    postgres.restart(signal.SIGQUIT)
    assert postgres.address == address
    assert postgres.query("SELECT * FROM survivors") == [(1,)]
    postgres.query("DROP TABLE survivors")


def test_nothing_outlives_tests_that_were_killed(postgres: PostgresServer) -> None:
    """The kernel stops their server, and the next server's start removes their folder."""
    command = [sys.executable, "-c", _BEGIN]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as begun:
        assert begun.stdout is not None
        pid, folder = begun.stdout.readline().split()
        assert Path(folder).is_dir()
        begun.kill()
    end = time.monotonic() + 20
    while _is_alive(int(pid)):
        assert time.monotonic() < end, "the server still runs"
        time.sleep(0.02)
    with running_server() as later:
        assert not Path(folder).exists()
        assert later.folder.is_dir()
        assert postgres.query("SELECT 1") == [(1,)]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended and that nobody waited for is still listed.
    return b"\nState:\tZ" not in Path(f"/proc/{pid}/status").read_bytes()
