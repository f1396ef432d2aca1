"""Keeps secret values out of everything that is stored or shown, but lets a change be seen."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from reconciler.core.digest import canonical, digest, digest_text

_LAST_WORDS = {"auth", "authorization", "pass", "passcode", "pat", "pwd"}
_LAST_PAIRS = {
    ("access", "key"),
    ("api", "key"),
    ("connection", "string"),
    ("encryption", "key"),
    ("private", "key"),
    ("secret", "key"),
    ("signing", "key"),
}
# Also at the end of a longer word: PGPASSWORD, clientsecret.
_ENDINGS = (
    *("apikey", "credential", "credentials", "passphrase", "passwd", "password"),
    *("privatekey", "secret", "secretkey", "token"),
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# Without one of these, in lower case, no text holds a secret that anything here would find. They
# are looked for one by one: that is many times as fast as one expression with alternatives.
_HINTS = tuple(
    (hint, re.compile(ending))
    for hint, ending in (
        (b"auth", rb"auth(?:orization)?(?![a-z])"),
        (b"pass", rb"pass(?:code|phrase|wd|word)?(?![a-z])"),
        (b"pat", rb"pat(?![a-z])"),
        (b"pwd", rb"pwd(?![a-z])"),
        (b"credential", rb"credentials?(?![a-z])"),
        (b"secret", rb"secret(?![a-z])"),
        (b"token", rb"token(?![a-z])"),
        # The second half of a pair: right after a quote it is the whole name, or its first word.
        (b"key", rb"key(?![a-z])(?:(?<!\"key)|(?<=\\\"key))"),
        (b"string", rb"string(?![a-z])(?:(?<!\"string)|(?<=\\\"string))"),
        (b"://", rb"://[^/\s]*@"),
        (b"earer", rb"earer"),
    )
)
_SHORT = 128
HIDDEN = "(hidden)"
# A shorter one would turn up in innocent words.
_SHORTEST = 4
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_MARK = re.compile(r"\(sensitive [0-9a-f]{16}\)")
# What introduces a value in a command line, a script or a file within a string: `NAME=`,
# `name = value`, `--name value`, `name: value`, `"name": value`.
_NAME = re.compile(
    r"(?<![\w-])(-{1,2})?([A-Za-z_][\w-]*)"
    r"(?:[ \t]*=[ \t]*|[\"']?[ \t]*:[ \t]*|(?(1)(?:[ \t]|\\\n)+|(?!)))"
)
_VALUE = re.compile(
    r"(?:(?i:basic|bearer|token)[ \t]+)?"
    r"(?:\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^\s;&|])+",
    re.DOTALL,
)
_BEARER = re.compile(r"(\b(?i:bearer)[ \t]+)([\w.~+/=-]{16,})")
_USERINFO = re.compile(r"(?<=://)([^/\s:@]*:)([^/\s]+)(?=@)")
# An http address has no use for a name without a password: it is an access token.
_TOKEN_LOGIN = re.compile(r"(?<=http://|ttps://)([^/\s:@]+)(?=@)")


# The same few hundred names come up again and again.
@lru_cache(maxsize=8192)
def looks_secret(name: str) -> bool:
    """Whether a value under this key must be kept back: `HF_TOKEN` yes, `maxTokens` no."""
    words = [word.lower() for word in _WORD.findall(name)]
    return bool(words) and (
        words[-1] in _LAST_WORDS or words[-1].endswith(_ENDINGS) or tuple(words[-2:]) in _LAST_PAIRS
    )


def may_hold_secret(text: str) -> bool:
    """Whether a text, or a document as JSON text, has to be searched: hardly any has to.

    True where there is nothing is possible, False where there is something is not.
    """
    return _has_hint_cached(text) if len(text) <= _SHORT else _has_hint(text)


def _has_hint(text: str) -> bool:
    # As bytes: only ASCII letters make words here, and other letters must not turn into them.
    lower = text.encode("utf-8", "surrogatepass").lower()
    return any(hint in lower and ending.search(lower) for hint, ending in _HINTS)


# Fleets repeat themselves: the same image names, flags and labels in every workload.
_has_hint_cached = lru_cache(maxsize=8192)(_has_hint)


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
        """A JSON value without secrets; applying it twice changes nothing more.

        A copy where it had any, the value itself where it had none.
        """
        return self._redact(value) if may_hold_secret(canonical(value)) else value

    def redact_and_digest(self, value: Any) -> tuple[Any, str]:
        """What `redact` returns, and its digest: one canonical form serves both."""
        text = canonical(value)
        if not may_hold_secret(text):
            return value, digest_text(text)
        redacted = self._redact(value)
        return redacted, digest(redacted)

    def _redact(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._redact_text(value) if may_hold_secret(value) else value
        # A plain dict is recognised at once, any other mapping ten times as slowly.
        if isinstance(value, dict):
            return self._redact_map(value)
        if isinstance(value, list | tuple):
            return self._redact_list(value)
        return self._redact_map(value) if isinstance(value, Mapping) else value

    def _redact_list(self, items: list[Any] | tuple[Any, ...]) -> list[Any]:
        """Like any list, but `["--token", "abc"]` is a secret in two items."""
        return [
            self._hide(item)
            if i and _is_secret_flag(items[i - 1]) and _is_value(item)
            else self._redact(item)
            for i, item in enumerate(items)
        ]

    def _redact_map(self, value: Mapping[str, Any]) -> dict[str, Any]:
        whole = {"data", "stringData"} if value.get("kind") == "Secret" else set()
        if _is_named_secret(value):
            whole = {"value", "default"}
        return {
            key: self._hide(item)
            if key in whole
            else self._hide_scalars(item)
            if looks_secret(key)
            else self._redact(item)
            for key, item in value.items()
        }

    def _hide_scalars(self, value: Any) -> Any:
        """Kubernetes has objects under such names (`secret: {secretName: …}`) that hide nothing."""
        if isinstance(value, Mapping):
            return self._redact_map(value)
        if isinstance(value, list | tuple):
            return [self._hide_scalars(item) for item in value]
        return self._hide(value)

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
        text = self._hide_assignments(text)
        if "://" in text:
            text = _USERINFO.sub(lambda m: m[1] + self._hide(m[2]), text)
            text = _TOKEN_LOGIN.sub(lambda m: self._hide(m[1]), text)
        if "earer" in text.lower():
            text = _BEARER.sub(lambda m: m[1] + self._hide(m[2]), text)
        return text

    def _hide_assignments(self, text: str) -> str:
        """Only names are searched for, so that `--env TOKEN=x` is found within a value."""
        parts, end = [], 0
        for found in _NAME.finditer(text):
            if found.start() < end or not looks_secret(found[2]):
                continue
            value = _VALUE.match(text, found.end())
            if value and not _is_open(value[0]) and not _MARK.match(text, value.start()):
                parts += [text[end : value.start()], self._hide(value[0])]
                end = value.end()
        return "".join([*parts, text[end:]])

    def _mark(self, text: str) -> str:
        data = text.encode("utf-8", "surrogatepass")
        return f"(sensitive {hmac.new(self._key, data, hashlib.sha256).hexdigest()[:16]})"


class _Blanker(Redactor):
    """Hides without a digest, for words that belong to no state; remembers what it has hidden."""

    def __init__(self) -> None:
        super().__init__("")
        self.found: set[str] = set()

    def _mark(self, text: str) -> str:
        self.found.add(text)
        return HIDDEN


def find_secrets(value: Any) -> frozenset[str]:
    """Every text in a JSON value that a redactor would hide."""
    blanker = _Blanker()
    blanker.redact(value)
    return frozenset(blanker.found)


def blank(text: str, secrets: Collection[str] = ()) -> str:
    """Somebody else's words without secrets: those that are known, and what looks like one.

    Servers repeat what they were sent, as it was, escaped, or encoded.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        form = secret if len(secret) >= _SHORTEST else ""
        for _ in range(3):
            text = text.replace(form, HIDDEN) if form else text
            form = json.dumps(form)[1:-1]
    if secrets:
        text = _BASE64.sub(lambda run: HIDDEN if _encodes(run[0], secrets) else run[0], text)
    return str(_Blanker().redact(text))


def _encodes(run: str, secrets: Collection[str]) -> bool:
    """Whether a run of base64, which may have been cut at either end, holds one of the secrets."""
    text = run.rstrip("=")
    for start in range(4):
        part = text[start:]
        decoded = base64.b64decode(part[: len(part) // 4 * 4], altchars=b"-_").decode("latin-1")
        if any(secret in decoded for secret in secrets if len(secret) >= _SHORTEST):
            return True
    return False


def _is_secret_flag(item: Any) -> bool:
    return isinstance(item, str) and item.startswith("-") and looks_secret(item)


def _is_value(item: Any) -> bool:
    return isinstance(item, str) and not item.startswith("-") and not _is_open(item)


def _is_open(value: str) -> bool:
    """A reference to a variable is no secret."""
    return value.lstrip("\"'").startswith("$")


def _is_named_secret(value: Mapping[str, Any]) -> bool:
    """An item like `{name: HF_TOKEN, value: …}`, as environments and parameters are written."""
    name = value.get("name", value.get("key"))
    return isinstance(name, str) and looks_secret(name)
