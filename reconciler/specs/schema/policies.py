"""The user's own JSON Schemas, which every effective spec must satisfy as well."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.errors import Where
from reconciler.specs.config import Config, name_below
from reconciler.specs.discovery.globs import BadPatternError, Pattern, read_pattern, selects
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.rules.tree_diagnostics import diagnostic_at
from reconciler.specs.schema.compiled_schema import SchemaViolation
from reconciler.specs.schema.policyfiles import policy_files
from reconciler.specs.source.documents import Document
from reconciler.specs.source.fileaccess import ReadFailure, read_bytes
from reconciler.specs.source.nodes import Step
from reconciler.specs.source.source_cache import read_data

_SEVERITIES = {one.value: one for one in Severity}
_LISTS = ("x-kinds", "x-projects", "x-paths")
_TEXTS = ("x-id", "x-message", "x-docs")


class PolicyVerdict(NamedTuple):
    """What a policy says of one violation."""

    message: str
    hint: str
    severity: Severity


class Policy(NamedTuple):
    """One schema of `policies:`, and which specs it is about; left out, about every one.

    `kinds` are globs on the manifest's kind, `projects` on a project's id or alias, `paths`
    patterns of files in gitignore syntax. Severity, message and link stand in the schema itself,
    as `x-` keys at its top or beside the very keyword that is violated.
    """

    file: str
    name: str
    title: str
    document: Document
    kinds: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    paths: tuple[Pattern, ...] = ()

    def concerns(self, spec: Mapping[str, Any], projects: Collection[str], file: str) -> bool:
        """Whether the policy is about a spec, given its project's names and its file."""
        kind = spec["manifest"].get("kind", "") if "manifest" in spec else ""
        if self.kinds and not any(fnmatchcase(str(kind), glob) for glob in self.kinds):
            return False
        if self.projects and not any(
            fnmatchcase(name, glob) for name in projects for glob in self.projects
        ):
            return False
        return not self.paths or selects(self.paths, file)

    def word(self, violation: SchemaViolation) -> PolicyVerdict:
        """Word a violation as the policy's author wants it."""
        notes = violation.notes
        docs = f"see {notes['x-docs']}" if "x-docs" in notes else ""
        # What the author says is meant for this very case, so it goes before our own advice.
        own = "" if "x-message" in notes else violation.hint
        return PolicyVerdict(
            message=f"{notes.get('x-message', violation.message)} ({self.title})",
            hint="; ".join(filter(None, (own, docs))),
            severity=_SEVERITIES.get(notes.get("x-severity", ""), Severity.ERROR),
        )


def load_policies(config: Config, root: Path, found: list[Diagnostic]) -> tuple[Policy, ...]:
    """Read the policies of a configuration; what is wrong with them is added to `found`."""
    policies: dict[Path, Policy] = {}
    for files, trouble in policy_files(config):
        if trouble is not None:
            place = config.where["policies"]
            found.append(make_diagnostic(trouble.code, trouble.message, place, hint=trouble.hint))
        for path, real in files:
            name = name_below(path, root)
            policy = None if path in policies else _load(real, name, found)
            if policy is not None:
                policies[path] = policy
    return tuple(policies.values())


def _load(real: str | ReadFailure, name: str, found: list[Diagnostic]) -> Policy | None:
    reading = read_data(real if isinstance(real, ReadFailure) else read_bytes(real), name)
    found.extend(reading.diagnostics)
    if reading.broken or len(reading.documents) != 1:
        return None
    document = reading.documents[0]
    if not isinstance(document.value, dict | bool):
        message = "not a JSON Schema: it is neither a mapping nor a boolean"
        found.append(make_diagnostic("bad-policy", message, Where(file=name)))
        return None
    notes = document.value if isinstance(document.value, dict) else {}
    mistakes = list(_mistaken_notes(document.value))
    found.extend(
        diagnostic_at(document.tree(), "bad-policy", message, where, hint=hint)
        for where, message, hint in mistakes
    )
    return None if mistakes else _make(notes, document, name)


def _make(notes: Mapping[str, Any], document: Document, name: str) -> Policy:
    own = str(notes.get("x-id") or _stem(name))
    kinds, projects, paths = (_listed(notes, key) for key in _LISTS)
    return Policy(
        file=name,
        name=own,
        title=f"policy {notes.get('title') or notes.get('x-id') or name}",
        document=document,
        kinds=kinds,
        projects=projects,
        paths=tuple(pattern for path in paths if (pattern := read_pattern(path))),
    )


def _stem(name: str) -> str:
    base = name.rpartition("/")[2].rpartition(".")[0]
    return base.removesuffix(".schema")


def _listed(notes: Mapping[str, Any], key: str) -> tuple[str, ...]:
    given = notes.get(key, ())
    return (given,) if isinstance(given, str) else tuple(given)


def _mistaken_notes(
    schema: Any, path: tuple[Step, ...] = ()
) -> Iterator[tuple[tuple[Step, ...], str, str]]:
    """Yield what is wrong with the `x-` keys of a schema, wherever they stand: place, words, hint.

    Keys of other tools are left alone.
    """
    if isinstance(schema, list):
        for index, one in enumerate(schema):
            yield from _mistaken_notes(one, (*path, index))
    for key, value in schema.items() if isinstance(schema, dict) else ():
        here = (*path, key)
        if problem := _problem_of_note(key, value):
            yield here, f"'{key}' {problem[0]}", problem[1]
        elif key in _LISTS and path:
            yield here, f"'{key}' belongs to the top of the policy", ""
        elif key not in ("const", "enum", "default", "examples"):
            yield from _mistaken_notes(value, here)


def _problem_of_note(key: str, value: Any) -> tuple[str, str] | None:
    if key == "x-severity" and value not in tuple(_SEVERITIES):
        return "must be error or warning", ""
    if key in _TEXTS and not (isinstance(value, str) and value):
        return "must be a text", ""
    if key not in _LISTS:
        return None
    texts = [value] if isinstance(value, str) else value
    if not (isinstance(texts, list) and texts and all(isinstance(one, str) for one in texts)):
        return "must be a glob, or a list of them", ""
    try:
        _ = [read_pattern(one) for one in texts] if key == "x-paths" else []
    except BadPatternError as error:
        return f"holds what is not a pattern: {error}", "write it in gitignore syntax"
    return None
