"""One spec on the bench: its value, the place of every part, and what has been found."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.model import Address
from reconciler.core.redact import find_secrets
from reconciler.core.secrets.rules import BUILT_IN, RedactionRules
from reconciler.specs.compose.composed_spec import ENCODED, ComposedSpec, writer_of
from reconciler.specs.rules.codes import MOST_FINDINGS, say_too_many
from reconciler.specs.rules.placing import hint_at, say_at
from reconciler.specs.rules.suppressions import Suppressions
from reconciler.specs.schema.compiled_schema import SchemaViolation
from reconciler.specs.source.nodes import Node, Step, place_of_key, place_of_value
from reconciler.specs.source.source_text import SourceText


class CheckContext:
    """A spec and what has been found in it; positions are only worked out for findings."""

    def __init__(
        self,
        draft: ComposedSpec,
        address: Address | None,
        suppressions: Suppressions | None = None,
        rules: RedactionRules = BUILT_IN,
    ) -> None:
        self.draft = draft
        self.address = address
        self.found: list[Diagnostic] = []
        self._suppressions = suppressions
        self._rules = rules
        self._said: set[tuple[Step, ...]] = set()
        self._settled: set[tuple[Step, ...]] = set()

    @cached_property
    def tree(self) -> Node:
        """The spec with the place of every part of it."""
        return self.draft.tree()

    @cached_property
    def secrets(self) -> frozenset[str]:
        """What of the spec no finding may repeat."""
        return find_secrets(self.draft.value, self._rules)

    def get(self, *path: Step) -> Any:
        """Return a value of the spec, or None."""
        value: Any = self.draft.value
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        return value

    def say(
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
        """Note a finding at a value of the spec, or at its key, unless its file suppresses it.

        `rule` is the name of the policy that makes it. One that `settles` explains whatever else is
        wrong at that place, and nothing is said of it any more.
        """
        if tuple(path) in self._settled:
            return
        if settles:
            self._settled.add(tuple(path))
        self._said.add(tuple(path))
        if len(self.found) > MOST_FINDINGS:
            return
        node = (place_of_key if at_key else place_of_value)(self.tree, path)
        if self._suppressions and self._suppressions.cover(self._file_of(node), code, rule):
            return
        if len(self.found) == MOST_FINDINGS:
            where = self.draft.document.where
            self.found.append(say_too_many(where, str(self.address or "")))
            return
        self.found.append(
            say_at(
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

    def say_breach(self, breach: SchemaViolation) -> None:
        """Note a violation of a schema."""
        hint = hint_at(breach, self.tree)
        self.say(breach.code, breach.message, breach.path, hint=hint, at_key=breach.at_key)

    def has_said(self, path: Sequence[Step]) -> bool:
        """Whether anything has been noted at a path, suppressed or not."""
        return tuple(path) in self._said

    def quoted(self, path: Sequence[Step]) -> str:
        """Return the advice to quote a number or truth value, as its author wrote it."""
        node = place_of_value(self.tree, path)
        if not isinstance(node.value, bool | int | float):
            return ""
        return f'quote it: "{node.written}"'

    def _file_of(self, node: Node) -> SourceText:
        # A text in base64 has no file of its own: the one that holds it decides.
        if node.source.decoded_from is None:
            return node.source
        return writer_of(self.draft, ENCODED).source
