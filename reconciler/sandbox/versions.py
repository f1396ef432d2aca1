"""What each version of the control plane offers; nothing else in here compares versions."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.sandbox.settings import SandboxError

# Each version keeps the fields of the one before it: none was ever taken away.
_FIELDS_2_23 = frozenset({"name", "projectId", "priority", "category"})
_FIELDS_2_24 = _FIELDS_2_23 | {"useGivenNameAsPrefix", "clusterId", "preemptibility"}
_FIELDS_2_25 = _FIELDS_2_24 | {"configuration"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiVersion:
    """The differences between the versions; sizes are characters, None is no limit."""

    name: str
    updates: bool
    dry_run: bool
    token_v2: bool
    clusters_minimal: bool
    create_fields: frozenset[str]
    preemptibilities: tuple[str, ...] = ("preemptible", "non-preemptible")
    max_encoded: int | None = None


_V2_23 = ApiVersion(
    name="2.23",
    updates=False,
    dry_run=False,
    token_v2=False,
    # First seen in use with 2.24.1; for 2.23 nobody tells.
    clusters_minimal=False,
    create_fields=_FIELDS_2_23,
)
_V2_24 = ApiVersion(
    name="2.24",
    updates=True,
    # The first 2.24 did not know it yet: `ignore-dry-run` is that one.
    dry_run=True,
    token_v2=True,
    clusters_minimal=True,
    create_fields=_FIELDS_2_24,
)


def _since_2_25(name: str, *preemptibilities: str) -> ApiVersion:
    return ApiVersion(
        name=name,
        updates=True,
        dry_run=True,
        token_v2=True,
        clusters_minimal=True,
        create_fields=_FIELDS_2_25,
        preemptibilities=(*_V2_24.preemptibilities, *preemptibilities),
        # Stated from here on, in characters of base64 and not in bytes of the manifest.
        max_encoded=2_097_152,
    )


_VERSIONS = (
    _V2_23,
    _V2_24,
    _since_2_25("2.25"),
    _since_2_25("2.26"),
    _since_2_25("3.0", "semi-preemptible"),
)
API_VERSIONS = tuple(version.name for version in _VERSIONS)
NEWEST = API_VERSIONS[-1]
# A field of another version is ignored, as the real server ignores it; one of none is a typo.
ALL_CREATE_FIELDS = frozenset[str]().union(*(version.create_fields for version in _VERSIONS))


def find_version(name: str) -> ApiVersion:
    """Find a version; raises SandboxError that lists the known ones."""
    for version in _VERSIONS:
        if version.name == name:
            return version
    raise SandboxError(f"no API version is called '{name}'; known are {', '.join(API_VERSIONS)}")
