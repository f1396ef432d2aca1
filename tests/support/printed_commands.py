"""The commands that a run prints for its reader, tried out where they were printed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest

from reconciler.app.planning import workspace
from reconciler.app.settings import Flags, Settings, resolve_settings
from reconciler.cli.main import run
from reconciler.core.states.places import FilePlace

# A command up to where its sentence goes on; what a run was called is none.
_PRINTED = re.compile(
    r"(?<![\w/=-])(?<!\()(?<!\(`)(?<!Usage: )(?<!command   )(?<!\"command\": \")"
    r"reconciler (?=[a-z]|-C )([^\n`;\"]*)"
)
_SENTENCE = re.compile(r"'(?=[ ,.;:)]|$)|\s\(|  |, |\. |:? (?:and|or|then|tells|shows|as|with) |$")
# Words in capitals stand for what the reader knows, as does what was cut.
_PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b|…")
# They read the state and nothing else, so they are carried out.
_READS = {("state", "list"), ("state", "show"), ("runs", "list"), ("runs", "show")}
# Where no state has a part, or the command would not end by itself.
_ABOUT_NO_STATE = {"show", "sandbox", "schema", "completion", "init"}
_ASKS = {"apply", "destroy", "rm", "adopt", "resolve", "recover", "unprotect", "protect", "move"}


class _ResolvedError(BaseException):
    """The probed command has found its settings, and is not to go on."""


class PrintedCommands:
    """Holds every printed command to the state and the stack of the command that printed it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._settings: Settings | None = None
        self._probing = False
        self._seen: set[str] = set()

        def resolve(flags: Flags, *arguments: Any, **named: Any) -> Settings:
            self._settings = resolve_settings(flags, *arguments, **named)
            if self._probing:
                raise _ResolvedError
            return self._settings

        monkeypatch.setattr(workspace, "resolve_settings", resolve)

    def begin(self) -> None:
        """The next command starts."""
        self._settings = None

    def check(self, text: str) -> None:
        """Try each command of a text that was not tried in this test."""
        mine = self._settings
        for printed in _commands(text):
            if printed in self._seen:
                continue
            self._seen.add(printed)
            words = shlex.split(printed)
            if words[0] in _ABOUT_NO_STATE:
                assert run([*words, "--help"]) == 0, f"'reconciler {printed}' is no command"
                self._capsys.readouterr()
                continue
            code, theirs = self._probe(words)
            assert code != 64, f"'reconciler {printed}' is no command"
            if mine is None or theirs is None:
                continue
            assert _place(theirs) == _place(mine), f"'reconciler {printed}' is about another state"
            if tuple(words[:2]) in _READS and not _PLACEHOLDER.search(printed):
                assert run(words) == 0, f"'reconciler {printed}' fails: {self._capsys.readouterr()}"
                self._capsys.readouterr()
        self._settings = mine

    def _probe(self, words: list[str]) -> tuple[int, Settings | None]:
        """Run a command until it has its settings."""
        self._settings, self._probing = None, True
        try:
            code = run([*words, "--yes"] if _ASKS.intersection(words[:4]) else words)
        except _ResolvedError:
            code = 0
        finally:
            self._probing = False
            said = self._capsys.readouterr()
        return (0 if "--yes" in said.err else code), self._settings


def _place(settings: Settings) -> Mapping[str, str]:
    place = settings.state
    state = place.path.resolve() if isinstance(place, FilePlace) else place
    return {"state": str(state), "stack": settings.stack}


def _commands(text: str) -> Iterator[str]:
    for found in _PRINTED.finditer(text):
        for ends in _SENTENCE.finditer(found[1]):
            command = found[1][: ends.start()].rstrip(" .:,")
            with suppress(ValueError):
                # Quotes stand around a command, and in it around what the shell would take apart.
                shlex.split(command)
                yield command
                break
