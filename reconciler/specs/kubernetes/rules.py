"""All that is checked of a manifest as the Kubernetes object that it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.specs.drafts import INLINE
from reconciler.specs.kubernetes.anatomy import Anatomy, anatomy_of, find
from reconciler.specs.kubernetes.objects import (
    check_kind_syntax,
    check_labels,
    check_name,
    check_server_fields,
)
from reconciler.specs.kubernetes.pods import (
    check_containers,
    check_counts,
    check_restarts,
    check_schedule,
    check_selector,
)
from reconciler.specs.kubernetes.resources import check_resources, check_shares
from reconciler.specs.kubernetes.structure import check_structure
from reconciler.specs.sheet import Sheet


def check_manifest(sheet: Sheet) -> None:
    """Say what Kubernetes would refuse or misread; only what is sure to be all there is checked."""
    manifest = sheet.get(INLINE)
    if not isinstance(manifest, dict):
        return
    anatomy = anatomy_of(manifest)
    check_kind_syntax(sheet, manifest)
    check_name(sheet, manifest, anatomy)
    check_server_fields(sheet, manifest)
    check_labels(sheet, manifest, anatomy)
    if anatomy is not None:
        for rule in _RULES:
            rule(sheet, manifest, anatomy)
        _check_shapes(sheet, manifest, anatomy)


def _check_shapes(sheet: Sheet, manifest: Mapping[str, Any], anatomy: Anatomy) -> None:
    for pattern, definition in anatomy.shapes:
        for path, value in find(manifest, pattern):
            check_structure(sheet, value, (INLINE, *path), definition)


_RULES: tuple[Callable[[Sheet, Mapping[str, Any], Anatomy], None], ...] = (
    check_containers,
    check_restarts,
    check_selector,
    check_counts,
    check_schedule,
    check_resources,
    check_shares,
)
