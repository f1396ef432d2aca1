"""The HTML pages in a real browser: nothing in them runs, loads, hides or shuts anybody out.

Run it as `python -m proof.pages`; it needs a Chromium or Chrome on PATH. Every word that a spec, a
server or a user can put into a page is replaced by one that tries to become markup; the page must
be built like one with an ordinary word. A page that does let them through is shown first: what
the browser does not notice there, it would not notice anywhere.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from proof.browser import BrowserError, Page, browser
from tests.support.hostile import pages_of

HARMLESS = "word"
READABLE = 4.5
_INJECTED = (
    "<script>document.documentElement.dataset.ran=1;alert('ran')</script>",
    "</style></title></pre></svg><script src=TRAP/script.js></script>",
    '"><img src=TRAP/image.png onerror="document.documentElement.dataset.ran=1;alert(\'ran\')">',
    "' autofocus onfocus='alert(1)' style='background:url(TRAP/style.png)",
    "<svg onload=alert(1)><style>@import 'TRAP/import.css';*{display:none}</style></svg>",
    "<iframe src=TRAP/frame.html></iframe><object data=TRAP/object></object>",
    "<meta http-equiv=refresh content='0;url=TRAP/refresh'><base href=TRAP/>",
    "<link rel=stylesheet href=TRAP/sheet.css><a href='javascript:alert(1)'>here</a>",
    "<form action=TRAP/form><input name=q><button formaction='javascript:alert(1)'>go</button>",
    "--><!--<![CDATA[]]>&lt;b&gt;&#60;b&#62;&amp;<b>bold</b>",
    "<template shadowrootmode=open><slot></slot></template><noscript><p title='</noscript><b>'>",
    "\u202eright to left\u2066\u200b\ufeff\u2028\u2029\x00\x07\x1b[31m\x85\ud800\udfff",
    "javascript:alert(1)//{{7*7}}${7*7}#{7*7}<%= 7*7 %>",
)
LOOKS = (
    (1280, False, ""),
    (1280, True, ""),
    (390, False, ""),
    (320, True, ""),
    (1280, True, "print"),
)

_QUESTIONS = Path(__file__).with_name("pages.js").read_text(encoding="utf-8")


class Trap(BaseHTTPRequestHandler):
    """Notes whoever asks for anything."""

    caught: list[str] = []  # noqa: RUF012 - the handler's class is all that outlives a request

    def do_GET(self) -> None:
        """Remember it."""
        self.caught.append(self.path)
        self.send_error(404)

    def log_message(self, *_: Any) -> None:
        """Say nothing on standard error."""


@contextmanager
def trap() -> Iterator[str]:
    """A server that nobody should ask; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Trap)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Inspection:
    """Shows pages in one browser and collects what is wrong with them."""

    def __init__(self, page: Page, folder: Path) -> None:
        self._page = page
        self._folder = folder
        self.broken: list[str] = []
        self.shown = 0

    def ask(self, question: str, argument: str = "") -> Any:
        """The answer of the page that is shown to one of the questions in `pages.js`."""
        return self._page.evaluate(f"{_QUESTIONS.rstrip()}.{question}({argument})")

    def show(self, name: str, markup: str) -> None:
        """Load a page from a file, and note what it did, said and asked for."""
        try:
            self._show(name, markup)
        except BrowserError as error:
            # A page that leads away takes the answer to a question with it.
            self.broken.append(f"{name}: cannot be looked at: {error}")

    def _show(self, name: str, markup: str) -> None:
        path = self._folder / "page.html"
        path.write_text(markup, encoding="utf-8")
        Trap.caught.clear()
        self._page.show(path.as_uri())
        self.shown += 1
        heard = self._page.heard
        self._expect(name, "on the console", heard.console)
        self._expect(name, "a dialog", heard.dialogs)
        self._expect(name, "a request", [url for url in heard.requests if url != path.as_uri()])
        self._expect(name, "a visit", Trap.caught)
        self._expect(name, "forbidden", self.ask("forbidden"))
        self._expect(name, "a script ran", ["it left its mark"] if self.ask("ran") else [])

    def compare(self, name: str, markup: str, built: str) -> None:
        """Load a page that should be built in that way."""
        self.show(name, markup)
        try:
            found = self.ask("structure")
        except BrowserError as error:
            found = str(error)
        if found != built:
            self.broken.append(f"{name}: is built differently")

    def look(self, name: str, width: int, dark: bool, media: str) -> float:
        """Check one look of the page that is shown; returns its least contrast."""
        self._page.look(width=width, dark=dark, media=media)
        where = f"{name} at {width} px, {'dark' if dark else 'light'} {media}".rstrip()
        if media == "print":
            self.ask("set", "false")
            shut = self.ask("shut")
            self._expect(where, "still shut on paper", [f"{shut} parts"] if shut else [])
        self.ask("set", "true")
        self._expect(where, "a barrier", self.ask("barriers"))
        excess = self.ask("excess")
        self._expect(where, "too wide", [f"{excess} px"] if excess > 0 and not media else [])
        ratios: dict[str, float] = self.ask("contrast")
        faint = [f"{what} {ratio:.2f}" for what, ratio in ratios.items() if ratio < READABLE]
        self._expect(where, "hard to read", faint)
        return min(ratios.values())

    def walk(self, name: str) -> int:
        """Go through the page with the keyboard alone; returns the number of stops."""
        parts = self.ask("set", "false")
        stops: int = self.ask("stops")
        met, opened = 0, False
        for _ in range(stops):
            self._page.press("Tab", 9)
            met += self.ask("focused")
            if not opened and self.ask("onSummary"):
                self._page.press("Enter", 13, "\r")
                opened = self.ask("opened") == 1
                self.ask("set", "false")
        self._expect(name, "not reached by Tab", [f"{stops - met} stops"] if met < stops else [])
        if parts and not opened:
            self.broken.append(f"{name}: Enter opens nothing")
        return stops

    def _expect(self, name: str, what: str, found: list[Any]) -> None:
        if found:
            self.broken.append(f"{name}: {what}: {'; '.join(map(str, found[:3]))[:300]}")


