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
    rows = [_unmanaged_cells(workload, search.at) for workload in search.unmanaged]
    return _text(UNMANAGED_HEAD, rows, search, _unmanaged_total(search), paint)


def unmanaged_markdown(search: LiveSearch) -> str:
    """The same for a comment or a summary."""
    rows = [_unmanaged_cells(workload, search.at) for workload in search.unmanaged]
    return _markdown(UNMANAGED_HEAD, rows, search, _unmanaged_total(search))


def unmanaged_document(search: LiveSearch) -> dict[str, Any]:
    """The same for programs."""
    return _document(search) | {
        "unmanaged": [
            _workload_document(workload.listed)
            | {
                "api": workload.origin,
                "stack": workload.marker.stack if workload.marker else None,
                "lineage": workload.marker.lineage if workload.marker else None,
            }
            for workload in search.unmanaged
        ]
    }


def idle_text(search: LiveSearch, paint: ColorWriter) -> str:
    """The workloads that hold idle GPUs, as a table for a terminal."""
    rows = [_idle_cells(workload, search) for workload in search.idle.idle]
    return _text(IDLE_HEAD, rows, search, _idle_total(search), paint)


def idle_markdown(search: LiveSearch) -> str:
    """The same for a comment or a summary."""
    rows = [_idle_cells(workload, search) for workload in search.idle.idle]
    return _markdown(IDLE_HEAD, rows, search, _idle_total(search))


def idle_document(search: LiveSearch) -> dict[str, Any]:
    """The same for programs."""
    return _document(search) | {
        "idle": [
            _workload_document(workload.listed)
            | {
                "recorded": workload.listed.id in search.recorded,
                "phase_seconds": int(workload.running_for.total_seconds()),
            }
            for workload in search.idle.idle
        ],
        "idle_gpus": search.idle.gpus,
    }


def _unmanaged_cells(workload: UnmanagedWorkload, at: datetime) -> tuple[str, ...]:
    listed = workload.listed
    return (
        str(listed.address),
        workload.marker.stack if workload.marker else "-",
        workload.origin,
        listed.kind or "-",
        listed.submitted_by or "-",
        age_text(age_between(listed.created_at, at)),
        listed.phase or "-",
        _gpus(listed),
    )


def _idle_cells(workload: IdleWorkload, search: LiveSearch) -> tuple[str, ...]:
    listed = workload.listed
    return (
        str(listed.address),
        "yes" if listed.id in search.recorded else "no",
        listed.kind or "-",
        listed.submitted_by or "-",
        listed.phase or "-",
        age_text(workload.running_for),
        _gpus(listed),
    )


def _gpus(listed: LiveWorkload) -> str:
    """GPUs asked for, allocated, and of these idle, as `status` has them."""
    figures = (listed.gpus_requested, listed.gpus_allocated, listed.gpus_idle)
    return "/".join("-" if figure is None else gpu_number(figure) for figure in figures)


def _unmanaged_total(search: LiveSearch) -> str:
    unmanaged = search.unmanaged
    gpus = sum(workload.listed.gpus_requested or 0.0 for workload in unmanaged)
    marked = sum(workload.marker is not None for workload in unmanaged)
    native = sum(not workload.listed.is_v2 for workload in unmanaged)
    where = number_of(len(search.projects), "project")
    return (
        f"{number_of(len(unmanaged), 'unmanaged workload')} in {where}, "
        f"{gpu_number(round(gpus, 6))} {'GPU' if gpus == 1 else 'GPUs'} requested; "
        f"{marked} of a stack, {native} native."
    )


def _idle_total(search: LiveSearch) -> str:
    idle = search.idle.idle
    where = number_of(len(search.projects), "project")
    return (
        f"{number_of(len(idle), 'workload')} with {gpu_number(search.idle.gpus)} idle GPUs "
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
