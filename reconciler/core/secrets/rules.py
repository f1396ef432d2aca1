"""What an owner adds to the rules: names whose values are hidden, and names that are shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from reconciler.core.digest import digest
from reconciler.core.globs import matches_any
from reconciler.core.secrets.names import NameKind, kind_of_name

# Raised with every change of what is hidden, so that a state knows by which rules it was written.
VERSION = 3
_LITERAL = re.compile(r"[a-z0-9]+")
_SET = re.compile(r"\[[^\]]*\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionRules:
    """Globs on the names of values; `redact` wins over `reveal`.

    Case does not matter, and a dash in a name is an underscore for them: `my_key_*` is meant for
    `MY_KEY_A` and for `--my-key-a`. What a glob of `reveal` shows is still searched for what is a
    secret by its shape beyond doubt.
    """

    redact: tuple[str, ...] = ()
    reveal: tuple[str, ...] = ()

    def kind_of(self, name: str) -> NameKind:
        """What the name of a value says, the owner's word first."""
        return _kind_of(self, name) if self.redact or self.reveal else kind_of_name(name)

    @property
    def strict(self) -> RedactionRules:
        """The same for what others wrote: an owner reveals what stands in his own files."""
        return RedactionRules(redact=self.redact) if self.reveal else self

    @property
    def fingerprint(self) -> str:
        """Names these rules: a state written by others may hold what is hidden now."""
        return digest([VERSION, sorted(self.redact), sorted(self.reveal)])

    @property
    def hints(self) -> tuple[str, ...]:
        """Of each glob of `redact` what every name that it hides has, in lower case."""
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
