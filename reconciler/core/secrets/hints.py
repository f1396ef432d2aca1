"""Whether a text has to be searched for secrets; nearly all need not.

Everything that is stored or compared is tested here, so speed decides the form: it searches for
fixed words first, and runs an expression only where one of them matches.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from reconciler.core.secrets.names import SUFFIXES

# In lower case `secretKeyBase` has no more words: what may follow the last one is named.
_END = rf"s?(?:{'|'.join(sorted(SUFFIXES, key=len, reverse=True))}|header|id|ur[il])*(?![a-z])"
# They are looked for one by one: that is many times as fast as one expression with alternatives.
_HINTS = (
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

# Letters and digits become `a`, the rest a space: long runs are found without an expression.
_RUNS = bytes(ord("a") if chr(i).isalnum() and i < 128 else ord(" ") for i in range(256))
_RUN = b"a" * 12
_HEX = b"0123456789abcdef"


class SecretHints:
    """Looks for signs of a secret; `names` are pieces of names that hide a value as well."""

    # Fleets repeat themselves: the same fields, image names, flags and labels in every workload.
    # Pieces that were searched once are remembered, and a document of such pieces is not searched.
    MAX_PIECES = 50_000
    MAX_PIECE = 64
    SHORT = 128
    # A run asks of one document several times in a row, and once more when a server repeats it.
    MAX_DOCUMENT = 8192

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self._names = tuple(_as_bytes(name).decode("latin-1") for name in names)
        self._harmless: set[str] = set()
        self._suspicious: set[str] = set()
        self._has_hint_cached = lru_cache(maxsize=8192)(self._has_hint)
        self._is_suspicious_cached = lru_cache(maxsize=512)(self._is_suspicious)

    def may_hold_secret(self, text: str) -> bool:
        """Whether a text, or a document as JSON text, has to be searched.

        It may be True of a text without secrets, and is never False of one with a secret.
        """
        if len(text) <= self.SHORT:
            return self._has_hint_cached(text)
        if len(text) <= self.MAX_DOCUMENT:
            return self._is_suspicious_cached(text)
        return self._is_suspicious(text)

    def _is_suspicious(self, text: str) -> bool:
        # A quote within a string would be taken for its end, and a sign cut in two.
        if '\\"' in text:
            return self._has_hint(text)
        pieces = set(text.split('"')) - self._harmless
        if not (pieces and self._suspicious.isdisjoint(pieces)):
            return bool(pieces)
        if len(self._harmless) + len(self._suspicious) > self.MAX_PIECES:
            self._harmless.clear()
            self._suspicious.clear()
        short = [piece for piece in pieces if len(piece) <= self.MAX_PIECE]
        # All new pieces in one search: most documents have no sign, and are done with it.
        if not self._has_hint('"'.join(("", *pieces, ""))):
            self._harmless.update(short)
            return False
        self._suspicious.update(piece for piece in short if self._has_hint_cached(f'"{piece}"'))
        return True

    def _has_hint(self, text: str) -> bool:
        # As bytes: only ASCII letters make words here, and other letters must not turn into them.
        data = _as_bytes(text)
        # And as a text of these bytes, which is searched four times as fast.
        lower = data.lower().decode("latin-1")
        for hint, ending in _HINTS:
            if hint in lower and _compiled(ending).search(lower):
                return True
        return any(name in lower for name in self._names) or _has_long_run(data)


@lru_cache(maxsize=16)
def hints_for(names: tuple[str, ...]) -> SecretHints:
    """The hints of one set of rules; one object, so that its memory serves every redactor."""
    return SecretHints(names)


@cache
def _compiled(ending: str) -> re.Pattern[str]:
    # Of a small tree few are ever needed, and all take as long to compile as its specs to be read.
    return re.compile(ending, re.ASCII)


def _as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _has_long_run(data: bytes) -> bool:
    """Whether there may be a token or something random; words and digests are neither."""
    runs = data.translate(_RUNS)
    at = runs.find(_RUN)
    while at >= 0:
        end = runs.find(b" ", at)
        run = data[at : end if end >= 0 else len(data)]
        before = data[at - 1 : at]
        # Nothing stands before the first run of a text, and that is in every bytes: a text may be
        # a token as a whole.
        follows_mark = before in b"_-."
        if run.isalpha():
            # `terminationGracePeriodSeconds`; behind a mark (`hf_`) letters may be all there is.
            is_word = not follows_mark or (run.islower() and before != b"_")
            is_harmless = is_word and not run.isupper()
        else:
            # The last part of a UUID stands behind a dash; a longer run there follows a mark.
            is_harmless = (not follows_mark or len(run) == len(_RUN)) and not run.strip(_HEX)
        if not is_harmless:
            return True
        at = runs.find(_RUN, at + len(run))
    return False
