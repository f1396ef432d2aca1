"""A sandbox as a process of its own, and questions to it past the product."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

_COMMAND = (sys.executable, "-m", "reconciler", "sandbox", "--port", "0", "--quiet")
_NEEDED = {"RUNAI_BASE_URL", "RUNAI_CLIENT_ID", "RUNAI_CLIENT_SECRET"}


class SandboxError(Exception):
    """A sandbox did not start, or did not end in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A sandbox that listens; `variables` lead a client to it."""

    pid: int
    variables: Mapping[str, str]

    @classmethod
    @contextmanager
    def running(
        cls,
        *options: str,
        environ: Mapping[str, str] | None = None,
        show: Callable[[str], object] | None = None,
    ) -> Iterator[Self]:
        """A sandbox on a free port; it ends with the block. Raises SandboxError."""
        process, variables = start(*options, environ=environ, show=show)
        try:
            yield cls(pid=process.pid, variables=variables)
        finally:
            code = stop(process)
        if code:
            raise SandboxError(f"the sandbox ended with {code}")

    @property
    def url(self) -> str:
        """Its base URL."""
        return self.variables["RUNAI_BASE_URL"]

    def ask(self, path: str, value: Any = None, *, method: str = "", token: str = "") -> Any:
        """One request, a POST where it has a value to send; returns the answer's document."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(  # noqa: S310 - the sandbox on loopback
            self.url + path,
            data=None if value is None else json.dumps(value).encode(),
            headers=headers,
            method=method or ("GET" if value is None else "POST"),
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            return json.load(answer)

    def log_in(self) -> str:
        """A token of the demo client."""
        login = {
            "grantType": "client_credentials",
            "clientID": self.variables["RUNAI_CLIENT_ID"],
            "clientSecret": self.variables["RUNAI_CLIENT_SECRET"],
        }
        token: str = self.ask("/api/v1/token", login)["accessToken"]
        return token

    def live_ids(self) -> list[str]:
        """The ids of the workloads that the server itself lists."""
        token, offset, found = self.log_in(), 0, list[str]()
        while True:
            page = self.ask(f"/api/v1/workloads?limit=500&offset={offset}", token=token)
            found += (item["id"] for item in page["workloads"])
            if not page.get("next"):
                return found
            offset = page["next"]


def start(
    *options: str,
    environ: Mapping[str, str] | None = None,
    show: Callable[[str], object] | None = None,
) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """A sandbox process that is ready, and the variables that lead to it.

    `show` is given every line that says where it listens. Raises SandboxError.
    """
    process = subprocess.Popen(
        [*_COMMAND, *options], env=environ, text=True, stdout=subprocess.PIPE
    )
    found: dict[str, str] = {}
    for line in process.stdout or ():
        if show is not None:
            show(line)
        if match := re.fullmatch(r"export (\w+)=(.+)\n", line):
            found[match[1]] = match[2]
        if found.keys() >= _NEEDED:
            return process, found
    process.communicate()
    raise SandboxError(f"the sandbox did not start: it ended with {process.returncode}")


def stop(process: subprocess.Popen[str]) -> int:
    """End a sandbox as a service manager would; returns its exit code."""
    process.terminate()
    code = process.wait(timeout=30)
    if process.stdout is not None:
        process.stdout.close()
    return code
