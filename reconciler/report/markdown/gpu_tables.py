"""The GPUs of a plan as tables: what is asked for in each project, and the quotas for that."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.planning.plan import GpuTotals, Plan
from reconciler.core.protocol.live import PoolQuota
from reconciler.core.quotas.project_quota import ProjectQuota
from reconciler.report.markdown.commonmark import code, prose, row, table
from reconciler.report.markdown.size_limit import MarkdownPart, MarkdownSection, whole_part
from reconciler.report.text.formatting import gpu_number, number_of
from reconciler.report.text.gpu_text import gpu_change, told

# Of more projects, those in which nothing changes would hide those in which something does.
_FEW = 10
_MOMENTS = ("before", "after", "peak")
_QUOTA = ("deserved", "limit", "allocated", "this plan")


def gpus_section(plan: Plan) -> MarkdownSection:
    """What is asked for in each project: before, after, and at most in between."""
    projects = plan.gpus_by_project
    listed = {
        project: totals
        for project, totals in projects.items()
        if len(projects) <= _FEW or not totals.before == totals.after == totals.peak
    }
    total = _gpu_row("**total**", plan.gpus, "**{}**")
    if len(listed) < len(projects):
        unchanged = f"{len(projects) - len(listed)} without a change"
        total = f"{row((unchanged, '', '', ''))}\n{total}"
    unknown = plan.unknown_gpus
    verb = "asks" if unknown == 1 else "ask"
    remark = f"\n\n{number_of(unknown, 'workload')} {verb} for GPUs that cannot be counted."
    return MarkdownSection(
        head="\n".join(table(("GPUs in project", *_MOMENTS), numbers=_MOMENTS)),
        parts=[whole_part(_gpu_row(code(project), t, "{}")) for project, t in listed.items()],
        foot=total + (remark if unknown else ""),
        say=lambda cut: row((f"… {cut.count} more", "", "", "")),
    )


def _gpu_row(name: str, totals: GpuTotals, form: str) -> str:
    numbers = (totals.before, totals.after, totals.peak)
    return row((name, *(form.format(gpu_number(number)) for number in numbers)))


def quota_section(plan: Plan) -> Iterator[MarkdownSection]:
    """The quotas that the plan has to fit into, or why they were not looked at."""
    if plan.quota_note:
        yield MarkdownSection(head=f"GPU quotas were not looked at: {prose(plan.quota_note)}.")
    if plan.quotas:
        yield MarkdownSection(
            head="\n".join(table(("GPU quota of project", "node pool", *_QUOTA), numbers=_QUOTA)),
            parts=[part for quota in plan.quotas for part in _quota_rows(quota)],
            say=lambda cut: row((f"… {cut.count} more", *[""] * (len(_QUOTA) + 1))),
        )


def _quota_rows(quota: ProjectQuota) -> Iterator[MarkdownPart]:
    name, change = f"{code(quota.project)} {prose(quota.name)}", gpu_change(quota.change)
    if len(quota.pools) == 1:
        yield whole_part(row((name, _pool_name(quota.pools[0]), *_amounts(quota), change)))
        return
    yield whole_part(row((name, "all", *_amounts(quota), change)))
    for pool in quota.pools:
        yield whole_part(row(("", _pool_name(pool), *_amounts(pool), "")))


def _pool_name(pool: PoolQuota) -> str:
    return code(pool.pool) if pool.pool else "-"


def _amounts(quota: ProjectQuota | PoolQuota) -> tuple[str, ...]:
    limit = "none" if quota.limit is None else gpu_number(quota.limit)
    return (told(quota.deserved), limit, told(quota.allocated))
