"""Diagnostics as a SARIF 2.1.0 log, which code scanners exchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from reconciler import __version__
from reconciler.core.diagnostics import Diagnostic
from reconciler.report.machine.fingerprints import fingerprints

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_ROOT = "SRCROOT"


def sarif_document(
    diagnostics: Sequence[Diagnostic], meanings: Mapping[str, str]
) -> dict[str, Any]:
    """A log with one run; `meanings` tells of each code what it stands for."""
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    rules = []
    for code in codes:
        meaning = meanings.get(code, code)
        text = f"{meaning[:1].upper()}{meaning[1:]}."
        rules.append({"id": code, "shortDescription": {"text": text}})
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
