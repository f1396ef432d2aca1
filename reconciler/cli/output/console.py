"""The only place that prints: results to standard output, everything else beside them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.params import Output
from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from datetime import datetime

    from reconciler.core.diagnostics import Diagnostic
    from reconciler.report.text.color import ColorWriter
    from reconciler.report.text.text import Text


class Console:
    """Where the results of one command go, and how they look there.

    A reader that went away is noticed once and then left alone. A full standard output is an
    error, unless the console is `lenient`: then it never stops work that is under way.
    Formats `beside` the result go to standard error, so that another one can have standard output.
    """

    def __init__(
        self,
        *,
        outputs: Sequence[Output] = (),
        color: str = "auto",
        quiet: bool = False,
        verbose: bool = False,
        default: str = "text",
        lenient: bool = False,
        beside: Collection[str] = (),
    ) -> None:
        self.outputs = tuple(outputs)
        if all(output.format in beside for output in outputs):
            self.outputs += (Output(default),)
        results = [output for output in self.outputs if output.format not in beside]
        if sum(output.path is None for output in results) > 1:
            raise click.UsageError(
                "only one format can go to standard output; give the others a file (-o FORMAT=PATH)"
            )
        self.quiet = quiet
        self.verbose = verbose
        self._color = color
        self._lenient = lenient
        self._beside = beside
        self._open = True
        self._begun: set[Path] = set()
        self._colours: dict[int, bool] = {}
        self.lost = ""

    @classmethod
    def of(
        cls,
        options: dict[str, Any],
        *,
        default: str = "text",
        lenient: bool = False,
        beside: Collection[str] = (),
    ) -> Console:
        """The console that `output_options` asked for."""
        return cls(
            default=default,
            lenient=lenient,
            beside=beside,
            outputs=options["outputs"],
            color=options["color"],
            quiet=options["quiet"],
            verbose=options["verbose"],
        )

    def text(self, prefix: str = "", *, err: bool = False, now: datetime | None = None) -> Text:
        """A renderer for people, coloured as its stream allows; `now` lets it tell ages."""
        from reconciler.report.text.text import Text

        stream = sys.stderr if err else sys.stdout
        return Text(colour=self._wants_colour(stream), prefix=prefix, now=now)

    def paint(self) -> ColorWriter:
        """The colours of standard output."""
        from reconciler.report.text.color import ColorWriter

        return ColorWriter(colour=self._wants_colour(sys.stdout))

    @property
    def has_reader(self) -> bool:
        """Whether standard output is still read, as far as anything was written to it."""
        return self._open

    def _wants_colour(self, stream: Any) -> bool:
        """Asked once for each stream: there may be thousands of lines."""
        if id(stream) not in self._colours:
            self._colours[id(stream)] = wants_colour(self._color, stream)
        return self._colours[id(stream)]

    def has(self, name: str) -> bool:
        """Whether a format goes to standard output."""
        return any(output.format == name and output.path is None for output in self.outputs)

    def wants(self, name: str) -> bool:
        """Whether a format was asked for, wherever it goes."""
        return any(output.format == name for output in self.outputs)

    def emit(self, name: str, render: Callable[[], str]) -> None:
        """Give a finished result to every output of that format."""
        for output in self.outputs:
            if output.format == name:
                if output.path is None:
                    self._print(render(), err=name in self._beside)
                else:
                    text = render() if self._color == "always" else click.unstyle(render())
                    with explained_writing(output.path):
                        output.path.write_text(f"{text}\n", encoding="utf-8")

    def tell(self, name: str, text: str) -> None:
        """Give a part of a result to every output of that format, while the work goes on."""
        for output in self.outputs:
            if output.format != name:
                continue
            if output.path is None:
                self.line(text)
            else:
                self._stream(output.path, text if self._color == "always" else click.unstyle(text))

    def need_places(self) -> None:
        """Raise ReconcilerError for a file that cannot be written, before there is anything to."""
        for output in self.outputs:
            if output.path is not None:
                with explained_writing(output.path), output.path.open("a"):
                    pass

    def _stream(self, path: Path, text: str) -> None:
        try:
            with path.open("a" if path in self._begun else "w", encoding="utf-8") as file:
                file.write(f"{text}\n")
            self._begun.add(path)
        except OSError as error:
            self.lost = self.lost or f"{path}: {error.strerror or error}"

    def line(self, text: str) -> None:
        """A line of a result."""
        self._print(text, err=False)

    def note(self, text: str) -> None:
        """A line about the work, which is not its result."""
        if not self.quiet:
            self._print(text, err=True)

    def warn(self, text: str) -> None:
        """A line that is shown even when quiet."""
        self._print(text, err=True)

    def findings(self, found: Sequence[Diagnostic], prefix: str) -> None:
        """Diagnostics, beside the result."""
        if found:
            self.warn(self.text(prefix, err=True).diagnostics(found))

    def _print(self, text: str, *, err: bool) -> None:
        if not self._open and not err:
            return
        try:
            click.echo(text, err=err, color=True)
        except OSError as error:
            self._open = self._open and err
            if not (err or isinstance(error, BrokenPipeError)):
                self.lost = self.lost or f"standard output: {error.strerror or error}"
            if not (err or self._lenient or isinstance(error, BrokenPipeError)):
                raise ReconcilerError(
                    f"standard output cannot be written: {error.strerror or error}",
                    hint="what was printed is not the whole result",
                ) from error


@contextmanager
def explained_writing(path: Path) -> Iterator[None]:
    """Raise ReconcilerError in the place of what the file system says."""
    try:
        yield
    except OSError as error:
        raise ReconcilerError(
            f"{path} cannot be written: {error.strerror or error}", hint="check -o"
        ) from error


def wants_colour(choice: str, stream: Any) -> bool:
    """--color, then NO_COLOR, then FORCE_COLOR or CLICOLOR_FORCE, then whether it is a terminal."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE"):
        return True
    return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"


def explain(error: ReconcilerError) -> None:
    """Say what ended a command: its message, its findings, its way out."""
    from reconciler.app.planning.workspace import InvalidSpecsError
    from reconciler.app.refused import GuardError

    console = Console()
    text = console.text(err=True)
    match error:
        case InvalidSpecsError(diagnostics=found, prefix=prefix):
            console.findings(found, prefix)
            console.warn(text.error(error))
        case GuardError(refusals=refusals):
            console.warn(text.refusals(refusals))
        case _:
            console.warn(text.error(error))
