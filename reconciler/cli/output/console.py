"""The only place that prints: results to standard output, everything else beside them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from reconciler.app.refused import GuardError
from reconciler.app.repositories import InvalidSpecsError
from reconciler.cli.appended_file import AppendedFile
from reconciler.cli.invocation import current_commands
from reconciler.cli.options import OutputOptions
from reconciler.cli.params import Output
from reconciler.core.diagnostics import Diagnostic, up_to_error
from reconciler.errors import ReconcilerError
from reconciler.report.text.color import ColorWriter
from reconciler.report.text.formatting import wrap_words
from reconciler.report.text.text import Text


def _escape_html(text: str) -> str:
    # Only here: it loads the names of all characters, and most results are no pages.
    import html

    return html.escape(text)


# How a text is written inside a string of a format; the others take it as it is.
ESCAPES: Mapping[str, Callable[[str], str]] = {
    "html": _escape_html,
    **dict.fromkeys(
        ("json", "ndjson", "sarif", "gitlab", "gitlab-plan"), lambda text: json.dumps(text)[1:-1]
    ),
}


class Console:
    """Where the results of one command go, and how they look there.

    Each command that is named in them is completed, so that it can be run as it stands.

    A reader that went away is noticed once and then left alone. An output that cannot be written
    is an error, unless the console is `lenient`: then it stops neither work nor another output.
    Formats `beside` the result go to standard error, so that another one can have standard output.
    """

    def __init__(
        self,
        options: OutputOptions | None = None,
        *,
        default: str = "text",
        lenient: bool = False,
        beside: Collection[str] = (),
    ) -> None:
        options = options or OutputOptions()
        self.outputs = options.outputs
        # What goes beside a result is none: the default format is still expected.
        if all(output.format in beside for output in self.outputs):
            self.outputs += (Output(default),)
        self._formats = frozenset(output.format for output in self.outputs)
        results = [output for output in self.outputs if output.format not in beside]
        if sum(output.path is None for output in results) > 1:
            raise click.UsageError(
                "only one format can go to standard output; give the others a file (-o FORMAT=PATH)"
            )
        self.quiet = options.quiet
        self.verbose = options.verbose
        self.losses: dict[Path | None, str] = {}
        """Why an output could not be written in full, by its file; None is standard output."""
        self._color = options.color
        self._lenient = lenient
        self._beside = beside
        self._has_reader = True
        self._files: dict[Path, AppendedFile] = {}
        self._colours: dict[int, bool] = {}
        self._terminals: dict[int, bool] = {}

    def text(
        self, prefix: str = "", *, err: bool = False, now: datetime | None = None, state: str = ""
    ) -> Text:
        """A renderer for people, coloured as its stream allows; `now` lets it tell ages."""
        stream = sys.stderr if err else sys.stdout
        return Text(colour=self._wants_colour(stream), prefix=prefix, now=now, state=state)

    def paint(self) -> ColorWriter:
        """The colours of standard output."""
        return ColorWriter(colour=self._wants_colour(sys.stdout))

    def width(self) -> int | None:
        """The columns that a table may have; None where nobody reads it on a terminal."""
        return _columns() if sys.stdout.isatty() else None

    @property
    def has_reader(self) -> bool:
        """Whether standard output is still read, as far as anything was written to it."""
        return self._has_reader

    def _wants_colour(self, stream: Any) -> bool:
        # Asked once for each stream: there may be thousands of lines.
        if id(stream) not in self._colours:
            self._colours[id(stream)] = wants_colour(self._color, stream)
        return self._colours[id(stream)]

    def has(self, name: str) -> bool:
        """Whether a format goes to standard output."""
        return any(output.format == name and output.path is None for output in self.outputs)

    def wants(self, name: str) -> bool:
        """Whether a format was asked for, wherever it goes."""
        return name in self._formats

    def emit(self, name: str, render: Callable[[], str]) -> None:
        """Give a finished result to every output of that format."""
        for output in self.outputs:
            if output.format == name:
                result = current_commands().completed(render(), ESCAPES.get(name, str))
                if output.path is None:
                    self._print(result, err=name in self._beside)
                else:
                    # A file is read by programs, unless somebody wants colours in it.
                    text = result if self._color == "always" else click.unstyle(result)
                    try:
                        with explained_writing(output.path):
                            output.path.write_text(f"{text}\n", encoding="utf-8")
                    except ReconcilerError as error:
                        if not self._lenient:
                            raise
                        self.losses.setdefault(output.path, error.message)

    def stream(self, name: str, text: str) -> None:
        """Give a part of a result to every output of that format, while the work goes on.

        A file that cannot be written stops no work: the loss is told at the end.
        """
        text = current_commands().completed(text, ESCAPES.get(name, str))
        for output in self.outputs:
            if output.format != name:
                continue
            if output.path is None:
                self._print(text, err=False)
                continue
            if output.path not in self._files:
                self._files[output.path] = AppendedFile(output.path)
            line = text if self._color == "always" else click.unstyle(text)
            try:
                self._files[output.path].write(f"{line}\n".encode())
            except OSError as error:
                self.losses.setdefault(output.path, _unwritten(output.path, error))

    def check_files(self) -> None:
        """Raise ReconcilerError for a file that cannot be written, before there is anything to."""
        for output in self.outputs:
            if output.path is not None:
                with explained_writing(output.path), output.path.open("a"):
                    pass

    def line(self, text: str) -> None:
        """A line of a result."""
        self._print(current_commands().completed(text), err=False)

    def note(self, text: str) -> None:
        """A line about the work, which is not its result."""
        if not self.quiet:
            self._print(current_commands().completed(text), err=True)

    def warn(self, text: str) -> None:
        """A line that is shown even when quiet."""
        self._print(current_commands().completed(text), err=True)

    def diagnostics(self, diagnostics: Sequence[Diagnostic], prefix: str) -> None:
        """Diagnostics, beside the result."""
        if diagnostics:
            self.warn(self.text(prefix, err=True).diagnostics(diagnostics))

    def _print(self, text: str, *, err: bool) -> None:
        # Work goes on after its reader has left (`| head`), without an error for each line.
        if not self._has_reader and not err:
            return
        stream = sys.stderr if err else sys.stdout
        if id(stream) not in self._terminals:
            self._terminals[id(stream)] = stream.isatty()
        if self._terminals[id(stream)]:
            text = wrap_words(text, _columns())
        try:
            # Click would take the colours away again wherever there is no terminal.
            click.echo(text, err=err, color=True)
        except OSError as error:
            self._has_reader = self._has_reader and err
            if err or isinstance(error, BrokenPipeError):
                return
            self.losses.setdefault(None, _unwritten("standard output", error))
            if not self._lenient:
                raise ReconcilerError(
                    self.losses[None], hint="what was printed is not the whole result"
                ) from error


@contextmanager
def explained_writing(path: Path) -> Iterator[None]:
    """Raise ReconcilerError in the place of what the file system says."""
    try:
        yield
    except OSError as error:
        raise ReconcilerError(_unwritten(path, error), hint="check -o") from error


def _unwritten(output: Path | str, error: OSError) -> str:
    return f"{output} cannot be written: {error.strerror or error}"


def _columns() -> int:
    # Only here: it loads every kind of archive, and a pipe has no columns.
    from shutil import get_terminal_size

    return get_terminal_size().columns


def wants_colour(choice: str, stream: Any) -> bool:
    """--color, then NO_COLOR, then FORCE_COLOR or CLICOLOR_FORCE, then whether it is a terminal."""
    if choice != "auto":
        return choice == "always"
    # By no-color.org a variable that is set and empty counts for nothing.
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE"):
        return True
    return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"


def explain(error: ReconcilerError) -> None:
    """Say what ended a command: its message, its diagnostics, its way out."""
    console = Console()
    text = console.text(err=True)
    match error:
        case InvalidSpecsError(diagnostics=diagnostics, prefix=prefix, max_errors=max_errors):
            shown = up_to_error(diagnostics, max_errors)
            console.diagnostics(shown, prefix)
            if hidden := len(diagnostics) - len(shown):
                console.note(hidden_findings(hidden))
            console.warn(text.error(error))
        case GuardError(refusals=refusals):
            console.warn(text.refusals(refusals))
        case _:
            console.warn(text.error(error))


def hidden_findings(count: int) -> str:
    """That so many findings are known, and left out of what is shown."""
    return f"{count} more findings are not shown (--max-errors)"


def utc_now() -> str:
    """The time of a line that somebody reads later."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
