"""Findings as a SARIF 2.1.0 log, which code scanners exchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from reconciler import __version__
from reconciler.core.diagnostics import Diagnostic
from reconciler.errors import Where
from reconciler.report.machine.fingerprints import fingerprints

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_ROOT = "SRCROOT"


def sarif_document(found: Sequence[Diagnostic], meanings: Mapping[str, str]) -> dict[str, Any]:
    """A log with one run; `meanings` tells of each code what it stands for."""
    codes = sorted({finding.code for finding in found})
    driver = {
        "name": "reconciler",
        "version": __version__,
        "rules": [_rule(code, meanings.get(code, code)) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
        "results": [
            _result(finding, codes.index(finding.code), fingerprint)
            for finding, fingerprint in zip(found, fingerprints(found), strict=True)
        ],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str, meaning: str) -> dict[str, Any]:
    return {"id": code, "shortDescription": {"text": f"{meaning[:1].upper()}{meaning[1:]}."}}


def _result(finding: Diagnostic, rule: int, fingerprint: str) -> dict[str, Any]:
    hint = f"\nhint: {finding.hint}" if finding.hint else ""
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(finding.where.file), "uriBaseId": _ROOT},
            "region": _region(finding.where),
        }
    }
    if finding.address:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.address, "kind": "resource"}]
    return {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": finding.severity.value,
        "message": {"text": f"{finding.message}{hint}"},
        "locations": [location],
        "partialFingerprints": {"reconciler/v1": fingerprint},
        "properties": {"pointer": finding.pointer},
    }


def _uri(file: str) -> str:
    return quote(file, errors="replace")


def _region(where: Where) -> dict[str, int]:
    region = {"startLine": where.line, "startColumn": where.column}
    if where.end_line is None or where.end_column is None:
        return region
    return region | {"endLine": where.end_line, "endColumn": where.end_column}
