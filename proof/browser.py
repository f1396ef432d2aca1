"""A headless Chromium driven through its debugging pipe: what a page is, does and asks for."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from select import select
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
TIMEOUT = 60.0


class BrowserError(Exception):
    """There is no browser, or it does not do what it should."""


def find_browser() -> str:
    """Where a Chromium is; raises BrowserError where there is none."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    raise BrowserError(
        f"no browser was found (looked for {', '.join(NAMES)}); on Debian: apt install chromium"
    )


@dataclass(kw_only=True)
class Heard:
    """What happened while a page was looked at."""

    console: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


class Page:
    """One tab, and everything that it said."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader, self._writer = reader, writer
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        self.heard = Heard()

    def attach(self) -> None:
        """Open a tab and listen to everything that happens in it."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.call(f"{domain}.enable")

    def show(self, url: str) -> None:
        """Load a page and wait until it is there and whatever it started had time to happen."""
        self.heard = Heard()
        self.call("Page.navigate", url=url)
        self._wait_for("Page.loadEventFired")
        self.evaluate("new Promise(done => setTimeout(done, 300))")

    def look(self, *, width: int, dark: bool = False, media: str = "") -> None:
        """Be a screen of that width in CSS pixels, in light or dark, or paper."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page, whatever the page itself may run."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression[:60]}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press and release a key; `text` is what it types."""
        named: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        typed = {"text": text} if text else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **named, **typed)
        self.call("Input.dispatchKeyEvent", type="keyUp", **named)

    def screenshot(self, path: Path) -> None:
        """Write a picture of the whole page, as PNG."""
        taken = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(taken["data"]))

    def print(self, path: Path) -> None:
        """Write the page as it comes out of a printer, as PDF."""
        printed = self.call("Page.printToPDF", preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(printed["data"]))

    def call(self, method: str, **params: Any) -> Any:
        """Ask the browser for something; raises BrowserError where it refuses or is silent."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def _wait_for(self, method: str) -> None:
        while self._receive().get("method") != method:
            pass

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            if not select([self._reader], [], [], TIMEOUT)[0]:
                raise BrowserError(f"the browser said nothing for {TIMEOUT:g} s")
            chunk = os.read(self._reader, 1 << 20)
            if not chunk:
                raise BrowserError("the browser is gone")
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._note(message)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case "Log.entryAdded":
                self.heard.console.append(params["entry"]["text"])
            case "Runtime.consoleAPICalled":
                self.heard.console.append(str(params["args"]))
            case "Runtime.exceptionThrown":
                self.heard.console.append(params["exceptionDetails"]["text"])
            case "Page.javascriptDialogOpening":
                self.heard.dialogs.append(params["message"])
                # Nobody waits for an answer: the call that is being made is answered after it.
                self._dismiss()
            case "Network.requestWillBeSent":
                self.heard.requests.append(params["request"]["url"])
            case _:
                pass

    def _dismiss(self) -> None:
        closing: dict[str, Any] = {
            "id": 0,
            "method": "Page.handleJavaScriptDialog",
            "params": {"accept": False},
            "sessionId": self._session,
        }
        os.write(self._writer, json.dumps(closing).encode() + b"\0")


@contextmanager
def browser() -> Iterator[Page]:
    """A tab of a browser of its own, with a profile that is gone afterwards."""
    program = find_browser()
    to_browser, from_us = os.pipe()
    to_us, from_browser = os.pipe()
    # Helpers of the browser may write to its profile for a moment longer than it lives.
    with tempfile.TemporaryDirectory(prefix="reconciler-", ignore_cleanup_errors=True) as name:
        process = _start(program, name, to_browser, from_browser)
        os.close(to_browser)
        os.close(from_browser)
        page = Page(to_us, from_us)
        try:
            page.attach()
            yield page
        finally:
            with suppress(BrowserError, OSError):
                page.call("Browser.close")
            os.close(from_us)
            os.close(to_us)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(program: str, profile: str, reader: int, writer: int) -> subprocess.Popen[bytes]:
    """The debugging pipe is file descriptors 3 and 4, which a shell puts in place."""
    shuffle = f'exec "$@" 3<&{reader} 4>&{writer}'
    command = [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    return subprocess.Popen(
        ["/bin/sh", "-c", shuffle, "sh", *command],
        pass_fds=(reader, writer),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
