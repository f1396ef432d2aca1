"""Diagnostics at their place in a tree."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.json_pointer import join_steps
from reconciler.core.redact import find_secrets
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.schema.compiled_schema import SchemaViolation
from reconciler.specs.source.nodes import Node, Step, place_of_key, place_of_value, plain
from reconciler.specs.source.quoting import hide


def diagnostic_at(
    tree: Node,
    code: str,
    message: str,
    path: Sequence[Step],
    *,
    hint: str = "",
    at_key: bool = False,
    address: str = "",
    severity: Severity | None = None,
    secrets: Collection[str] = (),
) -> Diagnostic:
    """Make a diagnostic at a value of a tree, or at its key, that repeats no secret."""
    node = (place_of_key if at_key else place_of_value)(tree, path)
    return make_diagnostic(
        code,
        hide(message, secrets) + node.decoded_place,
        node.where,
        hint=hide(hint, secrets),
        pointer=join_steps(path),
        address=address,
        severity=severity,
    )


def violation_diagnostics(
    violations: Iterable[SchemaViolation],
    tree: Node,
    *,
    hints: Callable[[str], str] | None = None,
) -> Iterator[Diagnostic]:
    """Yield the diagnostics of violations; `hints` may have a better one for a field."""
    secrets = find_secrets(plain(tree))
    for violation in violations:
        yield diagnostic_at(
            tree,
            violation.code,
            violation.message,
            violation.path,
            hint=(hints(str(violation.path[-1])) if hints and violation.path else "")
            or violation_hint(violation, tree),
            at_key=violation.at_key,
            secrets=secrets,
        )


_DURATIONS = (("lifecycle", "ttl"), ("lifecycle", "maxRuntime"))


def violation_hint(violation: SchemaViolation, tree: Node) -> str:
    """Return the way out of a violation: the value in quotes where that is enough."""
    # As it is written: the number that was read may have lost a zero at either end.
    if not violation.wants_quotes:
        return violation.hint
    written = place_of_value(tree, violation.path).written
    if tuple(violation.path) in _DURATIONS:
        # A number in quotes would be no duration either.
        return f"write a number with a unit: {written}h"
    return f'quote it: "{written}"'
