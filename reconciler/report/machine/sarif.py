"""Diagnostics as a SARIF 2.1.0 log, which code scanners exchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from reconciler import __version__
from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.report.machine.fingerprints import fingerprints
from reconciler.values import dataclass

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_ROOT = "SRCROOT"
_EFFECTS = {
    Severity.ERROR: "An error keeps plan and apply from sending anything.",
    Severity.WARNING: "A warning is shown, and keeps nothing from being applied.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a code stands for, how bad it is, and whether a file can suppress it."""

    meaning: str
    severity: Severity = Severity.ERROR
    suppressible: bool = False


def sarif_document(diagnostics: Sequence[Diagnostic], known: Mapping[str, Rule]) -> dict[str, Any]:
    """A log with one run; `known` are the rules by their codes."""
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    rules = [_rule(code, known.get(code) or Rule(meaning=code)) for code in codes]
    run = {
        "tool": {"driver": {"name": "reconciler", "version": __version__, "rules": rules}},
        # Where nothing is said, columns are UTF-16 units; ours count characters.
        "columnKind": "unicodeCodePoints",
        # Without a URI: where a checkout lies is the business of whoever views the log.
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
        "results": [
            _result(diagnostic, codes.index(diagnostic.code), fingerprint)
            for diagnostic, fingerprint in zip(diagnostics, fingerprints(diagnostics), strict=True)
        ],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str, rule: Rule) -> dict[str, Any]:
    meaning = f"{rule.meaning[:1].upper()}{rule.meaning[1:]}."
    effect = _EFFECTS[rule.severity]
    way = (
        "A file can suppress it, with a reason" if rule.suppressible else "It cannot be suppressed"
    )
    comment = (
        f":\n\n```yaml\n# reconciler:ignore {code} -- REASON\n```" if rule.suppressible else "."
    )
    page = f"`docs/diagnostics.md` has an example, under `{code}`."
    return {
        "id": code,
        "shortDescription": {"text": meaning},
        # No helpUri: it has to be an address, and the documentation has none that is the same for
        # everybody. Viewers show this in its place.
        "help": {
            "text": f"{meaning} {effect} {way}.",
            "markdown": f"{meaning} {effect}\n\n{way}{comment}\n\n{page}",
        },
        "defaultConfiguration": {"level": rule.severity.value},
    }


def _result(diagnostic: Diagnostic, rule: int, fingerprint: str) -> dict[str, Any]:
    hint = f"\nhint: {diagnostic.hint}" if diagnostic.hint else ""
    where = diagnostic.where
    region = {"startLine": where.line, "startColumn": where.column}
    if where.end_line is not None and where.end_column is not None:
        region |= {"endLine": where.end_line, "endColumn": where.end_column}
    # A file name may hold bytes that are no UTF-8, which no URI can have.
    uri = quote(where.file, errors="replace")
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": uri, "uriBaseId": _ROOT},
            "region": region,
        }
    }
    if diagnostic.address:
        logical = {"fullyQualifiedName": diagnostic.address, "kind": "resource"}
        location["logicalLocations"] = [logical]
    return {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": diagnostic.severity.value,
        "message": {"text": f"{diagnostic.message}{hint}"},
        "locations": [location],
        # Scanners compare these between runs; the number rises if they are ever made otherwise.
        "partialFingerprints": {"reconciler/v1": fingerprint},
        "properties": {"pointer": diagnostic.pointer},
    }
