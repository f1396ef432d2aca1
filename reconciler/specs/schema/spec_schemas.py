"""The schemas that the specs of a run are held to, by the version of the API that they are for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from reconciler.core.protocol.capabilities import KNOWN_VERSIONS, LATEST, capabilities_of
from reconciler.specs.schema.compiled_schema import (
    CompiledSchema,
    SchemaViolation,
    find_violations,
    quote_value,
    shipped_schema,
)

# Fields of the metadata that this program itself relies on, whatever a server takes.
_OURS = frozenset({"name", "projectId", "project"})


class SpecSchemas(NamedTuple):
    """The schemas `spec` and `defaults`, by these names, for one version of the API.

    `version` is the declared one, empty where none is. `imported` are those that `schemas` in the
    configuration names: they say what the server takes, and the shipped ones what this program
    relies on.
    """

    shipped: Mapping[str, CompiledSchema]
    version: str = ""
    imported: Mapping[str, CompiledSchema] | None = None

    @classmethod
    def of_version(
        cls, version: str | None, imported: Mapping[str, CompiledSchema] | None = None
    ) -> SpecSchemas:
        """The schemas of a declared version, or of the newest where none is declared."""
        folder = capabilities_of(version or LATEST).schema_folder
        shipped = {name: shipped_schema(name, folder) for name in ("spec", "defaults")}
        return cls(shipped=shipped, version=version or "", imported=imported)

    def find_violations(self, name: str, value: Any) -> list[SchemaViolation]:
        """Every violation by a spec, or by defaults; it names the versions that would take it."""
        violations = find_violations(self.shipped[name], value)
        if self.imported is None:
            return [self._with_versions(name, violation, value) for violation in violations]
        relied_on = [violation for violation in violations if not _is_the_servers(violation)]
        own = find_violations(self.imported[name], value)
        return list({(one.path, one.code): one for one in (*relied_on, *own)}.values())

    @property
    def longest_encoded(self) -> int | None:
        """The most characters of a manifest in base64; None where nobody sets a bound."""
        schema = (self.imported or self.shipped)["spec"].schema
        longest = schema.get("$defs", {}).get("ManifestEncoded", {}).get("maxLength")
        return longest if isinstance(longest, int) else None

    def _with_versions(self, name: str, violation: SchemaViolation, value: Any) -> SchemaViolation:
        if not (self.version and _is_the_servers(violation)):
            return violation
        # Only what is objected to: the rest of a spec may break the rules of any version.
        part: Any = value
        for step in violation.path:
            part = part[step]
        for step in reversed(violation.path):
            part = {step: part}
        versions = [
            version
            for version in KNOWN_VERSIONS
            if violation.path
            not in [
                other.path
                for other in find_violations(
                    shipped_schema(name, capabilities_of(version).schema_folder), part
                )
            ]
        ]
        if not versions:
            return violation
        listed = " or ".join(filter(None, (", ".join(versions[:-1]), versions[-1])))
        if violation.code != "unknown-field":
            hint = f"version {listed} of the API would take it"
            return violation._replace(hint="; ".join(filter(None, (violation.hint, hint))))
        return violation._replace(
            message=f"version {self.version} of the API has no field "
            f"{quote_value(violation.path[-1])}",
            hint=f"it needs version {listed} of the API; api_version in reconciler.yaml "
            "says which version the server is",
        )


def _is_the_servers(violation: SchemaViolation) -> bool:
    """Whether a violation is about what the server does with a field, and we only pass on."""
    path = violation.path
    return len(path) > 1 and path[0] == "metadata" and path[1] not in _OURS
