"""A connection that is made again when it is lost, and that never waits for ever."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from reconciler.core.states.places import PostgresPlace
from reconciler.errors import UnreachableError
from reconciler.state.postgres.errors import may_be_repeated, to_state_error, unreachable
from reconciler.state.shared.timings import Timings

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]
Work = Callable[[Connection], T]

# How often somebody looks whether a wait is over.
_POLL = 0.05
# Whoever is in a hurry still asks a database that answers at once.
_GRACE = 0.2
_DEFAULTS: Mapping[str, str | int] = {
    "application_name": "workload-reconciler",
    "client_encoding": "utf8",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


class Channel:
    """One connection to the database of a state, connected when it is first used.

    `writes` asks for a server that takes writes. `on_wait` is called, once for each wait and from
    another thread, when the database has not answered for a while. One thread at a time uses it;
    `hurry` may be called by any.
    """

    def __init__(
        self,
        place: PostgresPlace,
        timings: Timings,
        *,
        writes: bool = False,
        on_wait: Callable[[], None] | None = None,
    ) -> None:
        self._place = place
        self._timings = timings
        self._writes = writes
        self._on_wait = on_wait
        self._conn: Connection | None = None
        self._watchdog = _Watchdog()
        self._ends_at: float | None = None

    @property
    def is_hurried(self) -> bool:
        """Whether the time of `hurry` is over."""
        return self._ends_at is not None and time.monotonic() >= self._ends_at

    def hurry(self, seconds: float) -> None:
        """From now on, wait no longer than that for anything; then only for what comes at once."""
        at = time.monotonic() + seconds
        self._ends_at = at if self._ends_at is None else min(self._ends_at, at)
        self._watchdog.cap(self._ends_at)

    def once(self, work: Work[T], seconds: float | None = None) -> T:
        """Do something that must work at once; raises UnreachableError, StateError.

        An answer is waited for so many seconds; None is for as long as usual.
        """
        try:
            return self.attempt(work, seconds)
        except psycopg.Error as error:
            if may_be_repeated(error) and error.sqlstate is None:
                raise unreachable(self._place, error) from error
            raise to_state_error(self._place, error) from error

    def repeat(self, work: Work[T], seconds: float | None = None) -> T:
        """Do something that has the same effect once or twice, until the database answers.

        Raises UnreachableError once the patience is over, and StateError for what is refused.
        Each answer is waited for so many seconds; None is for as long as usual.
        """
        began = time.monotonic()
        end = began + self._timings.patience
        pause = self._timings.first_pause
        with self._watchdog.telling(began + self._timings.notice, self._on_wait):
            while True:
                try:
                    return self.attempt(work, seconds)
                except psycopg.Error as error:
                    if not may_be_repeated(error):
                        raise to_state_error(self._place, error) from error
                    if time.monotonic() + pause > end or self.is_hurried:
                        raise unreachable(self._place, error) from error
                time.sleep(pause)
                pause = min(2 * pause, self._timings.longest_pause)

    def attempt(self, work: Work[T], seconds: float | None = None) -> T:
        """Do something on a connection that works; raises psycopg.Error."""
        conn = self._connected()
        seconds = self._timings.silence if seconds is None else seconds
        try:
            with self._watchdog.watching(self._limit(time.monotonic(), seconds)):
                result = work(conn)
        except psycopg.Error as error:
            # A server that was demoted or is going down answers the same to every statement.
            if conn.broken or may_be_repeated(error):
                self.drop()
            raise
        except BaseException:
            # Ctrl-C in the middle of a statement: nothing may follow on this connection.
            self.drop()
            raise
        return result

    def drop(self) -> None:
        """Close the connection; the next use makes another one."""
        self._watchdog.let_go()
        conn, self._conn = self._conn, None
        if conn is not None:
            with suppress(psycopg.Error, OSError):
                conn.close()

    def close(self) -> None:
        """Close the connection for good."""
        self.drop()
        self._watchdog.stop()

    def _connected(self) -> Connection:
        if self._conn is None or self._conn.closed:
            self._conn = self._connect()
            self._watchdog.guard(self._conn.fileno())
        return self._conn

    def _connect(self) -> Connection:
        """Connect in a thread that can be left alone: looking up a name cannot be interrupted."""
        parameters = connection_string(self._place, self._timings, writes=self._writes)
        outcome: Future[Connection] = Future()

        def connect() -> None:
            try:
                # A pooler may give the next statement to another server process, which would not
                # know what was prepared.
                conn = psycopg.connect(parameters, autocommit=True, prepare_threshold=None)
            except BaseException as error:
                if outcome.set_running_or_notify_cancel():
                    outcome.set_exception(error)
                return
            if outcome.set_running_or_notify_cancel():
                outcome.set_result(conn)
            else:
                conn.close()

        threading.Thread(target=connect, name="state-connect", daemon=True).start()
        began = time.monotonic()
        try:
            # Each of several hosts may use up the time of one attempt.
            while not outcome.done() and time.monotonic() < self._limit(
                began, 3 * self._timings.connect
            ):
                wait([outcome], _POLL)
        finally:
            is_late = outcome.cancel()
        if is_late:
            raise psycopg.OperationalError("it did not answer in time")
        return outcome.result()

    def _limit(self, began: float, seconds: float) -> float:
        """The moment at which a wait ends that began at another one."""
        end = began + seconds
        return end if self._ends_at is None else min(end, max(self._ends_at, began + _GRACE))


@contextmanager
def snapshot(conn: Connection) -> Iterator[None]:
    """Reads of one instant, on a standby as well."""
    # By BEGIN and not by SET: a pooler may give the next transaction to another server process.
    conn.execute(b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield
    finally:
        if not conn.broken:
            conn.execute(b"ROLLBACK")


class _Watchdog:
    """Shuts a socket down whose other side does not answer: libpq itself waits for ever."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._until: float | None = None
        self._tell_at: tuple[float, Callable[[], None]] | None = None
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def guard(self, fd: int) -> None:
        """Watch over the socket of a new connection."""
        with self._lock:
            # A descriptor of our own: the number of a closed one may belong to another file.
            self._socket = socket.socket(fileno=os.dup(fd))
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="state-watch", daemon=True)
            self._thread.start()

    @contextmanager
    def watching(self, until: float) -> Iterator[None]:
        """Expect an answer by that moment."""
        with self._lock:
            self._until = until
        try:
            yield
        finally:
            with self._lock:
                self._until = None

    @contextmanager
    def telling(self, at: float, on_wait: Callable[[], None] | None) -> Iterator[None]:
        """Tell somebody if this takes until that moment."""
        if on_wait is not None:
            with self._lock:
                self._tell_at = at, on_wait
        try:
            yield
        finally:
            with self._lock:
                self._tell_at = None

    def cap(self, until: float) -> None:
        """Expect the answer that is waited for at this moment by then."""
        with self._lock:
            if self._until is not None:
                self._until = min(self._until, until)

    def let_go(self) -> None:
        """The connection is closed."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            self._socket = None

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(_POLL):
            now = time.monotonic()
            with self._lock:
                if self._until is not None and now >= self._until and self._socket:
                    self._until = None
                    # Whoever reads or writes on it gets an error at once.
                    with suppress(OSError):
                        self._socket.shutdown(socket.SHUT_RDWR)
                on_wait = None
                if self._tell_at is not None and now >= self._tell_at[0]:
                    on_wait, self._tell_at = self._tell_at[1], None
            if on_wait is not None:
                on_wait()


def connection_string(place: PostgresPlace, timings: Timings, *, writes: bool) -> str:
    """What libpq is told: what the place says, and defaults of ours for what it does not.

    Raises UnreachableError for parameters that libpq does not know.
    """
    try:
        parameters = {**conninfo_to_dict(place.url), **place.secrets}
    except psycopg.ProgrammingError as error:
        raise UnreachableError(
            f"the address of the state {place.title} cannot be used: {error}",
            hint="its parameters are those of libpq, and schema=",
        ) from error
    if place.by_repository and not os.environ.get("PGREQUIREAUTH"):
        # The server may be anybody's: it gets no password in the clear, also from a password file.
        parameters["require_auth"] = "!password,!md5"
    defaults = {**_DEFAULTS, "connect_timeout": max(2, round(timings.connect))}
    if writes:
        defaults["target_session_attrs"] = "read-write"
    if not _is_local(parameters):
        defaults |= _transport_security(parameters)
    return make_conninfo("", **{**defaults, **parameters})


def _transport_security(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Encrypted and verified unless somebody says otherwise; libpq's default is neither."""
    if "service" in parameters or os.environ.get("PGSERVICE"):
        # What a service file says comes before this, and libpq's own default after it: of all
        # places for a parameter only the environment stands there.
        os.environ.setdefault("PGSSLMODE", "verify-full")
        os.environ.setdefault("PGSSLROOTCERT", "system")
        return {}
    # `system` allows for no weaker mode, so it is no default beside a mode that was chosen.
    if "sslmode" in parameters or os.environ.get("PGSSLMODE"):
        return {}
    by_default = {"sslmode": "verify-full"}
    if "sslrootcert" not in parameters and not os.environ.get("PGSSLROOTCERT"):
        by_default["sslrootcert"] = "system"
    return by_default


def _is_local(parameters: Mapping[str, Any]) -> bool:
    """Whether every host is this machine; a socket and a loopback address are."""
    if "service" in parameters or os.environ.get("PGSERVICE"):
        return False
    hosts = parameters.get("hostaddr") or parameters.get("host") or os.environ.get("PGHOST") or ""
    return all(is_this_machine(unquote(host)) for host in str(hosts).split(","))


def is_this_machine(host: str) -> bool:
    """Whether a host of libpq is this machine: a socket, or a loopback address."""
    if host in ("", "localhost") or host.startswith(("/", "@")):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
