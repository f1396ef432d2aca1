"""`status --unmanaged` and `status --idle`: what a look through some projects has found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from reconciler.core.protocol.live import LiveWorkload
from reconciler.core.running.idle import IdleWorkload
from reconciler.core.running.search import LiveSearch
from reconciler.core.running.unmanaged import UnmanagedWorkload
from reconciler.report.markdown.commonmark import code, prose, table
from reconciler.report.status.status import age_between
from reconciler.report.status.table import age_text
from reconciler.report.text.color import ColorWriter
from reconciler.report.text.escape import escape_terminal
from reconciler.report.text.formatting import columns, gpu_number, number_of

UNMANAGED_HEAD = ("ADDRESS", "STACK", "API", "KIND", "BY", "AGE", "PHASE", "GPUS")
IDLE_HEAD = ("ADDRESS", "RECORDED", "KIND", "BY", "PHASE", "FOR", "GPUS")


def unmanaged_text(search: LiveSearch, paint: ColorWriter) -> str:
    """The workloads that the state does not record, as a table for a terminal."""
    rows = [_unmanaged_cells(found, search.at) for found in search.unmanaged]
    return _text(UNMANAGED_HEAD, rows, search, _unmanaged_total(search), paint)


def unmanaged_markdown(search: LiveSearch) -> str:
    """The same for a comment or a summary."""
    rows = [_unmanaged_cells(found, search.at) for found in search.unmanaged]
    return _markdown(UNMANAGED_HEAD, rows, search, _unmanaged_total(search))


def unmanaged_document(search: LiveSearch) -> dict[str, Any]:
    """The same for programs."""
    return _document(search) | {
        "unmanaged": [
            _workload_document(found.listed)
            | {
                "api": found.origin,
                "stack": found.marker.stack if found.marker else None,
                "lineage": found.marker.lineage if found.marker else None,
            }
            for found in search.unmanaged
        ]
    }


def idle_text(search: LiveSearch, paint: ColorWriter) -> str:
    """The workloads that hold idle GPUs, as a table for a terminal."""
    rows = [_idle_cells(found, search) for found in search.idle.idle]
    return _text(IDLE_HEAD, rows, search, _idle_total(search), paint)


def idle_markdown(search: LiveSearch) -> str:
    """The same for a comment or a summary."""
    rows = [_idle_cells(found, search) for found in search.idle.idle]
    return _markdown(IDLE_HEAD, rows, search, _idle_total(search))


def idle_document(search: LiveSearch) -> dict[str, Any]:
    """The same for programs."""
    return _document(search) | {
        "idle": [
            _workload_document(found.listed)
            | {
                "recorded": found.listed.id in search.recorded,
                "phase_seconds": int(found.running_for.total_seconds()),
            }
            for found in search.idle.idle
        ],
        "idle_gpus": search.idle.gpus,
    }


def _unmanaged_cells(found: UnmanagedWorkload, at: datetime) -> tuple[str, ...]:
    listed = found.listed
    return (
        str(listed.address),
        found.marker.stack if found.marker else "-",
        found.origin,
        listed.kind or "-",
        listed.submitted_by or "-",
        age_text(age_between(listed.created_at, at)),
        listed.phase or "-",
        _gpus(listed),
    )


def _idle_cells(found: IdleWorkload, search: LiveSearch) -> tuple[str, ...]:
    listed = found.listed
    return (
        str(listed.address),
        "yes" if listed.id in search.recorded else "no",
        listed.kind or "-",
        listed.submitted_by or "-",
        listed.phase or "-",
        age_text(found.running_for),
        _gpus(listed),
    )


def _gpus(listed: LiveWorkload) -> str:
    """GPUs asked for, allocated, and of these idle, as `status` has them."""
    figures = (listed.gpus_requested, listed.gpus_allocated, listed.gpus_idle)
    return "/".join("-" if figure is None else gpu_number(figure) for figure in figures)


def _unmanaged_total(search: LiveSearch) -> str:
    found = search.unmanaged
    gpus = gpu_number(round(sum(one.listed.gpus_requested or 0.0 for one in found), 6))
    marked = sum(one.marker is not None for one in found)
    native = sum(not one.listed.is_v2 for one in found)
    where = number_of(len(search.projects), "project")
    return (
        f"{number_of(len(found), 'unmanaged workload')} in {where}, {gpus} GPUs requested; "
        f"{marked} of a stack, {native} native."
    )


def _idle_total(search: LiveSearch) -> str:
    found = search.idle.idle
    where = number_of(len(search.projects), "project")
    return (
        f"{number_of(len(found), 'workload')} with {gpu_number(search.idle.gpus)} idle GPUs "
        f"in {where}."
    )


def _text(
    head: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    search: LiveSearch,
    total: str,
    paint: ColorWriter,
) -> str:
    lines = []
    if rows:
        lines.append(columns(head, [tuple(map(escape_terminal, row)) for row in rows]))
    lines += [escape_terminal(f"Not looked at: {gap}") for gap in search.gaps]
    return "\n".join([*lines, paint.bold(total)])


def _markdown(
    head: tuple[str, ...], rows: Sequence[tuple[str, ...]], search: LiveSearch, total: str
) -> str:
    lines = [f"**{total}**", ""]
    if rows:
        lines += [*table(head, [[code(cell) for cell in row] for row in rows]), ""]
    lines += [f"- Not looked at: {prose(gap)}" for gap in search.gaps]
    return "\n".join(lines).rstrip("\n")


def _document(search: LiveSearch) -> dict[str, Any]:
    return {
        "at": search.at.isoformat(timespec="seconds"),
        "projects": list(search.projects),
        "not_looked_at": list(search.gaps),
    }


def _workload_document(listed: LiveWorkload) -> dict[str, Any]:
    return {
        "address": str(listed.address),
        "id": listed.id,
        "project_name": listed.project_name,
        "kind": listed.kind,
        "submitted_by": listed.submitted_by,
        "created_at": listed.created_at,
        "phase": listed.phase.value if listed.phase else None,
        "phase_since": listed.phase_updated_at,
        "gpus": listed.gpus_requested,
        "gpus_allocated": listed.gpus_allocated,
        "gpus_idle": listed.gpus_idle,
    }
