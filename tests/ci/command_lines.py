"""Finds the command lines of reconciler in texts, and tells whether the program has them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from reconciler.cli.main import cli

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`(reconciler [^`]+)`")
_OPERATORS = set("();<>|&")
# What may stand before a program's name without being the program.
_BEFORE = {"$", "exec", "then", "do", "else", "!", "time", "env", "sudo"}
# May be no word at all.
_ARRAY = re.compile(r"\$\{\w+\[@\]\}")
# Values that stand for another: nothing can be said about those.
_PLACEHOLDER = re.compile(r"[$…\[\]]|^[A-Z_]+$")


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The words after `reconciler`, and the file that has them."""

    file: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file}: reconciler {shlex.join(self.words)}"


def find_command_lines(path: Path, name: str) -> list[CommandLine]:
    """Every command line of a file, by what kind of file it is."""
    text = path.read_text(encoding="utf-8")
    match path.suffix:
        case ".md":
            found = _in_markdown(text)
        case ".yml" | ".yaml":
            found = _in_yaml(text)
        case ".service":
            found = _in_scripts(re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE))
        case _:
            found = _in_scripts([text])
    return [CommandLine(name, words) for words in found]


def trouble_with(words: tuple[str, ...]) -> str | None:
    """Why the program would refuse these words, or None; missing arguments are no trouble."""
    command: click.Command = cli
    rest = list(words)
    # As in git, the folder to begin in may stand before the command.
    if rest[:1] == ["-C"]:
        rest = rest[2:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.commands.get(rest[0])
        if found is None:
            return f"there is no command {rest[0]!r}"
        command, rest = found, rest[1:]
    context = click.Context(command, info_name="reconciler", **cli.context_settings)
    try:
        given, extra, _ = command.make_parser(context).parse_args(list(rest))
        for parameter in command.params:
            _check_value(context, parameter, given.get(parameter.name or ""))
    except click.BadOptionUsage as error:
        # A flag may be named without the value that it needs.
        return None if error.option_name == rest[-1] else error.format_message()
    except click.UsageError as error:
        return error.format_message()
    return f"unexpected {extra}" if extra else None


def _check_value(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    values = value if isinstance(value, list | tuple) else [value]
    # Whether a file or folder is there, only its reader's machine knows.
    is_path = isinstance(parameter.type, click.Path)
    if not isinstance(parameter, click.Option) or parameter.is_flag or is_path:
        return
    for one in values:
        if isinstance(one, str) and not _PLACEHOLDER.search(one):
            parameter.type.convert(one, parameter, context)


def _in_markdown(text: str) -> Iterator[tuple[str, ...]]:
    for language, block in _FENCE.findall(text):
        lines = [line for line in block.splitlines() if line.lstrip().startswith("$ ")]
        if language in {"yaml", "yml"}:
            yield from _in_yaml(block)
        elif lines:
            yield from _in_scripts([line.lstrip().removeprefix("$ ") for line in lines])
        else:
            yield from _in_scripts(re.findall(r"^\s*(reconciler .*)$", block, re.MULTILINE))
    for span in _SPAN.findall(_FENCE.sub("", text)):
        yield from _in_scripts([" ".join(span.split())])


def _in_yaml(text: str) -> Iterator[tuple[str, ...]]:
    for document in _documents(text):
        yield from _in_value(document)
    comments = re.findall(r"^\s*#\s+(.*)$", text, re.MULTILINE)
    yield from _in_scripts([line for line in comments if line.startswith("reconciler ")])


def _documents(text: str) -> list[Any]:
    """The documents of a text; none of a text that shows what is no YAML."""
    try:
        return list(yaml.safe_load_all(text))
    except yaml.YAMLError:
        return []


def _in_value(value: Any) -> Iterator[tuple[str, ...]]:
    match value:
        case {"name": "reconciler", "args": [*words]}:
            yield tuple(str(word) for word in words)
        case dict():
            for inner in value.values():
                yield from _in_value(inner)
        case list():
            for inner in value:
                yield from _in_value(inner)
        case str():
            yield from _in_scripts([value])
        case _:
            return


def _in_scripts(scripts: list[str]) -> Iterator[tuple[str, ...]]:
    for script in scripts:
        for line in script.replace("\\\n", " ").splitlines():
            if "reconciler" in line:
                yield from _in_line(line)


def _in_line(line: str) -> Iterator[tuple[str, ...]]:
    words = _split(line)
    for at, word in enumerate(words):
        if word.rpartition("/")[2] == "reconciler" and _is_program(words, at):
            yield tuple(_until_operator(words[at + 1 :]))


def _split(line: str) -> list[str]:
    """The words of a line of shell; of a line of prose with an apostrophe, none."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:
        return []


def _is_program(words: list[str], at: int) -> bool:
    before = words[at - 1] if at else "$"
    return before in _BEFORE or set(before) <= _OPERATORS or "=" in before


def _until_operator(words: list[str]) -> Iterator[str]:
    for word in words:
        if word and set(word) <= _OPERATORS:
            return
        if not _ARRAY.fullmatch(word):
            yield word
