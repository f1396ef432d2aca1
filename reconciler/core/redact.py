"""Keeps secret values out of everything that is stored or shown, but lets a change be seen."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING, Any

from reconciler.core.digest import canonical, digest_text
from reconciler.core.model import Json
from reconciler.core.secrets.hints import hints_for
from reconciler.core.secrets.names import kind_of_name
from reconciler.core.secrets.rules import BUILT_IN, RedactionRules
from reconciler.core.stored_json import StoredJson

if TYPE_CHECKING:
    from reconciler.core.secrets.hiding import Hiding

HIDDEN = "(hidden)"
# A shorter secret would be found within ordinary words of a message.
_SHORTEST = 4
_BASE64 = r"[A-Za-z0-9+/_-]{16,}={0,2}"
# Where the manifest ends in a canonical document: what follows are its few other fields.
_METADATA = ',"metadata":{'


def _as_stored(value: Json, text: str) -> Json:
    # States hold ASCII, and a digest is over characters as they are: mostly that is one text.
    return StoredJson(text) if text.isascii() else value


def _without_head(text: str, other: str) -> str:
    """A canonical document without its manifest, where another one has the same manifest."""
    head, _, _ = other.rpartition(_METADATA)
    return text[len(head) :] if head and text.startswith(head) else text


class Redactor:
    """Replaces secrets by digests under one key, so that equal secrets stay equal.

    The key is the state's lineage: digests from two states cannot be compared. `strict` is for what
    a server says: it reveals nothing, since others may have put a secret under a revealed name.
    """

    def __init__(self, key: str, rules: RedactionRules = BUILT_IN) -> None:
        self.rules = rules
        self.strict: Redactor = Redactor(key, rules.strict) if rules.reveal else self
        self._key = key.encode()
        self._may_hold = hints_for(rules.hints).may_hold_secret
        self._kind_of = rules.kind_of if rules != BUILT_IN else kind_of_name

    def redact(self, value: Any) -> Any:
        """A JSON value without secrets; applying it twice changes nothing more.

        A copy where it had any, the value itself where it had none.
        """
        # A text alone need not be written as JSON to be looked at.
        text = value if isinstance(value, str) else canonical(value)
        return self._hiding.hide(value) if self._may_hold(text) else value

    def redact_and_digest(self, value: Any) -> tuple[Any, str]:
        """What `redact` returns, and its digest: one canonical form serves both."""
        value, text = self.redact_and_write(value)
        return value, digest_text(text)

    def redact_and_write(self, value: Any, *, searched: str = "") -> tuple[Any, str]:
        """What `redact` returns, and its canonical form.

        `searched` is that of another document, as these rules have written it: a manifest that
        both have is not searched once more.
        """
        text = canonical(value)
        if not self._may_hold(_without_head(text, searched)):
            return value, text
        redacted = self._hiding.hide(value)
        # Most that look like a secret refer to one: to compare takes a third of writing anew.
        return (value, text) if redacted == value else (redacted, canonical(redacted))

    def record(self, value: Json) -> tuple[Json, str]:
        """What `redact` returns, as the text that a state holds where it is one, and its digest.

        So one text is searched, named and stored.
        """
        value, text = self.redact_and_write(value)
        return _as_stored(value, text), digest_text(text)

    def record_echo(self, value: Json, sent: Json) -> Json:
        """What `record` keeps of a server's echo; `sent` was recorded under the same rules.

        What the server repeats as it was sent has been redacted, and is not searched once more.
        """
        text = canonical(value)
        if self._may_hold(_without_head(text, canonical(sent))):
            value = self._hiding.hide(value)
            text = canonical(value)
        return _as_stored(value, text)

    def mark(self, text: str) -> str:
        """What stands for a secret: the same for the same text under the same key."""
        data = text.encode("utf-8", "surrogatepass")
        return f"(sensitive {hmac.new(self._key, data, hashlib.sha256).hexdigest()[:16]})"

    @cached_property
    def _hiding(self) -> Hiding:
        # Nearly no value has a sign of a secret, and these expressions take long to compile.
        from reconciler.core.secrets.hiding import Hiding

        return Hiding(mark=self.mark, kind_of=self._kind_of, may_hold=self._may_hold)


class _Blanker(Redactor):
    """Hides without a digest, for texts that belong to no state; remembers what it has hidden."""

    def __init__(self, rules: RedactionRules) -> None:
        super().__init__("", rules)
        self.secrets: set[str] = set()

    def mark(self, text: str) -> str:
        self.secrets.add(text)
        return HIDDEN


def find_secrets(value: Any, rules: RedactionRules = BUILT_IN) -> frozenset[str]:
    """Every text in a JSON value that a redactor would hide."""
    blanker = _Blanker(rules)
    blanker.redact(value)
    return frozenset(blanker.secrets)


def blank(text: str, secrets: Collection[str] = (), rules: RedactionRules = BUILT_IN) -> str:
    """A message of somebody else without these secrets, and without what looks like one."""
    # Servers repeat what they were sent: as it was, quoted in JSON (in a JSON text once more), or
    # in base64. The longest first, since one secret may be a part of another.
    for secret in sorted(secrets, key=len, reverse=True):
        form = secret if len(secret) >= _SHORTEST else ""
        for _ in range(3):
            text = text.replace(form, HIDDEN) if form else text
            form = json.dumps(form)[1:-1]
    if secrets:
        text = re.sub(_BASE64, lambda run: HIDDEN if _encodes(run[0], secrets) else run[0], text)
    return str(_Blanker(rules).redact(text))


def _encodes(run: str, secrets: Collection[str]) -> bool:
    """Whether a run of base64, which may have been cut at either end, holds one of the secrets."""
    text = run.rstrip("=")
    # Four characters are three bytes: a cut leaves one of four places where they begin.
    for start in range(4):
        part = text[start:]
        decoded = base64.b64decode(part[: len(part) // 4 * 4], altchars=b"-_").decode("latin-1")
        if any(secret in decoded for secret in secrets if len(secret) >= _SHORTEST):
            return True
    return False
