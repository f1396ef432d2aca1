"""Keeps secret values out of everything that is stored or shown, but lets a change be seen."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any

_LAST_WORDS = {
    "apikey",
    "credential",
    "credentials",
    "passphrase",
    "passwd",
    "password",
    "pwd",
    "secret",
    "token",
}
_LAST_PAIRS = {
    ("access", "key"),
    ("api", "key"),
    ("connection", "string"),
    ("encryption", "key"),
    ("private", "key"),
    ("secret", "key"),
    ("signing", "key"),
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_MARK = re.compile(r"\(sensitive [0-9a-f]{16}\)")
# `NAME=value`, `--name=value` and `--name value` in a command line, `user:password@` in a URL.
# A value that begins with `$` is a reference to a variable, not a secret.
_ASSIGNMENT = re.compile(
    r"(?<![\w-])(--)?([A-Za-z][\w-]*)(=|(?(1)[ \t]+|=))(\"[^\"]*\"|'[^']*'|[^\s;&|]+)"
)
_USERINFO = re.compile(r"(?<=://)([^/\s:@]*:)([^/\s@]+)(?=@)")


def looks_secret(name: str) -> bool:
    """Whether a value under this key must be kept back: `HF_TOKEN` yes, `maxTokens` no."""
    words = [word.lower() for word in _WORD.findall(name)]
    return bool(words) and (words[-1] in _LAST_WORDS or tuple(words[-2:]) in _LAST_PAIRS)


def is_redacted(value: Any) -> bool:
    """Whether a value is, or contains, the stand-in of a secret."""
    return isinstance(value, str) and _MARK.search(value) is not None


class Redactor:
    """Replaces secrets by digests under one key, so that equal secrets stay equal.

    The key is the state's lineage: digests from two states cannot be compared.
    """

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def redact(self, value: Any) -> Any:
        """A copy without secrets; applying it twice changes nothing more."""
        if isinstance(value, Mapping):
            return self._redact_map(value)
        if isinstance(value, list | tuple):
            return self._redact_list(value)
        if isinstance(value, str):
            return self._redact_text(value)
        return value

    def _redact_list(self, items: list[Any] | tuple[Any, ...]) -> list[Any]:
        """Like any list, but `["--token", "abc"]` is a secret in two items."""
        flags = [None, *items[:-1]]
        return [
            self._hide(item) if _is_secret_flag(flag) and _is_value(item) else self.redact(item)
            for flag, item in zip(flags, items, strict=True)
        ]

    def _redact_map(self, value: Mapping[str, Any]) -> dict[str, Any]:
        whole = {"data", "stringData"} if value.get("kind") == "Secret" else set()
        if _is_named_secret(value):
            whole = {"value"}
        return {
            key: self._hide(item)
            if key in whole or (looks_secret(key) and not isinstance(item, Mapping | list | tuple))
            else self.redact(item)
            for key, item in value.items()
        }

    def _hide(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self._hide(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._hide(item) for item in value]
        if value is None or isinstance(value, bool):
            return value
        text = str(value)
        if text == "" or _MARK.fullmatch(text):
            return text
        return self._mark(text)

    def _redact_text(self, text: str) -> str:
        if "=" in text or "--" in text:
            text = _ASSIGNMENT.sub(self._hide_assignment, text)
        if "://" in text:
            text = _USERINFO.sub(lambda m: m[1] + self._hide(m[2]), text)
        return text

    def _hide_assignment(self, found: re.Match[str]) -> str:
        dashes, name, between, value = found.groups()
        bare = value.strip("\"'")
        if not looks_secret(name) or bare.startswith(("$", "(sensitive")):
            return found[0]
        return f"{dashes or ''}{name}{between}{self._hide(bare)}"

    def _mark(self, text: str) -> str:
        data = text.encode("utf-8", "surrogatepass")
        return f"(sensitive {hmac.new(self._key, data, hashlib.sha256).hexdigest()[:16]})"


def _is_secret_flag(item: Any) -> bool:
    return isinstance(item, str) and item.startswith("--") and looks_secret(item)


def _is_value(item: Any) -> bool:
    return isinstance(item, str) and not item.startswith(("-", "$"))


def _is_named_secret(value: Mapping[str, Any]) -> bool:
    """An item like `{name: HF_TOKEN, value: …}`, as environments and parameters are written."""
    name = value.get("name")
    return isinstance(name, str) and "value" in value and looks_secret(name)
