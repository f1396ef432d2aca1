"""Whether a text has to be searched for secrets at all: hardly any has to.

Everything that is stored or compared comes by here, so this is about speed: searches for fixed
bytes first, an expression only where one of them is found.
"""

from __future__ import annotations

import re
from functools import lru_cache

from reconciler.core.secrets.names import SUFFIXES

# In lower case `secretKeyBase` has no more words: what may follow the last one is named.
_END = rf"s?(?:{'|'.join(sorted(SUFFIXES, key=len, reverse=True))}|header|id|ur[il])*(?![a-z])"
# They are looked for one by one: that is many times as fast as one expression with alternatives.
_HINTS = tuple(
    (hint.encode(), re.compile(ending.encode()))
    for hint, ending in (
        ("auth", rf"auth(?:orization)?{_END}"),
        ("pass", rf"pass(?:code|phrase|wd|word)?{_END}"),
        ("pat", rf"pat{_END}"),
        ("pw", rf"pwd?{_END}"),
        ("cred", rf"cred(?:ential)?{_END}"),
        ("secret", rf"(?<!imagepull)secret{_END}"),
        ("token", rf"(?<!\"max)(?<!\"max_)token{_END}"),
        # Right after a quote it is the whole name, or its first word.
        ("key", rf"(?<!topology)key{_END}(?:(?<!\"key)|(?<=\\\"key))"),
        ("string", rf"string{_END}(?:(?<!\"string)|(?<=\\\"string))"),
        ("jwt", rf"jwt{_END}"),
        ("cookie", rf"cookie{_END}"),
        ("hook", rf"hooks?(?:b2)?[./]|webhook{_END}"),
        ("salt", rf"salt{_END}"),
        ("pepper", rf"pepper{_END}"),
        ("bearer", r"bearer"),
        ("mnemonic", rf"mnemonic{_END}"),
        ("sas", rf"sas{_END}"),
        ("sid", r"account[^a-z]*sid(?![a-z])"),
        ("kubeconfig", rf"kubeconfig{_END}"),
        ("-----begin ", r"-----begin "),
        ("://", r"://[^/\s]*@"),
        ("sig", r"sig(?:nature)?="),
        ("code=", r"[?&]code="),
        ("-u", r"(?:[\s\"]|\\[nt])-u(?![a-z])"),
        ("user", r"--(?:http-|proxy-)?user(?![a-z])"),
        ("mysql", r"mysql(?:dump|admin)?(?![a-z])"),
        ("login", r"login(?![a-z])"),
        ("-cli", r"redis-cli(?![a-z])"),
        ("ldapsearch", r"ldapsearch(?![a-z])"),
        ("mariadb", r"mariadb(?![a-z])"),
        ("mongosh", r"mongosh(?![a-z])"),
        ("xox", r"xox[a-z]"),
        ("xapp-", r"xapp-"),
        ("gl", r"gl[a-z]{2,5}-"),
        ("aiza", r"aiza"),
        ("akia", r"akia"),
    )
)

# Letters and digits become `a`, the rest a space: long runs are found without an expression.
_RUNS = bytes(ord("a") if chr(i).isalnum() and i < 128 else ord(" ") for i in range(256))
_RUN = b"a" * 12
_HEX = b"0123456789abcdef"


class SecretHints:
    """Looks for what gives a secret away; `names` are pieces of names that hide a value as well.

    Fleets repeat themselves: the same fields, image names, flags and labels in every workload.
    What has been looked at once is remembered, and a document whose pieces are all known is not
    searched again.
    """

    KEPT = 50_000
    LONGEST = 64
    SHORT = 128

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self._names = tuple(name.encode() for name in names)
        self._innocent: set[str] = set()
        self._guilty: set[str] = set()
        self._has_hint_cached = lru_cache(maxsize=8192)(self._has_hint)

    def may_hold_secret(self, text: str) -> bool:
        """Whether a text, or a document as JSON text, has to be searched.

        True where there is nothing is possible, False where there is something is not.
        """
        if len(text) <= self.SHORT:
            return self._has_hint_cached(text)
        # A quote within a string: what stands beside it belongs together.
        if '\\"' in text:
            return self._has_hint(text)
        pieces = set(text.split('"')) - self._innocent
        if not (pieces and self._guilty.isdisjoint(pieces)):
            return bool(pieces)
        if len(self._innocent) + len(self._guilty) > self.KEPT:
            self._innocent.clear()
            self._guilty.clear()
        short = [piece for piece in pieces if len(piece) <= self.LONGEST]
        if not self._has_hint('"'.join(("", *pieces, ""))):
            self._innocent.update(short)
            return False
        self._guilty.update(piece for piece in short if self._has_hint_cached(f'"{piece}"'))
        return True

    def _has_hint(self, text: str) -> bool:
        # As bytes: only ASCII letters make words here, and other letters must not turn into them.
        data = text.encode("utf-8", "surrogatepass")
        lower = data.lower()
        for hint, ending in _HINTS:
            if hint in lower and ending.search(lower):
                return True
        return any(name in lower for name in self._names) or _has_long_run(data)


@lru_cache(maxsize=16)
def hints_for(names: tuple[str, ...]) -> SecretHints:
    """The hints of one set of rules, with what they remember."""
    return SecretHints(names)


def _has_long_run(data: bytes) -> bool:
    """Whether a token, or something random, may stand there: words and digests are neither."""
    runs = data.translate(_RUNS)
    at = runs.find(_RUN)
    while at >= 0:
        end = runs.find(b" ", at)
        run = data[at : end if end >= 0 else len(data)]
        if not _is_innocent(run, data[at - 1 : at]):
            return True
        at = runs.find(_RUN, at + len(run))
    return False


def _is_innocent(run: bytes, before: bytes) -> bool:
    if run.isalpha():
        # `terminationGracePeriodSeconds`; behind a mark (`hf_`) letters may be all there is.
        return not run.isupper() and (before not in b"_-." or (run.islower() and before != b"_"))
    # The last part of a UUID stands behind a dash, a longer run there behind a mark.
    return (before not in b"_-." or len(run) == len(_RUN)) and not run.strip(_HEX)
