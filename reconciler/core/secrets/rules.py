"""Redaction rules: names whose values an owner hides, and names whose values are shown."""

from __future__ import annotations

import re
from functools import lru_cache

from reconciler.core.digest import digest
from reconciler.core.globs import matches_any
from reconciler.core.secrets.names import NameKind, kind_of_name
from reconciler.values import dataclass

# Raised with every change of the built-in rules, so that a state knows by which it was written.
VERSION = 7
_LITERAL = re.compile(r"[a-z0-9]+")
_SET = re.compile(r"\[[^\]]*\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionRules:
    """Globs on the names of values; `redact` wins over `reveal`.

    Case does not matter, and a dash in a name counts as an underscore: `my_key_*` matches
    `MY_KEY_A` and `--my-key-a`. A revealed value is still searched for tokens and keys whose form
    alone proves that they are secrets.
    """

    redact: tuple[str, ...] = ()
    reveal: tuple[str, ...] = ()

    def kind_of(self, name: str) -> NameKind:
        """What the name of a value says; the owner's globs count first."""
        return _kind_of(self, name) if self.redact or self.reveal else kind_of_name(name)

    @property
    def strict(self) -> RedactionRules:
        """The same without `reveal`, which speaks about the owner's own files only."""
        return RedactionRules(redact=self.redact) if self.reveal else self

    @property
    def fingerprint(self) -> str:
        """Names these rules; under another one, a state may hold secrets that are hidden now."""
        return digest([VERSION, sorted(self.redact), sorted(self.reveal)])

    @property
    def hints(self) -> tuple[str, ...]:
        """A piece in lower case of each glob of `redact` that all its names contain."""
        return tuple(max(literals_of(glob), key=len, default="") for glob in self.redact)


BUILT_IN = RedactionRules()


def literals_of(glob: str) -> list[str]:
    """The letters and digits that a glob insists on; none in one that takes every name."""
    return _LITERAL.findall(_SET.sub("*", glob.lower()))


@lru_cache(maxsize=8192)
def _kind_of(rules: RedactionRules, name: str) -> NameKind:
    plain = name.lower().lstrip("-").replace("-", "_")
    for kind, globs in ((NameKind.HIDDEN, rules.redact), (NameKind.SHOWN, rules.reveal)):
        if matches_any(plain, map(str.lower, globs)):
            return kind
    return kind_of_name(name)
