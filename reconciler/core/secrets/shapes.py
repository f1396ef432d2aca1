"""Texts that are secrets by their form alone, and texts that cannot be any."""

from __future__ import annotations

import re
from collections.abc import Callable

# What stands behind an issuer's mark. A run of thirteen that is neither a word nor a number is what
# `hints.py` looks for: `sk-learn-pipelines` is the name of a workload.
_RANDOM = r"(?![a-z]{13}|[0-9a-f]{13})[A-Za-z0-9]{13}"
_LETTERS = r"[A-Za-z0-9]{16,}[\w-]*"
_MIXED = rf"(?=[\w.=+/-]{{0,64}}?{_RANDOM})[\w.=+/-]+"
_JOINED = r"(?=[A-Za-z]*\d)[A-Za-z0-9]{13}[\w.=+/-]*"
_DIGITS = r"(?=[a-f]*\d)[a-f0-9]{32,}"
# How issuers mark their tokens, as their documentation and public scanners tell (see NOTICE).
_MARKS = (
    # code, packages, builds
    (_LETTERS, r"gh[oprsu]_", r"github_pat_", r"npm_", r"rubygems_", r"CLOJARS_"),
    (_MIXED, r"dckr_pat_", r"pypi-", r"figd_", r"tfp_", r"PMAK-"),
    (_JOINED, r"AT[AC]TT3", r"GR1348941", r"AKCp", r"cmVmd"),
    (r"[\w.-]{8,}", r"gl(?:agent|cbt|dt|ffct|ft|imt|oas|pat|ptt|rt|soat)-"),
    # models and experiments
    (_LETTERS, r"hf_", r"api_org_", r"r8_", r"gsk_", r"pcsk_", r"jina_", r"lsv2_[a-z]{2}_"),
    (_MIXED, r"sk-(?:[a-z0-9]{2,8}-){0,3}", r"nvapi-", r"pplx-", r"xai-", r"tvly-"),
    # clouds and their tools
    (r"[A-Z0-9]{16}(?![A-Z0-9])", r"A3T[A-Z0-9]", r"A(?:BIA|CCA|KIA|SIA)"),
    (r"[\w-]{30,}", r"AIza"),
    (_DIGITS, r"do[opr]_v1_", r"dapi", r"pul-", r"sbp_", r"(?<!-)key-", r"[AS][CK]"),
    (_JOINED, r"ABSK", r"AKID", r"AQVN", r"EZ[AT]K", r"LTAI", r"AGE-SECRET-KEY-1"),
    (_MIXED, r"ya29\.", r"GOCSPX-", r"hv[bsr]\.", r"tskey-"),
    (_MIXED, r"dp\.[a-z]{2,5}\.", r"[A-Za-z0-9]{14}\.atlasv1\.", r"fm[12][ar]?_", r"fo1_", r"nfp_"),
    (_MIXED, r"pscale_(?:oauth|pw|tkn)_", r"tk-us-", r"HRKU-", r"ops_", r"sha256~"),
    # messages, mail, payment, observation
    (r"[\w-]{6,}", r"xox[a-z](?:\.xox[a-z])?-", r"xapp-"),
    (_LETTERS, r"[rs]k_(?:live|prod|test)_", r"shp(?:at|ca|pa|ss)_", r"shippo_(?:live|test)_"),
    (_LETTERS, r"whsec_", r"glsa_", r"sntr(?:ys|yu)_", r"lin_api_", r"ntn_", r"rdme_", r"pnu_"),
    (_MIXED, r"SG\.", r"xkeysib-", r"sq0(?:atp|csp)-", r"FLWSECK(?:_TEST)?-", r"glc_"),
    (
        _MIXED,
        r"duffel_(?:live|test)_",
        r"NR(?:AK|II|JS)-",
        r"dt0c01\.",
        r"sgp_",
        r"ico-",
        r"fio-u-",
    ),
    (_MIXED, r"\d{8,10}:AA"),
)
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_])(?:"
    + "|".join(f"(?:{'|'.join(marks)}){tail}" for tail, *marks in _MARKS)
    + ")"
)
# RFC 7519: three parts in base64url, of which two are objects.
_JWT = re.compile(r"(?<![\w-])ey[A-Za-z0-9]{11}[\w-]*\.ey[\w-]{8,}\.[\w-]*")
# RFC 7468; of what is public nobody reads the base64 either.
_BLOCK = re.compile(r"-----BEGIN [^-\n]{1,64}-----.*?(?:-----END [^-\n]{1,64}-----|\Z)", re.DOTALL)