def check_detection(inspection: Inspection, words: list[str]) -> list[str]:
    """Show a page that lets everything through; returns what went unnoticed there."""
    inspection.show("unsafe", "<!doctype html><title>x</title>" + "".join(words[:6]))
    noticed = "\n".join(inspection.broken)
    inspection.broken.clear()
    return [
        f"the browser did not notice {what} on a page without protection"
        for what in ("a dialog", "a request", "a visit", "forbidden", "a script ran")
        if what not in noticed
    ]


def check_policy(inspection: Inspection, words: list[str], markup: str) -> list[str]:
    """Put the same words unescaped into a page of ours: its policy alone has to hold."""
    head, end, tail = markup.partition("</main>")
    inspection.show("unescaped", head + words[0] + words[2] + end + tail)
    noticed, inspection.broken = "\n".join(inspection.broken), []
    found = [
        f"the policy let through {what}"
        for what in ("a dialog", "a visit", "a script ran")
        if what in noticed
    ]
    if "on the console" not in noticed:
        found.append("the browser did not say that it refused what the policy forbids")
    return found


def inspect_all(page: Page, folder: Path, count: int) -> tuple[list[str], str]:
    """Every check; returns what was broken and what was done in figures."""
    with trap() as address:
        words = [word.replace("TRAP", address) for word in _INJECTED]
        inspection = Inspection(page, folder)
        page.look(width=1280)
        harmless = pages_of(HARMLESS)
        broken = check_detection(inspection, words)
        broken += check_policy(inspection, words, harmless["apply"])
        least, stops = 21.0, 0
        for name, markup in harmless.items():
            inspection.show(name, markup)
            built = inspection.ask("structure")
            stops += inspection.walk(name)
            for number, word in enumerate(words):
                what = f"{name} with word {number}"
                inspection.compare(what, pages_of(word)[name], built)
            for large in (pages_of("".join(words))[name], pages_of(HARMLESS, count)[name]):
                inspection.show(f"{name} of {len(large):,} characters", large)
                least = min(least, *(inspection.look(name, *look) for look in LOOKS))
                page.look(width=1280)
    told = (
        f"{inspection.shown} pages, {len(words)} hostile words, {len(LOOKS)} looks, "
        f"{stops} stops of the keyboard, least contrast {least:.2f}"
    )
    return broken + inspection.broken, told


def main() -> int:
    """Inspect every page; 1 on a violation or without a browser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--count", type=int, default=1250, help="eighths of the workloads of a large plan"
    )
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="reconciler-") as name, browser() as page:
            broken, told = inspect_all(page, Path(name), arguments.count)
    except BrowserError as error:
        print(f"the pages were not checked: {error}", file=sys.stderr)
        return 1
    for line in broken[:20]:
        print(line)
    print(f"{told}: {len(broken)} broken promises")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
