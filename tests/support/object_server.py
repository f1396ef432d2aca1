"""A small, strict server of objects in the dialects of S3, Google and Azure, with faults on demand.

It shares no code with the client. Conditions are judged under one lock, so that of two writes at
once exactly one is first.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import re
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "team-states"
KEY_ID, SECRET = "AKIDTEST", "of-no-use-elsewhere"
TOKEN = "a-token-of-google"
_PAGE = 1000


@dataclass(kw_only=True)
class Stored:
    """One object."""

    content: bytes
    tag: str
    generation: int
    modified: datetime


@dataclass(kw_only=True)
class Fault:
    """What happens to requests of a method for keys that match, from the one of that number on.

    `kind` is `lost` (carried out, and the connection cut before the answer), `unheard` (cut
    before), `busy` (503) or `slow` (carried out after `seconds`, whoever still waits for it).
    """

    kind: str
    method: str = "PUT"
    key: str = "/log/"
    number: int = 1
    times: int = 1
    seconds: float = 0.0

    def strikes(self, method: str, key: str) -> bool:
        """Whether it is the turn of this request."""
        if self.times == 0 or method != self.method or not re.search(self.key, key):
            return False
        self.number -= 1
        if self.number > 0:
            return False
        self.number, self.times = 1, self.times - 1
        return True


@dataclass(kw_only=True)
class ObjectServer:
    """The objects of all buckets, by bucket and key.

    `ignores` names conditions that are not kept, `ahead` is how many seconds its clock goes ahead,
    `requests` has method and key of all that was heard. A `gone` server cuts every connection, a
    `silent` one does not answer before it is not silent any more.
    """

    objects: dict[str, Stored] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    ignores: set[str] = field(default_factory=set)
    buckets: set[str] = field(default_factory=lambda: {BUCKET})
    may_write: bool = True
    delay: float = 0.0
    ahead: float = 0.0
    gone: bool = False
    silent: bool = False
    has_tls: bool = False
    port: int = 0
    lock: Any = field(default_factory=threading.Lock)
    generations: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def endpoint(self) -> str:
        """The address of the server."""
        return f"{'https' if self.has_tls else 'http'}://127.0.0.1:{self.port}"

    def url(self, folder: str = "", scheme: str = "s3") -> str:
        """Where a state is, as `--state` takes it."""
        return f"{scheme}://{BUCKET}{'/' if folder else ''}{folder}"

    def environment(self) -> dict[str, str]:
        """What the cloud's own tools would read, for each of the three."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "GOOGLE_BASE_URL": self.endpoint,
            "GOOGLE_OAUTH_ACCESS_TOKEN": TOKEN,
            "AZURE_STORAGE_ENDPOINT": self.endpoint,
            "AZURE_STORAGE_ACCOUNT_NAME": "team",
            "AZURE_STORAGE_ACCOUNT_KEY": "b2Ytbm8tdXNl",
        }

    def keys(self, folder: str = "") -> list[str]:
        """The keys of all objects whose name begins like this, without their bucket."""
        with self.lock:
            return sorted(
                key.partition("/")[2]
                for key in self.objects
                if key.startswith(f"{BUCKET}/{folder}")
            )

    def count(self, method: str, key: str = "") -> int:
        """How many requests of a method were heard for keys that match."""
        return sum(one == method and bool(re.search(key, name)) for one, name in self.requests)

    def now(self) -> datetime:
        """The server's clock."""
        return datetime.now(UTC) + timedelta(seconds=self.ahead)


