from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from hypothesis import given
from jsonschema import Draft7Validator

from reconciler import __version__
from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.report.machine.documents import to_text
from reconciler.report.machine.fingerprints import fingerprints
from reconciler.report.machine.sarif import SCHEMA, Rule, sarif_document
from tests.report.diagnostics import BARE, UNKNOWN, reports

PUBLISHED = json.loads(
    (Path(__file__).parent / "published" / "sarif-schema-2.1.0.json").read_bytes()
)
VALIDATOR = Draft7Validator(PUBLISHED, format_checker=Draft7Validator.FORMAT_CHECKER)
RULES = {
    "unknown-field": Rule(meaning="a field that does not exist"),
    "nested-config": Rule(meaning="it is not read", severity=Severity.WARNING, suppressible=True),
}


def problems(log: dict[str, Any]) -> list[str]:
    """What the published schema has against a log, as it is written."""
    return [error.message for error in VALIDATOR.iter_errors(json.loads(to_text(log)))]


def test_the_log() -> None:
    """Rules, findings, places and fingerprints stand where SARIF wants them."""
    log = sarif_document([UNKNOWN, BARE], RULES)
    assert problems(log) == []
    [run] = log["runs"]
    names = fingerprints([UNKNOWN, BARE])
    assert run["tool"]["driver"] == {
        "name": "reconciler",
        "version": __version__,
        "rules": [
            {
                "id": "nested-config",
                "shortDescription": {"text": "It is not read."},
                "help": {
                    "text": "It is not read. A warning is shown, and keeps nothing from being "
                    "applied. A file can suppress it, with a reason.",
                    "markdown": "It is not read. A warning is shown, and keeps nothing from being "
                    "applied.\n\nA file can suppress it, with a reason:\n\n```yaml\n"
                    "# reconciler:ignore nested-config -- REASON\n```\n\n"
                    "`docs/diagnostics.md` has an example, under `nested-config`.",
                },
                "defaultConfiguration": {"level": "warning"},
            },
            {
                "id": "unknown-field",
                "shortDescription": {"text": "A field that does not exist."},
                "help": {
                    "text": "A field that does not exist. An error keeps plan and apply from "
                    "sending anything. It cannot be suppressed.",
                    "markdown": "A field that does not exist. An error keeps plan and apply from "
                    "sending anything.\n\nIt cannot be suppressed.\n\n"
                    "`docs/diagnostics.md` has an example, under `unknown-field`.",
                },
                "defaultConfiguration": {"level": "error"},
            },
        ],
    }
    assert run["results"] == [
        {
            "ruleId": "unknown-field",
            "ruleIndex": 1,
            "level": "error",
            "message": {"text": "unknown field 'priorty'\nhint: did you mean 'priority'?"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": "team-a/finetune.yaml", "uriBaseId": "SRCROOT"},
                        "region": {"startLine": 4, "startColumn": 3, "endLine": 4, "endColumn": 10},
                    },
                    "logicalLocations": [
                        {"fullyQualifiedName": "4501/llm-finetune", "kind": "resource"}
                    ],
                }
            ],
            "partialFingerprints": {"reconciler/v1": names[0]},
            "properties": {"pointer": "/metadata/priorty"},
        },
        {
            "ruleId": "nested-config",
            "ruleIndex": 0,
            "level": "warning",
            "message": {"text": "not read"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {
                            "uri": "team%20b/100%25.yaml",
                            "uriBaseId": "SRCROOT",
                        },
                        "region": {"startLine": 1, "startColumn": 1},
                    }
                }
            ],
            "partialFingerprints": {"reconciler/v1": names[1]},
            "properties": {"pointer": ""},
        },
    ]


def test_nothing_found() -> None:
    """A log without results is one, too: it tells a server that everything is repaired."""
    log = sarif_document([], RULES)
    assert (log["$schema"], log["version"]) == (SCHEMA, "2.1.0")
    assert (log["runs"][0]["results"], problems(log)) == ([], [])


def test_the_published_schema_is_strict() -> None:
    """It notices a log that lacks something, so that the test above means something."""
    log = sarif_document([UNKNOWN], RULES)
    del log["runs"][0]["results"][0]["message"]
    assert problems(log) == ["'message' is a required property"]


@given(reports)
def test_every_log_is_valid(found: list[Diagnostic]) -> None:
    """Whatever stands in findings; and a file's name can be read back from its URI."""
    log = sarif_document(found, {})
    assert problems(log) == []
    for finding, result in zip(found, log["runs"][0]["results"], strict=True):
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert uri.isascii()
        assert urlsplit(uri)[:2] == ("", "")
        readable = finding.where.file.encode("utf-8", "replace").decode()
        assert unquote(urlsplit(uri).path) == readable
        rules = log["runs"][0]["tool"]["driver"]["rules"]
        assert rules[result["ruleIndex"]]["id"] == finding.code
