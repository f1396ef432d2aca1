"""The folder of a state in a bucket: whole objects, and writes that hold only under a condition."""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError, PreconditionError
from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store

from reconciler.core.states.places import ObjectPlace
from reconciler.state.objects.storage_errors import may_be_repeated, to_error
from reconciler.state.shared.timings import Timings
from reconciler.values import dataclass

if TYPE_CHECKING:
    from obstore import UpdateVersion
    from obstore.store import ClientConfig, RetryConfig, S3Config

T = TypeVar("T")

# How often somebody looks whether a wait is over.
_POLL = 0.05
# Whoever is in a hurry still asks storage that answers at once.
_GRACE = 0.2
# Bytes a second that a slow line still carries.
_SLOWEST = 50_000
# Storage that is busy for a moment is no news, even to who only looks.
_PATIENCE = 2.0
_AT_ONCE = 16
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
# Where gcloud and Terraform look for a token that somebody else has fetched.
_GOOGLE_TOKENS = ("GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """An object as it was read; `modified` is of the storage's clock, to the second."""

    content: bytes
    version: UpdateVersion
    modified: datetime


class Bucket:
    """The objects below the folder of a state; one that is absent is None.

    `on_wait` is called when a request of `patiently` has had no success for a while. Any thread may
    use it.
    """

    def __init__(
        self,
        place: ObjectPlace,
        timings: Timings,
        *,
        on_wait: Callable[[], None] | None = None,
    ) -> None:
        self.place = place
        self.timings = timings
        self._on_wait = on_wait
        self._ends_at: float | None = None
        self._patience = _PATIENCE
        try:
            self._store = _connect(place, place.folder, timings)
        except (BaseError, ValueError, OSError) as error:
            raise to_error(place, error) from error

    def hurry(self, seconds: float) -> None:
        """From now on, wait no longer than that for anything; then only for what comes at once."""
        at = time.monotonic() + seconds
        self._ends_at = at if self._ends_at is None else min(self._ends_at, at)

    @property
    def is_hurried(self) -> bool:
        """Whether somebody waits for this process to end."""
        return self._ends_at is not None

    @contextmanager
    def patiently(self) -> Iterator[None]:
        """Repeat what has no success, for as long as the patience lasts."""
        before, self._patience = self._patience, self.timings.patience
        try:
            yield
        finally:
            self._patience = before

    def get(self, key: str) -> Blob | None:
        """Read an object; raises UnreachableError, StateError."""

        def work() -> Blob | None:
            try:
                result = obstore.get(self._store, key)
            except (NotFoundError, FileNotFoundError):
                return None
            meta = result.meta
            return Blob(
                content=bytes(result.bytes()),
                version=_version(meta["e_tag"], meta["version"]),
                modified=meta["last_modified"],
            )

        return self._ask(work)

    def get_all(self, keys: Sequence[str]) -> list[Blob | None]:
        """Read many objects, some of them at once."""
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as threads:
            return list(threads.map(self.get, keys))

    def put_new(self, key: str, content: bytes) -> UpdateVersion | None:
        """Create an object; None where there is one, which may be this one if an answer was lost.

        Raises UnreachableError where it is not known what became of it.
        """
        try:
            return self._ask(partial(self._put, key, content, "create"), len(content))
        except (AlreadyExistsError, PreconditionError):
            return None

    def put_over(self, key: str, content: bytes, version: UpdateVersion) -> UpdateVersion | None:
        """Replace an object of that version; None where it is another one, or absent.

        It may be this one if an answer was lost. Raises UnreachableError as `put_new` does.
        """
        try:
            return self._ask(partial(self._put, key, content, version), len(content))
        except (AlreadyExistsError, PreconditionError):
            return None

    def names(self, folder: str, after: str = "") -> list[str]:
        """The keys of all objects in a folder that come after another key, in their order."""

        def work() -> list[str]:
            pages = obstore.list(self._store, folder, offset=after or None, chunk_size=1000)
            keys = sorted(meta["path"] for page in pages for meta in page)
            # Azure begins with that key itself, and older servers of its kind at the beginning.
            return keys[bisect_right(keys, after) :]

        return self._ask(work)

    def neighbours(self) -> list[str]:
        """The folders beside this one: the stacks that have a state here."""
        prefix = self.place.prefix
        whole = _connect(self.place, prefix, self.timings)
        result = self._ask(partial(obstore.list_with_delimiter, whole))
        return sorted(result["common_prefixes"])

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, which may be gone already."""
        paths = list(keys)

        def work() -> None:
            try:
                obstore.delete(self._store, paths)
            except (NotFoundError, FileNotFoundError):
                # Google's answer for one that is gone; what came after it was not removed.
                for path in paths:
                    with suppress(NotFoundError, FileNotFoundError):
                        obstore.delete(self._store, path)

        if paths:
            self._ask(work, 1000 * len(paths))

    def _put(
        self, key: str, content: bytes, mode: UpdateVersion | Literal["create"]
    ) -> UpdateVersion:
        put = obstore.put(self._store, key, content, mode=mode, use_multipart=False)
        return _version(put["e_tag"], put["version"])

    def _ask(self, work: Callable[[], T], size: int = 0) -> T:
        """Do something until it has an answer, or the patience is over.

        A condition that does not hold is an answer, raised as the library's own error.
        """
        began = time.monotonic()
        pause = self.timings.first_pause
        told = self._on_wait is None
        while True:
            try:
                return self._attempt(work, self.timings.silence + size / _SLOWEST)
            except (AlreadyExistsError, PreconditionError):
                raise
            except (BaseError, OSError) as error:
                is_late = time.monotonic() + pause > began + self._patience
                if not may_be_repeated(error) or is_late or self._is_over():
                    raise to_error(self.place, error) from error
            if not told and time.monotonic() >= began + self.timings.notice:
                told = True
                if self._on_wait is not None:
                    self._on_wait()
            time.sleep(pause)
            pause = min(2 * pause, self.timings.longest_pause)

    def _attempt(self, work: Callable[[], T], seconds: float) -> T:
        """Do something in a thread that can be left alone: no request can be interrupted."""
        outcome: Future[T] = Future()

        def run() -> None:
            try:
                outcome.set_result(work())
            except BaseException as error:
                outcome.set_exception(error)

        threading.Thread(target=run, name="state-request", daemon=True).start()
        began = time.monotonic()
        while not outcome.done():
            if time.monotonic() >= self._limit(began, seconds):
                raise TimeoutError("it did not answer in time")
            wait([outcome], _POLL)
        return outcome.result()

    def _limit(self, began: float, seconds: float) -> float:
        """The moment at which a wait ends that began at another one."""
        end = began + seconds
        return end if self._ends_at is None else min(end, max(self._ends_at, began + _GRACE))

    def _is_over(self) -> bool:
        return self._ends_at is not None and time.monotonic() >= self._ends_at


def _version(tag: str | None, version: str | None) -> UpdateVersion:
    """What a write over an object has to name; some stores have one of the two, some have both."""
    known: UpdateVersion = {}
    if tag is not None:
        known["e_tag"] = tag
    if version is not None:
        known["version"] = version
    return known


def endpoint_of(place: ObjectPlace) -> str:
    """The server that the environment names for this kind of storage; empty for the cloud's own."""
    names = (os.environ.get(name) for name in _ENDPOINTS[place.scheme])
    return next((name for name in names if name), "")


def _connect(place: ObjectPlace, folder: str, timings: Timings) -> ObjectStore:
    """A client for a folder; credentials and servers come from the environment."""
    # Repeats are ours: the library's own would hide how long nothing was heard.
    retry: RetryConfig = {"max_retries": 0, "retry_timeout": timedelta(seconds=timings.patience)}
    options: ClientConfig = {
        "connect_timeout": timedelta(seconds=timings.connect),
        # A limit above ours, so that no request that was left alone stays for ever.
        "timeout": timedelta(seconds=timings.patience),
        "user_agent": "workload-reconciler",
        # Whoever sets a server without TLS means it: no address of a state can.
        "allow_http": endpoint_of(place).startswith("http://"),
    }
    match place.scheme:
        case "s3":
            config: S3Config = {"region": place.region} if place.region else {}
            return S3Store(
                place.bucket,
                prefix=folder or None,
                config=config,
                client_options=options,
                retry_config=retry,
            )
        case "gs":
            tokens = [os.environ[name] for name in _GOOGLE_TOKENS if os.environ.get(name)]
            return GCSStore(
                place.bucket,
                prefix=folder or None,
                config={"bearer_token": tokens[0]} if tokens else {},
                client_options=options,
                retry_config=retry,
            )
        case _:
            return AzureStore(
                place.bucket, prefix=folder or None, client_options=options, retry_config=retry
            )
