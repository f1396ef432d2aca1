"""The context of the checks of one spec: its value, its places, and the diagnostics so far."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NoReturn

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.model import Address
from reconciler.core.redact import find_secrets
from reconciler.core.secrets.rules import BUILT_IN, RedactionRules
from reconciler.specs.compose.composed_spec import ENCODED, ComposedSpec, writer_of
from reconciler.specs.rules.codes import CODES, MOST_DIAGNOSTICS, too_many_diagnostics
from reconciler.specs.rules.suppressions import Suppressions
from reconciler.specs.rules.tree_diagnostics import diagnostic_at, violation_hint
from reconciler.specs.schema.compiled_schema import SchemaViolation
from reconciler.specs.source.nodes import Node, Step, place_of_key, place_of_value


class CheckContext:
    """A spec and its diagnostics.

    Positions are only worked out where a diagnostic needs them: most specs have none.
    """

    def __init__(
        self,
        composed: ComposedSpec,
        address: Address | None,
        suppressions: Suppressions | None = None,
        rules: RedactionRules = BUILT_IN,
    ) -> None:
        self.composed = composed
        self.address = address
        self.diagnostics: list[Diagnostic] = []
        self._suppressions = suppressions
        self._rules = rules
        self._reported: set[tuple[Step, ...]] = set()
        self._settled: set[tuple[Step, ...]] = set()

    @cached_property
    def tree(self) -> Node:
        """The spec with the place of every part of it."""
        return self.composed.tree()

    @cached_property
    def secrets(self) -> frozenset[str]:
        """The parts of the spec that no diagnostic may repeat."""
        return find_secrets(self.composed.value, self._rules)

    def get(self, *path: Step) -> Any:
        """Return a value of the spec, or None."""
        value: Any = self.composed.value
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        return value

    def report(
        self,
        code: str,
        message: str,
        path: Sequence[Step],
        *,
        hint: str = "",
        at_key: bool = False,
        severity: Severity | None = None,
        rule: str = "",
        settles: bool = False,
    ) -> None:
        """Add a diagnostic at a value of the spec, or at its key, unless its file suppresses it.

        `rule` is the name of the policy that it comes from. One that `settles` explains whatever
        else is wrong at that place, and later ones at it are dropped.
        """
        if tuple(path) in self._settled:
            return
        if settles:
            self._settled.add(tuple(path))
        # Also where it is suppressed: a later check must not report the same in other words. A
        # warning keeps no error from being told.
        if (severity or CODES[code].severity) is Severity.ERROR:
            self._reported.add(tuple(path))
        # One more than the most: the last says that the list was cut.
        if len(self.diagnostics) > MOST_DIAGNOSTICS:
            return
        if self._suppressions:
            source = (place_of_key if at_key else place_of_value)(self.tree, path).source
            # A text in base64 has no file of its own: the one that holds it decides.
            if source.decoded_from is not None:
                source = writer_of(self.composed, ENCODED).source
            if self._suppressions.cover(source, code, rule):
                # Some mistakes are never passed over in silence.
                severity = CODES[code].accepted
                if severity is None:
                    return
        if len(self.diagnostics) == MOST_DIAGNOSTICS:
            where = self.composed.document.where
            self.diagnostics.append(too_many_diagnostics(where, str(self.address or "")))
            return
        self.diagnostics.append(
            diagnostic_at(
                self.tree,
                code,
                message,
                path,
                hint=hint,
                at_key=at_key,
                address=str(self.address or ""),
                severity=severity,
                secrets=self.secrets,
            )
        )

    def report_violation(
        self, violation: SchemaViolation, *, severity: Severity | None = None
    ) -> None:
        """Add the diagnostic of a violation of a schema."""
        hint = violation_hint(violation, self.tree)
        self.report(
            violation.code,
            violation.message,
            violation.path,
            hint=hint,
            at_key=violation.at_key,
            severity=severity,
        )

    def has_reported(self, path: Sequence[Step]) -> bool:
        """Whether an error was reported at a path, suppressed or not."""
        return tuple(path) in self._reported

    def quoting_hint(self, path: Sequence[Step]) -> str:
        """Return the advice to quote a number or truth value, as its author wrote it."""
        node = place_of_value(self.tree, path)
        if not isinstance(node.value, bool | int | float):
            return ""
        return f'quote it: "{node.written}"'


class FoundError(Exception):
    """There is something to report."""


class TrialContext(CheckContext):
    """Stops the checks at what they would report, by raising FoundError."""

    def report(self, *_: Any, **__: Any) -> NoReturn:
        """Stop instead."""
        raise FoundError

    def report_violation(self, *_: Any, **__: Any) -> NoReturn:
        """Stop instead."""
        raise FoundError

    def quoting_hint(self, *_: Any) -> str:
        """No advice: it would need places."""
        return ""
