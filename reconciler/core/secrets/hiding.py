"""Where the secrets of a value stand, and the value without them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from reconciler.core.secrets.addresses import hide_in_addresses
from reconciler.core.secrets.commands import hide_argument, hide_in_command
from reconciler.core.secrets.elements import find_elements
from reconciler.core.secrets.marks import MARK
from reconciler.core.secrets.names import NameKind
from reconciler.core.secrets.shapes import hide_blocks, hide_random, hide_tokens, is_open
from reconciler.core.secrets.structures import (
    begins_line,
    end_of_line,
    find_pairs,
    find_structure,
)

# What introduces a value in a command line, a script or a file within a string: `NAME=`,
# `name = value`, `--name value`, `name: value`, `"name": value`, `name => value`.
_NAME = re.compile(
    r"(?<![\w-])(-{1,2})?(\w[\w-]*)"
    r"(?:[ \t]*=(?!>)[ \t]*|(?:\\{0,3}[\"'])?[ \t]*(?::=?|=>)[ \t]*|(?(1)(?:[ \t]|\\\n)+|(?!)))"
)
_WORD_IN_QUOTES = r"\"(?:[^\"\\]|\\.)*\"|'[^']*'"
# A quote before a space, or at the end, closes what was opened before the name, as that of
# `-H 'X-Api-Key: x' -H '…'` does: what follows it is no part of the value.
_PART_OF_WORD = rf"(?!\\{{0,3}}[\"'](?:[\s,;&|)}}\]]|\Z))(?:{_WORD_IN_QUOTES}|[^\s;&|])"
_VALUE = re.compile(
    r"(?:(?i:basic|bearer|token)[ \t]+)?"
    rf"(?:(?:{_WORD_IN_QUOTES})+(?:{_PART_OF_WORD})*|(?:{_PART_OF_WORD})+)",
    re.DOTALL,
)
_OPENED = re.compile(r"\\{0,3}[\"']\Z")
# In JSON, and in what is written like it, a value ends with its quote or before the next sign.
# A text in a text has a backslash before its quotes.
_STRING = (
    r"\"(?P<double>(?:[^\"\\]|\\.)*)\"|'(?P<single>[^']*)'"
    r"|\\{1,3}\"(?P<escaped>[^\"\\]*)\\{1,3}\""
)
_QUOTED = re.compile(rf"(?:{_STRING})(?=[\s,;)}}\]]|\Z)", re.DOTALL)
_BARE = re.compile(r"[^\s,\"'\[\]{}]+")
_BEARER = re.compile(r"(\b(?i:bearer)[ \t]+)([\w.~+/=-]{16,})")
_WHOLE_SECRET = {"data": NameKind.HIDDEN, "stringData": NameKind.HIDDEN}
_NO_KINDS: Mapping[str, NameKind] = {}
_BY_NAME = frozenset({NameKind.LIKELY, NameKind.CERTAIN, NameKind.HIDDEN})


class Hiding:
    """Replaces each secret by what `mark` makes of it.

    `kind_of` says what a name tells of its value, and `may_hold` whether a text has to be searched.
    """

    def __init__(
        self,
        *,
        mark: Callable[[str], str],
        kind_of: Callable[[str], NameKind],
        may_hold: Callable[[str], bool],
    ) -> None:
        self._mark = mark
        self._kind_of = kind_of
        self._may_hold = may_hold

    def hide(self, value: Any) -> Any:
        """A copy of a JSON value in which every secret is replaced."""
        if isinstance(value, str):
            return self._redact_text(value) if self._may_hold(value) else value
        # A check for dict is ten times as fast as one for Mapping, which asks an abstract class.
        if isinstance(value, dict):
            return self._redact_map(value)
        if isinstance(value, list | tuple):
            return self._redact_list(value)
        return self._redact_map(value) if isinstance(value, Mapping) else value

    def _redact_list(self, items: list[Any] | tuple[Any, ...]) -> list[Any]:
        redacted: list[Any] = []
        for index, item in enumerate(items):
            flag = items[index - 1] if index else None
            if not (isinstance(item, str) and isinstance(flag, str)):
                redacted.append(self.hide(item))
                continue
            # `["--token", "abc"]` is a secret in two items.
            names_value = flag.startswith("-") and not item.startswith("-")
            kind = self._kind_of(flag) if names_value else NameKind.ORDINARY
            if kind in _BY_NAME:
                redacted.append(self._hide(item, kind))
                continue
            argument = hide_argument(items, index, self._hide_text)
            redacted.append(self.hide(item) if argument is None else argument)
        return redacted

    def _redact_map(self, value: Mapping[str, Any]) -> dict[str, Any]:
        kinds = _NO_KINDS
        if value.get("kind") == "Secret":
            kinds = _WHOLE_SECRET
        else:
            # An item like `{name: HF_TOKEN, value: …}`, as environments and parameters are written.
            name = value.get("name", value.get("key"))
            if isinstance(name, str) and (kind := self._kind_of(name)) is not NameKind.ORDINARY:
                kinds = {"value": kind, "default": kind}
        redacted: dict[str, Any] = {}
        for key, item in value.items():
            kind = (kinds and kinds.get(key)) or self._kind_of(key)
            if kind is NameKind.ORDINARY:
                redacted[key] = self.hide(item)
            elif kind is not NameKind.SHOWN:
                redacted[key] = self._hide(item, kind)
            elif isinstance(item, str):
                # Its owner reveals it: only what is a secret beyond doubt is hidden in it.
                redacted[key] = self._hide_shapes(hide_blocks(item, self._hide_text))
            else:
                redacted[key] = self.hide(item)
        return redacted

    def _hide(self, value: Any, kind: NameKind) -> Any:
        if isinstance(value, Mapping):
            if kind is NameKind.HIDDEN:
                return {key: self._hide(item, kind) for key, item in value.items()}
            # Kubernetes has objects under such names without a secret: `secret: {secretName: …}`.
            return self._redact_map(value)
        if isinstance(value, list | tuple):
            return [self._hide(item, kind) for item in value]
        if value is None or isinstance(value, bool):
            return value
        text = str(value)
        if kind is not NameKind.HIDDEN and is_open(text, surely=kind is NameKind.CERTAIN):
            return value
        return self._hide_text(text)

    def _hide_text(self, text: str) -> str:
        # A mark is not hidden once more: to redact twice has to change nothing.
        return text if text == "" or MARK.fullmatch(text) else self._mark(text)

    def _redact_text(self, text: str) -> str:
        # In this order: a block of lines, or what a name assigns, is hidden as a whole, before a
        # pattern for a part of it could leave the remainder.
        text = hide_blocks(text, self._hide_text)
        if "<" in text:
            text = self._hide_pairs(text, find_elements(text, self._is_secret))
        text = self._hide_assignments(self._hide_pairs(text, find_pairs(text)))
        text = hide_in_command(text, self._hide_text)
        return hide_random(self._hide_shapes(text), self._hide_text)

    def _hide_shapes(self, text: str) -> str:
        text = hide_in_addresses(text, self._hide_text)
        if "earer" in text.lower():
            text = _BEARER.sub(lambda m: m[1] + self._hide_text(m[2]), text)
        return hide_tokens(text, self._hide_text)

    def _hide_pairs(self, text: str, pairs: Iterable[tuple[str, tuple[int, int]]]) -> str:
        """Hide the values of names, given with where they stand in the text."""
        parts, end = [], 0
        for name, (start, stop) in pairs:
            kind, value = self._kind_of(name), text[start:stop]
            if start < end:
                continue
            if kind is NameKind.HIDDEN or (
                kind in _BY_NAME and not is_open(value, surely=kind is NameKind.CERTAIN)
            ):
                parts += [text[end:start], self._hide_text(value)]
                end = stop
        return "".join([*parts, text[end:]])

    def _is_secret(self, name: str) -> bool:
        return self._kind_of(name) in _BY_NAME

    def _hide_assignments(self, text: str) -> str:
        parts, end, structure_end = [], 0, 0
        # Only names are searched for, so that `--env TOKEN=x` is found within the value of --env.
        for name in _NAME.finditer(text):
            kind = self._kind_of(name[2])
            if name.start() < end or kind not in _BY_NAME:
                continue
            # `keys = table.keys()` is a program; a shell's variables have names in capitals.
            code = name[1] is None and not name[2].isupper()
            sure = kind is not NameKind.LIKELY
            structure = None
            # What stands within a structure was found with it, and is not searched again.
            if ":" in name[0] and name.start() >= structure_end:
                structure = find_structure(
                    text, name[2], name.start(), name.end(), everything=kind is NameKind.HIDDEN
                )
            if structure:
                spans, structure_end = structure
            elif name.start() < structure_end and text.startswith(("[", "{"), name.end()):
                spans = []
            else:
                spans = list(_spans_of_value(text, name, sure=sure))
            for start, stop in spans:
                value = text[start:stop]
                in_code = code and not structure and text[start - 1] not in "\"'"
                if kind is NameKind.HIDDEN or not is_open(value, surely=sure, code=in_code):
                    parts += [text[end:start], self._hide_text(value)]
                    end = stop
        return "".join([*parts, text[end:]])


def _spans_of_value(text: str, name: re.Match[str], *, sure: bool) -> Iterator[tuple[int, int]]:
    """Begin and end of the value that a name introduces."""
    at = name.end()
    has_colon, in_json = ":" in name[0] or "=>" in name[0], text[name.end(2)] in "\"'\\"
    if MARK.match(text, at):
        return
    if has_colon and not in_json and (end := _end_of_header(text, name)) is not None:
        yield at, end
    elif has_colon and (quoted := _QUOTED.match(text, at)):
        yield _inside(quoted) if in_json else quoted.span()
    elif has_colon and in_json and (bare := _BARE.match(text, at)):
        yield bare.span()
    elif sure and _is_setting(text, name):
        yield at, end_of_line(text, at)
    elif value := _VALUE.match(text, at):
        yield value.span()


def _is_setting(text: str, name: re.Match[str]) -> bool:
    """Whether it is a line of a file (`password = a b`), of which the rest is the value.

    A shell has no blank before the `=` of a variable.
    """
    is_spaced = name[0][-1].isspace() and (":" in name[0] or " =" in name[0])
    at = name.end()
    is_word = at < len(text) and text[at] not in "\"'\n"
    return not name[1] and is_spaced and is_word and begins_line(text, name.start())


def _end_of_header(text: str, name: re.Match[str]) -> int | None:
    """Where the value of `'Name: value'` ends; None of a name that no quote stands before.

    It may have spaces and other signs, as `Bearer …` and cookies have.
    """
    start = name.start()
    opened = _OPENED.search(text, max(0, start - 4), start)
    end = text.find(opened[0], name.end()) if opened else -1
    return None if end < 0 or "\n" in text[name.end() : end] else end


def _inside(value: re.Match[str]) -> tuple[int, int]:
    """Where a value stands within its quotes, if it has any."""
    quote = next((name for name in ("double", "single", "escaped") if value[name] is not None), 0)
    return value.span(quote)