class _Cut(Exception):  # noqa: N818 - no error: the connection is cut on purpose
    """The connection is cut without an answer."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    state: ObjectServer

    def setup(self) -> None:
        """Answer at once: a small answer would wait for the next one."""
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def handle(self) -> None:
        """Serve until the connection is cut, from whichever side."""
        with contextlib.suppress(_Cut, OSError):
            super().handle()

    def do_GET(self) -> None:
        """Read, or list."""
        self._serve("GET")

    def do_HEAD(self) -> None:
        """Read without the content."""
        self._serve("HEAD")

    def do_PUT(self) -> None:
        """Write."""
        self._serve("PUT")

    def do_DELETE(self) -> None:
        """Remove."""
        self._serve("DELETE")

    def do_POST(self) -> None:
        """Remove many at once."""
        self._serve("POST")

    def _serve(self, method: str) -> None:
        server = self.state
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        query = {
            name: values[0]
            for name, values in parse_qs(parts.query, keep_blank_values=True).items()
        }
        while server.silent and not server.gone:
            time.sleep(0.01)
        if server.gone:
            raise _Cut
        with server.lock:
            server.requests.append((method, f"{bucket}/{key}"))
            fault = next((one for one in server.faults if one.strikes(method, f"/{key}")), None)
        kind = fault.kind if fault else ""
        if kind == "unheard":
            raise _Cut
        if kind == "busy":
            self._answer(503, _error("SlowDown"))
            return
        time.sleep(server.delay + (fault.seconds if fault else 0.0))
        status, content, headers = self._decide(method, bucket, key, query, body)
        if kind == "lost":
            raise _Cut
        self._answer(status, content, headers)

    def _decide(
        self, method: str, bucket: str, key: str, query: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes, dict[str, str]]:
        server = self.state
        if (refusal := self._refuse_login(method)) is not None:
            return refusal
        if bucket not in server.buckets:
            return 404, _error("NoSuchBucket"), {}
        with server.lock:
            if method == "POST":
                return self._delete_many(bucket, body.decode())
            if not key:
                return 200, self._list(bucket, query), {"Content-Type": "application/xml"}
            found = server.objects.get(f"{bucket}/{key}")
            if method == "PUT":
                return self._write(f"{bucket}/{key}", found, body)
            if found is None:
                return 404, _error("NoSuchKey"), {}
            if method == "DELETE":
                del server.objects[f"{bucket}/{key}"]
                return 204, b"", {}
            return 200, found.content, _headers(found)

    def _delete_many(self, bucket: str, body: str) -> tuple[int, bytes, dict[str, str]]:
        """The bulk deletes of S3, and of Azure as requests within a request."""
        if not self.state.may_write:
            return 403, _error("AccessDenied"), {}
        is_azure = "x-ms-version" in self.headers
        pattern = rf"DELETE /{bucket}/(\S+) HTTP" if is_azure else r"<Key>([^<]+)</Key>"
        names = [unquote(name) for name in re.findall(pattern, body)]
        found = [self.state.objects.pop(f"{bucket}/{name}", None) for name in names]
        if not is_azure:
            deleted = "".join(f"<Deleted><Key>{escape(name)}</Key></Deleted>" for name in names)
            return 200, f"<DeleteResult>{deleted}</DeleteResult>".encode(), {}
        parts = "".join(
            "--batch\r\nContent-Type: application/http\r\n"
            f"Content-ID: {number}\r\n\r\nHTTP/1.1 {'202 Accepted' if one else '404 Not Found'}\r\n"
            "x-ms-request-id: 1\r\n\r\n"
            for number, one in enumerate(found)
        )
        return (
            202,
            f"{parts}--batch--\r\n".encode(),
            {"Content-Type": "multipart/mixed; boundary=batch"},
        )

    def _refuse_login(self, method: str) -> tuple[int, bytes, dict[str, str]] | None:
        login = self.headers.get("Authorization", "")
        if login.startswith("AWS4-HMAC-SHA256"):
            if f"Credential={KEY_ID}/" not in login:
                return 403, _error("InvalidAccessKeyId"), {}
        elif login.startswith("Bearer"):
            if login != f"Bearer {TOKEN}":
                return 401, _error("AuthenticationFailed"), {}
        elif not login.startswith("SharedKey team:"):
            return 403, _error("AccessDenied"), {}
        if method in ("PUT", "DELETE") and not self.state.may_write:
            return 403, _error("AccessDenied"), {}
        return None

    def _write(
        self, name: str, found: Stored | None, body: bytes
    ) -> tuple[int, bytes, dict[str, str]]:
        server = self.state
        ignored = server.ignores
        if self.headers.get("If-None-Match") == "*" and found and "If-None-Match" not in ignored:
            # Azure has a status of its own for it.
            is_azure = "x-ms-version" in self.headers
            return 409 if is_azure else 412, _error("PreconditionFailed"), {}
        tag = self.headers.get("If-Match")
        if tag is not None and "If-Match" not in ignored and (found is None or found.tag != tag):
            return 412, _error("PreconditionFailed"), {}
        wanted = self.headers.get("x-goog-if-generation-match")
        if wanted is not None and int(wanted) != (found.generation if found else 0):
            return 412, _error("PreconditionFailed"), {}
        stored = Stored(
            content=body,
            # As S3 does where nothing is encrypted by a key of its customer: equal for equal ones.
            tag=f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"',
            generation=next(server.generations),
            modified=server.now(),
        )
        server.objects[name] = stored
        return 201 if "x-ms-version" in self.headers else 200, b"", _headers(stored)

    def _list(self, bucket: str, query: Mapping[str, str]) -> bytes:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("start-after", "")
        after = max(after, query.get("continuation-token", ""), query.get("marker", ""))
        begin = query.get("startFrom", "")
        names = sorted(
            name.partition("/")[2]
            for name in self.state.objects
            if name.startswith(f"{bucket}/{prefix}")
            and name.partition("/")[2] > after
            and name.partition("/")[2] >= begin
        )
        folders: set[str] = set()
        if delimiter:
            deeper = [name for name in names if delimiter in name[len(prefix) :]]
            folders = {
                prefix + name[len(prefix) :].partition(delimiter)[0] + delimiter for name in deeper
            }
            names = [name for name in names if name not in set(deeper)]
        page, more = names[:_PAGE], len(names) > _PAGE
        if "comp" in query:
            return self._azure_list(bucket, page, folders, page[-1] if more else "")
        found = [(name, self.state.objects[f"{bucket}/{name}"]) for name in page]
        items = "".join(
            f"<Contents><Key>{escape(name)}</Key><Size>{len(one.content)}</Size>"
            f"<LastModified>{one.modified.isoformat()}</LastModified><ETag>{escape(one.tag)}</ETag>"
            "</Contents>"
            for name, one in found
        )
        items += "".join(
            f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>"
            for one in sorted(folders)
        )
        token = f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if more else ""
        return (
            f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{items}"
            "</ListBucketResult>"
        ).encode()

    def _azure_list(self, bucket: str, page: list[str], folders: set[str], marker: str) -> bytes:
        found = [(name, self.state.objects[f"{bucket}/{name}"]) for name in page]
        items = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties>"
            f"<Last-Modified>{format_datetime(one.modified, usegmt=True)}</Last-Modified>"
            f"<Content-Length>{len(one.content)}</Content-Length>"
            f"<Content-Type>application/octet-stream</Content-Type><Etag>{escape(one.tag)}</Etag>"
            "<ResourceType>file</ResourceType></Properties></Blob>"
            for name, one in found
        )
        items += "".join(
            f"<BlobPrefix><Name>{escape(one)}</Name></BlobPrefix>" for one in sorted(folders)
        )
        return (
            f"<EnumerationResults><Blobs>{items}</Blobs><NextMarker>{marker}</NextMarker>"
            "</EnumerationResults>"
        ).encode()

    def _answer(
        self, status: int, content: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _headers(stored: Stored) -> dict[str, str]:
    return {
        "ETag": stored.tag,
        "x-goog-generation": str(stored.generation),
        "Last-Modified": format_datetime(stored.modified, usegmt=True),
    }


def _error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>as asked for</Message></Error>".encode()


@contextlib.contextmanager
def running_objects(tls: ssl.SSLContext | None = None) -> Iterator[ObjectServer]:
    """A new server without objects; with `tls` it speaks nothing else."""
    server = ObjectServer(has_tls=tls is not None)
    handler = type("Handler", (_Handler,), {"state": server})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listener:
        listener.daemon_threads = True
        if tls is not None:
            listener.socket = tls.wrap_socket(listener.socket, server_side=True)
        server.port = listener.server_address[1]
        threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server
        finally:
            server.gone = True
            listener.shutdown()


def main() -> None:
    """A server as a process of its own: `SECONDS` of delay for each request.

    It tells its endpoint, and how many requests of which kind there were once its input ends.
    """
    with running_objects() as server:
        server.delay = float(sys.argv[1])
        sys.stdout.write(f"{server.endpoint}\n")
        sys.stdout.flush()
        # Whoever has started it closes this when done.
        sys.stdin.read()
        kinds = Counter(f"{method} {_folder(name)}" for method, name in server.requests)
        sys.stdout.write(json.dumps(kinds))


def _folder(name: str) -> str:
    """The folder of an object within its state; a request for the whole bucket has none."""
    *parts, last = name.split("/")
    return last if last in ("", "lease") else parts[-1]


if __name__ == "__main__":
    main()
