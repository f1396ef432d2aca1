"""Findings put where they belong in a tree."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.redact import find_secrets
from reconciler.specs.rules.codes import finding
from reconciler.specs.schema.compiled_schema import SchemaViolation
from reconciler.specs.source.nodes import Node, Step, place_of_key, place_of_value, plain, pointer
from reconciler.specs.source.quoting import hide


def say_at(
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
    """Make a finding that points at a value of a tree, or at its key, and repeats no secret."""
    node = (place_of_key if at_key else place_of_value)(tree, path)
    return finding(
        code,
        hide(message, secrets) + node.decoded_place,
        node.where,
        hint=hide(hint, secrets),
        pointer=pointer(path),
        address=address,
        severity=severity,
    )


def say_breaches(
    breaches: Iterable[SchemaViolation],
    tree: Node,
    *,
    address: str = "",
    hints: Callable[[str], str] | None = None,
) -> Iterator[Diagnostic]:
    """Turn violations of a schema into findings; `hints` may know better about a field."""
    secrets = find_secrets(plain(tree))
    for breach in breaches:
        yield say_at(
            tree,
            breach.code,
            breach.message,
            breach.path,
            hint=(hints(str(breach.path[-1])) if hints and breach.path else "")
            or hint_at(breach, tree),
            at_key=breach.at_key,
            address=address,
            secrets=secrets,
        )


def hint_at(breach: SchemaViolation, tree: Node) -> str:
    """Return the way out of a violation: the value in quotes where that is all it takes."""
    # As written: the number that was read may have lost a zero at either end.
    if not breach.wants_quotes:
        return breach.hint
    return f'quote it: "{place_of_value(tree, breach.path).written}"'
