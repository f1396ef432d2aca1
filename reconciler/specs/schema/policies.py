"""The user's own JSON Schemas, which every effective spec must satisfy as well."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.globs import BadPatternError, Pattern, matches_any, read_pattern, selects
from reconciler.errors import Where
from reconciler.specs.config import Config, name_below
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.rules.tree_diagnostics import diagnostic_at
from reconciler.specs.schema.compiled_schema import SchemaViolation
from reconciler.specs.schema.policyfiles import policy_files
from reconciler.specs.source.documents import Document
from reconciler.specs.source.fileaccess import ReadFailure, read_bytes
from reconciler.specs.source.nodes import Step
from reconciler.specs.source.source_cache import read_data

_SEVERITIES = {severity.value: severity for severity in Severity}
_LISTS = ("x-kinds", "x-projects", "x-paths")
_TEXTS = ("x-id", "x-message", "x-docs")


class PolicyVerdict(NamedTuple):
    """How a policy presents one violation."""

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
        if self.kinds and not matches_any(str(kind), self.kinds):
            return False
        if self.projects and not any(matches_any(name, self.projects) for name in projects):
            return False
        return not self.paths or selects(self.paths, file)

    def verdict_on(self, violation: SchemaViolation) -> PolicyVerdict:
        """Present a violation as the policy's author wants it."""
        notes = violation.notes
        docs = f"see {notes['x-docs']}" if "x-docs" in notes else ""
        # The author's message is about this very case, and may contradict our general advice.
        own_hint = "" if "x-message" in notes else violation.hint
        return PolicyVerdict(
            message=f"{notes.get('x-message', violation.message)} ({self.title})",
            hint="; ".join(filter(None, (own_hint, docs))),
            severity=_SEVERITIES.get(notes.get("x-severity", ""), Severity.ERROR),
        )


def load_policies(config: Config, root: Path, diagnostics: list[Diagnostic]) -> tuple[Policy, ...]:
    """Read the policies of a configuration; what is wrong with them is added to `diagnostics`."""
    policies: dict[Path, Policy] = {}
    for files, failure in policy_files(config):
        if failure is not None:
            diagnostics.append(
                make_diagnostic(
                    failure.code, failure.message, config.where["policies"], hint=failure.hint
                )
            )
        for path, real_path in files:
            policy = None
            # Two patterns may mean one file.
            if path not in policies:
                policy = _load_policy(real_path, name_below(path, root), diagnostics)
            if policy is not None:
                policies[path] = policy
    return tuple(policies.values())


def _load_policy(
    real_path: str | ReadFailure, name: str, diagnostics: list[Diagnostic]
) -> Policy | None:
    data = real_path if isinstance(real_path, ReadFailure) else read_bytes(real_path)
    reading = read_data(data, name)
    diagnostics.extend(reading.diagnostics)
    if reading.broken or len(reading.documents) != 1:
        return None
    document = reading.documents[0]
    if not isinstance(document.value, dict | bool):
        message = "not a JSON Schema: it is neither a mapping nor a boolean"
        diagnostics.append(make_diagnostic("bad-policy", message, Where(file=name)))
        return None
    mistakes = list(_mistaken_notes(document.value))
    if mistakes:
        diagnostics.extend(
            diagnostic_at(document.tree(), "bad-policy", message, path, hint=hint)
            for path, message, hint in mistakes
        )
        return None
    notes = document.value if isinstance(document.value, dict) else {}
    kinds, projects, paths = (
        (notes[key],) if isinstance(notes.get(key), str) else tuple(notes.get(key, ()))
        for key in _LISTS
    )
    stem = name.rpartition("/")[2].rpartition(".")[0].removesuffix(".schema")
    return Policy(
        file=name,
        name=str(notes.get("x-id") or stem),
        title=f"policy {notes.get('title') or notes.get('x-id') or name}",
        document=document,
        kinds=kinds,
        projects=projects,
        paths=tuple(pattern for path in paths if (pattern := read_pattern(path))),
    )


def _mistaken_notes(
    schema: Any, path: tuple[Step, ...] = ()
) -> Iterator[tuple[tuple[Step, ...], str, str]]:
    """Yield path, message and hint for each `x-` key of a schema that is wrong, at any depth.

    Keys of other tools are left alone.
    """
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from _mistaken_notes(item, (*path, index))
    for key, value in schema.items() if isinstance(schema, dict) else ():
        key_path = (*path, key)
        if mistake := _mistake_in_note(key, value):
            yield key_path, f"'{key}' {mistake[0]}", mistake[1]
        elif key in _LISTS and path:
            yield key_path, f"'{key}' belongs to the top of the policy", ""
        # What these keywords hold is data, in which any key may stand.
        elif key not in ("const", "enum", "default", "examples"):
            yield from _mistaken_notes(value, key_path)


def _mistake_in_note(key: str, value: Any) -> tuple[str, str] | None:
    """What is wrong with a key, as the rest of a sentence about it and a hint."""
    if key == "x-severity" and value not in tuple(_SEVERITIES):
        return "must be error or warning", ""
    if key in _TEXTS and not (isinstance(value, str) and value):
        return "must be a text", ""
    if key not in _LISTS:
        return None
    globs = [value] if isinstance(value, str) else value
    if not (isinstance(globs, list) and globs and all(isinstance(glob, str) for glob in globs)):
        return "must be a glob, or a list of them", ""
    try:
        _ = [read_pattern(glob) for glob in globs] if key == "x-paths" else []
    except BadPatternError as error:
        return f"has a pattern that cannot be read: {error}", "write it in gitignore syntax"
    return None
