"""The commands that a run prints for its reader, carried out where they were printed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from reconciler.app import repositories
from reconciler.app.planning import workspace
from reconciler.app.settings import Flags, Settings, resolve_settings
from reconciler.cli.main import run
from reconciler.core.states.places import FilePlace

Rehearse = Callable[[Sequence[str]], tuple[int, str]]
"""Carries out a command in a copy of its world; gives the exit code and all that was printed."""

# A command, and its line, in which others may follow; what a run was called is none.
_PRINTED = re.compile(
    r"(?<![\w/=-])(?<!\()(?<!\(`)(?<!Usage: )(?<!Written by: )(?<!command   )(?<!\"command\": \")"
    r"reconciler (?=[a-z]|-C )(?=([^\n`;\"]*))"
)
_SENTENCE = re.compile(r"'(?=[ ,.;:)]|$)|\s\(|  |, |\. |:? (?:and|or|then|tells|shows|as|with) |$")
# What the reader knows, and stands in a command as a word in capitals; with what it is tried.
_PLACEHOLDERS = {
    "ADDRESS": "4501/any-name",
    "ID": str(uuid.UUID(int=1)),
    "FILE": "printed-file",
    "DIR": "printed-folder",
    "RUN": "0",
}
_PLACEHOLDER = re.compile(rf"\b(?:{'|'.join(_PLACEHOLDERS)})\b")
_ASKS = {
    *("apply", "destroy", "rm", "adopt", "resolve", "recover", "unprotect", "protect", "move"),
    *("restore", "import"),
}
# Where no state has a part.
_ABOUT_NO_STATE = {"show", "sandbox", "schema", "completion", "init"}
# Commands that are looked up and not carried out, by the word that tells them.
_NOT_CARRIED_OUT = {
    "…": "it is cut, and its reader is told how to see the whole",
    "sandbox": "it ends when it is stopped",
    "completion": "it is for the files of a shell",
    "--watch": "it ends when it is stopped",
}
# How no command may end that somebody was told to type, whatever has happened to the world.
_DEAD_ENDS = re.compile(
    r"^error: .*(?:there is no state|no state at|another stack|another state|belongs to stack|"
    r"the state has no|not a workload|unexpected failure|needs --init)",
    re.MULTILINE,
)
# The test has no server, and who is told to type the command has one.
_NO_SERVER = "error: no server is given"


class _ResolvedError(BaseException):
    """The probed command has found its settings, and is not to go on."""


class PrintedCommands:
    """Holds every printed command to the state and the stack of the command that printed it.

    One of each form is carried out as well. `tried` has the forms that were: a module of tests,
    or a story, has one.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        rehearse: Rehearse,
        tried: set[tuple[str, ...]],
    ) -> None:
        self._capsys = capsys
        self._rehearse = rehearse
        self._tried = tried
        self._settings: Settings | None = None
        self._probing = False
        self._seen: set[str] = set()

        def resolve(flags: Flags, *arguments: Any, **named: Any) -> Settings:
            self._settings = resolve_settings(flags, *arguments, **named)
            if self._probing:
                raise _ResolvedError
            return self._settings

        for module in (repositories, workspace):
            monkeypatch.setattr(module, "resolve_settings", resolve)

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
            code, theirs = self._probe(words)
            assert code != 64, f"'reconciler {printed}' is no command"
            if mine is not None and theirs is not None:
                same = _place(theirs) == _place(mine)
                assert same, f"'reconciler {printed}' is about another state"
            self._carry_out(printed, words, mine)
        self._settings = mine

    def _probe(self, words: list[str]) -> tuple[int, Settings | None]:
        """Run a command until it has its settings; one that needs none is looked up."""
        self._settings, self._probing = None, True
        try:
            code = run([*words, "--help"] if words[0] in _ABOUT_NO_STATE else _answered(words))
        except _ResolvedError:
            code = 0
        finally:
            self._probing = False
            said = self._capsys.readouterr()
        return (0 if "--yes" in said.err else code), self._settings

    def _carry_out(self, printed: str, words: list[str], mine: Settings | None) -> None:
        form = _form(words)
        if form in self._tried or _is_left_out(words, mine):
            return
        self._tried.add(form)
        filled = [_PLACEHOLDER.sub(lambda found: _PLACEHOLDERS[found[0]], word) for word in words]
        code, said = self._rehearse(_answered(filled))
        dead_end = _DEAD_ENDS.search(said)
        assert code != 64 or _NO_SERVER in said, f"'reconciler {printed}' is no command: {said}"
        assert dead_end is None or filled != words, f"'reconciler {printed}' fails: {said}"


@contextmanager
def copied_folder(
    folder: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], str]]:
    """Stand in a copy of a folder where one stood in it; gives what a path in a text is there.

    What cannot be copied, as a pipe or what nobody may read, is not in it.
    """
    with suppress(shutil.Error):
        shutil.copytree(folder, copy, symlinks=True)

    def there(text: str) -> str:
        return text.replace(str(folder), str(copy))

    # A configuration may name its state by a whole path.
    for config in copy.rglob("reconciler.yaml"):
        config.write_text(there(config.read_text("utf-8")), "utf-8")
    with monkeypatch.context() as patch:
        for name, value in os.environ.items():
            if str(folder) in value:
                patch.setenv(name, there(value))
        patch.chdir(there(str(Path.cwd())))
        yield there
    shutil.rmtree(copy)


def _answered(words: list[str]) -> list[str]:
    """A command whose reader has read the question that it asks, and says yes."""
    return [*words, "--yes"] if _ASKS.intersection(words[:4]) else words


def _is_left_out(words: Sequence[str], mine: Settings | None) -> bool:
    """Whether a command is not carried out: for a reason of the table, or for its state.

    A state that is no file has no copy in which to try it.
    """
    is_file = mine is None or isinstance(mine.state, FilePlace)
    return not is_file or any(reason in word for reason in _NOT_CARRIED_OUT for word in words)


def _form(words: Sequence[str]) -> tuple[str, ...]:
    """What a command is apart from the values in it."""
    return tuple(word if re.fullmatch(r"-\w|--[a-z-]+|[a-z-]+", word) else "_" for word in words)


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