_RUN = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_PART = re.compile(r"[A-Za-z0-9]+")
# Content addresses, and keys that are made to be given away.
_PUBLIC = re.compile(r"(?:sha\d+:|ssh-[a-z0-9]+ |nistp\d+ )$")
_INTEGRITY = re.compile(r"sha(?:256|384|512)-")
_CASES = str.maketrans(
    dict.fromkeys("abcdefghijklmnopqrstuvwxyz", "a")
    | dict.fromkeys("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "A")
    | dict.fromkeys("0123456789", "0")
)
# How often one kind of letter follows another: by chance 0.62 of the time among three kinds, 0.4
# of the time among two; in the names of models, machines and types less.
_CHANGES_OF_THREE = 0.45
_CHANGES_OF_TWO = 0.25

_NUMBER = re.compile(r"[+-]?\d+(?:[._]\d+)*(?:[eE][+-]?\d+)?(?:[A-Za-z]{1,2}|%)?")
_PATH = re.compile(r"(?:\.{0,2}|~)(?:/[\w.@%+=-]+){2,}/?|/[\w-]+\.[a-z]{2,5}")
_LABEL = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+/[A-Za-z][\w.-]*")
_OPEN_WORDS = frozenset(
    {
        *("0", "1", "auto", "basic", "bearer", "default", "disable", "disabled", "enable"),
        *("enabled", "false", "no", "none", "null", "off", "on", "optional", "required", "true"),
        "yes",
    }
)
# A name, a call or an index in a program.
_CODE = re.compile(r"[A-Za-z_][A-Za-z_.]*(?:[,;)\]}]*|[(\[{].*)", re.DOTALL)


def hide_tokens(text: str, hide: Callable[[str], str]) -> str:
    """Hide what its issuer's mark, or its form, says is a secret beyond doubt."""
    return _JWT.sub(lambda m: hide(m[0]), _TOKEN.sub(lambda m: hide(m[0]), text))


def hide_blocks(text: str, hide: Callable[[str], str]) -> str:
    """Hide keys and certificates that are written in lines between two marks."""
    return _BLOCK.sub(lambda m: hide(m[0]), text)


def hide_random(text: str, hide: Callable[[str], str]) -> str:
    """Hide long runs that no person and no hash function wrote."""

    def hidden(run: re.Match[str]) -> str:
        if not _is_random(run[0]) or _PUBLIC.search(text, max(0, run.start() - 24), run.start()):
            return run[0]
        return hide(run[0])

    return _RUN.sub(hidden, text)


def _is_random(run: str) -> bool:
    """Whether the kinds of its letters change as often as chance would have it.

    A path, or the name of a model, is made of short parts; hexadecimal digits all have one case.
    """
    longest = max(_PART.findall(run), key=len, default="")
    cases = longest.translate(_CASES)
    changes = sum(map(str.__ne__, cases, cases[1:])) / max(1, len(cases) - 1)
    kinds = set(cases)
    if kinds == {"a", "A", "0"}:
        encoded = len(run) >= 32 and any(sign in run for sign in "=+_-")
        shortest = 12 if encoded else 24
        return (
            len(longest) >= shortest and changes >= _CHANGES_OF_THREE and not _INTEGRITY.match(run)
        )
    return (
        kinds in ({"a", "0"}, {"A", "0"})
        and len(longest) >= 32
        and changes >= _CHANGES_OF_TWO
        and not _is_hex(longest)
    )


def _is_hex(text: str) -> bool:
    return not text.lower().strip("0123456789abcdef")


def is_open(text: str, *, surely: bool, code: bool = False) -> bool:
    """Whether a value is shown although its name says that it is a secret.

    `surely` is what the name says; `code` that the value stands in a program, where a name means
    another value.
    """
    value = text.strip("\"' ,;)}]")
    # Also the default of a variable: `${TOKEN:-$OTHER}`.
    if value.lstrip("-").startswith("$") or value.lower() in _OPEN_WORDS:
        return True
    if _PATH.fullmatch(value) and not _is_random(value):
        return True
    if surely:
        return False
    return bool(
        _NUMBER.fullmatch(value) or _LABEL.fullmatch(value) or (code and _CODE.fullmatch(value))
    )
