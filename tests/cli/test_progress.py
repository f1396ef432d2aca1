"""What is seen of an apply while it goes on: drawn on a terminal, line by line elsewhere."""

from __future__ import annotations

import io
import os
import pty
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from reconciler.cli.live.apply_reporter import ApplyReporter
from reconciler.cli.live.heartbeat import Heartbeat
from reconciler.cli.live.live_view import DRAWS_PER_SECOND, LiveView
from reconciler.cli.options import OutputOptions
from reconciler.cli.output.console import Console
from reconciler.cli.params import Output
from reconciler.core.history.events import ActionEnded, ActionStarted
from reconciler.core.history.outcome import Failed, Succeeded
from tests.cli.conftest import PROGRAM
from tests.cli.repositories import new_project, spec, write_specs
from tests.support.factories import NOW, make_address
from tests.support.sandboxes import Sandbox

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Terminal(io.StringIO):
    """A terminal of a given width that remembers everything."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def view(lines: list[str], width: int = 60) -> tuple[LiveView, Terminal]:
    """A live view on a terminal that nobody sees."""
    stream = Terminal()
    console = RichConsole(
        file=stream, width=width, height=20, force_terminal=True, legacy_windows=False
    )
    return LiveView(lambda: lines, console), stream


def test_a_live_view_draws_below_what_is_printed() -> None:
    """Printed lines keep their colours and stay; what is drawn is gone at the end."""
    live, stream = view(["one", "two"])
    with live:
        live.print("\x1b[32mcreated\x1b[0m  1/a")
        live.draw()
        assert stream.getvalue().endswith("one\ntwo")
    written = stream.getvalue()
    assert written.startswith(HIDE)
    assert "\x1b[32mcreated\x1b[0m  1/a\n" in written
    assert SHOW in written
    assert written.rpartition("two")[2].count("\x1b[2K") >= 2


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_drawn_line_never_wraps(width: int) -> None:
    """A line that wraps would not be erased as a whole."""
    live, stream = view(["x" * 300, "short"], width)
    with live:
        live.draw()
    drawn = re.findall(r"x+…?", stream.getvalue())
    assert {len(line) for line in drawn} == {width}


def test_drawing_keeps_its_own_pace() -> None:
    """Ten thousand events are a few drawings: none of them is drawn on its own."""
    drawn = threading.Event()
    count = [0]

    def lines() -> list[str]:
        count[0] += 1
        drawn.set()
        return ["line"]

    stream = Terminal()
    console = RichConsole(file=stream, width=60, height=20, force_terminal=True)
    with LiveView(lines, console) as live:
        for number in range(10_000):
            live.print(f"created   1/w{number}")
    # One at the end, and one for each quarter of a second that printing them took.
    assert count[0] <= 1 + DRAWS_PER_SECOND * 5
    assert stream.getvalue().count("created   1/w") == 10_000


def test_a_terminal_that_went_away_stops_nothing() -> None:
    """Not the work, and not its end."""

    class Gone(Terminal):
        def write(self, text: str) -> int:
            raise OSError(5, f"Input/output error, {len(text)} characters")

    with LiveView(lambda: ["x"], RichConsole(file=Gone(), force_terminal=True)) as live:
        live.print("line")


BEGUN = ActionStarted(at=NOW, address=make_address("1/a"), action="create", id="i")
ENDED = ActionEnded(at=NOW, address=make_address("1/a"), action="create", outcome=Succeeded(id="i"))


def test_without_a_terminal_every_end_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is drawn."""
    with ApplyReporter(Console()) as reporter:
        reporter.begin(1)
        reporter.say(BEGUN)
        reporter.say(ENDED)
    assert capsys.readouterr() == ("created   1/a  i\n", "")


FAILED = ActionEnded(
    at=NOW, address=make_address("1/a"), action="create", outcome=Failed(message="no quota")
)


def test_what_went_wrong_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """At the end by whoever concludes; at once where nobody does, or where more is asked for."""
    told = []
    for reporter in (
        ApplyReporter(Console(), concludes=True),
        ApplyReporter(Console()),
        ApplyReporter(Console(OutputOptions(verbose=True)), concludes=True),
    ):
        with reporter:
            reporter.say(FAILED)
        told.append(capsys.readouterr().out)
    whole = "failed    1/a  no quota\n"
    assert told == ["failed    1/a\n", whole, whole]


def test_what_went_wrong_is_told_where_a_run_never_ends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The run itself fails: nobody is left to conclude it."""

    def end_early() -> None:
        with ApplyReporter(Console(), concludes=True) as reporter:
            reporter.say(FAILED)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        end_early()
    assert capsys.readouterr().out == "failed    1/a\nfailed    1/a  no quota\n"


def test_a_document_in_a_file_has_its_outcomes_too(tmp_path: Path) -> None:
    """Where a format goes does not decide what is in it."""
    with ApplyReporter(
        Console(OutputOptions(outputs=(Output("json", tmp_path / "a.json"),)))
    ) as reporter:
        reporter.say(ENDED)
    assert reporter.ended == [ENDED]


def test_the_pulse_knows_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """A build system that sees a line now and then also sees that something moves."""
    reporter = ApplyReporter(Console())
    reporter.begin(3)
    reporter.say(ENDED)
    heartbeat = reporter.heartbeat
    heartbeat.beat()
    heartbeat.silent = True
    heartbeat.beat()
    waiting = Heartbeat(Console(), "reading what is recorded")
    waiting.beat()
    assert capsys.readouterr().err == (
        "still applying: 1 of 3 done\nstill reading what is recorded\n"
    )


@pytest.fixture(scope="module")
def stuck_server() -> Iterator[Mapping[str, str]]:
    """A sandbox that accepts at once and never gets around to syncing."""
    with Sandbox.running("--sync-delay", "1h") as server:
        yield server.variables


def read_until(terminal: int, words: str) -> str:
    """Read what is shown until it has these words, or until the terminal closes."""
    shown = ""
    with suppress(OSError):
        while words not in shown and (more := os.read(terminal, 4096)):
            shown += more.decode(errors="replace")
    return shown


@pytest.mark.parametrize("numbers", [[signal.SIGINT, signal.SIGINT], [signal.SIGTERM]])
def test_a_stopped_apply_gives_the_terminal_back(
    tmp_path: Path, stuck_server: Mapping[str, str], numbers: list[signal.Signals]
) -> None:
    """The cursor that was hidden is shown again, also after a second signal."""
    folder = write_specs(tmp_path / "w", spec("one", new_project()))
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [str(PROGRAM), "apply", str(folder), "--yes", "--init"],
        env=os.environ | dict(stuck_server) | {"TERM": "xterm", "COLUMNS": "80"},
        stdout=inside,
        stderr=inside,
        start_new_session=True,
    )
    os.close(inside)
    shown = read_until(terminal, "1 under way")
    for number in numbers:
        process.send_signal(number)
    shown += read_until(terminal, "nothing has these words")
    os.close(terminal)
    assert process.wait(timeout=10) == 128 + numbers[0]
    assert "1 under way, 0 waiting" in shown
    assert shown.rindex(SHOW) > shown.rindex(HIDE)
