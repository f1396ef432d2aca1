"""The user's own JSON Schemas, which every effective spec must satisfy as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, SchemaError
from jsonschema.protocols import Validator
from referencing.exceptions import Unresolvable

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.errors import Where
from reconciler.specs.codes import finding
from reconciler.specs.config import Config, name_below
from reconciler.specs.library import read_file
from reconciler.specs.shapes import Breach, find_breaches, make_validator

# What a schema that its own metaschema accepts may still raise when it is used.
_UNUSABLE = (Unresolvable, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One schema of `policies:`; `x-severity: warning` in it makes its findings warnings."""

    file: str
    title: str
    severity: Severity
    validator: Validator


def policy_files(config: Config) -> Iterator[tuple[str, list[Path]]]:
    """Yield each pattern of the configuration with the files that match it."""
    if config.path is None:
        return
    folder = config.path.parent
    for pattern in config.policies:
        try:
            matching = sorted(folder.glob(pattern))
        except (ValueError, NotImplementedError, OSError):
            matching = []
        yield pattern, matching


def load_policies(config: Config, root: Path, found: list[Diagnostic]) -> tuple[Policy, ...]:
    """Read the policies of a configuration; what is wrong with them is added to `found`."""
    policies: dict[Path, Policy] = {}
    for pattern, files in policy_files(config):
        if not files:
            message = f"no policy matches '{pattern}'"
            hint = "patterns are relative to the folder of reconciler.yaml"
            found.append(finding("bad-policy", message, config.where["policies"], hint=hint))
        for path in files:
            policy = None if path in policies else _load(path, name_below(path, root), found)
            if policy is not None:
                policies[path] = policy
    return tuple(policies.values())


def broken_policies(
    policies: Sequence[Policy], spec: Mapping[str, Any]
) -> Iterator[tuple[Policy, Breach]]:
    """Yield what policies have against an effective spec."""
    for policy in policies:
        try:
            breaches = find_breaches(policy.validator, spec)
        except _UNUSABLE as error:
            breaches = [Breach(code="bad-policy", message=_explain(error), path=(), at_key=True)]
        for breach in breaches:
            yield policy, breach


def _load(path: Path, name: str, found: list[Diagnostic]) -> Policy | None:
    reading = read_file(path, name)
    found.extend(reading.findings)
    if reading.broken or len(reading.documents) != 1:
        return None
    schema = reading.documents[0].value
    problem = _problem(schema)
    if problem:
        found.append(finding("bad-policy", f"not a JSON Schema: {problem}", Where(file=name)))
        return None
    warns = isinstance(schema, dict) and schema.get("x-severity") == "warning"
    title = schema.get("title") if isinstance(schema, dict) else None
    return Policy(
        file=name,
        title=f"policy {title or name}",
        severity=Severity.WARNING if warns else Severity.ERROR,
        validator=make_validator(schema),
    )


def _problem(schema: Any) -> str:
    if not isinstance(schema, dict | bool):
        return "it is neither a mapping nor a boolean"
    try:
        Draft202012Validator.check_schema(schema)
        make_validator(schema).is_valid({})
    except SchemaError as error:
        return str(error.message)
    except _UNUSABLE as error:
        return _explain(error)
    return ""


def _explain(error: Exception) -> str:
    if isinstance(error, Unresolvable):
        return f"the reference {error.ref} leads out of the file, and none is fetched"
    return "it refers to itself"
