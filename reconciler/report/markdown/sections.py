"""Sections that the pages for a reviewer share: boxes, findings, and numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from reconciler.core.diagnostics import Diagnostic, has_errors
from reconciler.core.file_names import under_prefix
from reconciler.core.planning.actions import AnyAction
from reconciler.core.planning.guards import Refusal
from reconciler.core.planning.plan import Plan
from reconciler.errors import Where
from reconciler.report.markdown.commonmark import LONGEST_HINT, code, prose, table
from reconciler.report.markdown.size_limit import MarkdownSection, whole_part
from reconciler.report.standing import standings_title
from reconciler.report.text.formatting import commit_text, number_of, projects_text

# What is always there must stay within `size_limit.LEAST`.
LONGEST_NAME = 80
LONGEST_JOB = 300


def refusals_section(refusals: Sequence[Refusal]) -> Iterator[MarkdownSection]:
    """What the guards have against a plan, if anything."""
    lines = [
        f"**{prose(refusal.guard)}**: {prose(refusal.message)}. "
        f"Way out: {prose(refusal.hint, LONGEST_HINT)}"
        for refusal in refusals
    ]
    yield from alert_section(
        "CAUTION", "Guards refuse this plan: an apply would change nothing.", lines
    )


def standings_section(standings: Sequence[tuple[str, AnyAction]]) -> Iterator[MarkdownSection]:
    """Which workloads are down, refused, expired or finished, if any."""
    lines = [
        f"{code(str(action.address))} is {word}"
        + (f": {prose(action.detail)}" if action.detail else "")
        for word, action in standings
    ]
    is_bad = any(word in ("down", "refused") for word, _ in standings)
    yield from alert_section(
        "CAUTION" if is_bad else "NOTE", f"{standings_title(standings)}.", lines
    )


def diagnostics_section(
    diagnostics: Sequence[Diagnostic], prefix: str, *, complete: bool = True
) -> Iterator[MarkdownSection]:
    """What was found in the specs, and whether everything was read from the server."""
    if not complete:
        yield MarkdownSection(head="> [!WARNING]\n> **Not everything was read from the server.**")
    places = [place_text(diagnostic.where, prefix, column=True) for diagnostic in diagnostics]
    lines = [
        f"{diagnostic.severity.value} at {code(place)}: "
        f"{prose(diagnostic.message)} ({code(diagnostic.code)})"
        + (f". Way out: {prose(diagnostic.hint)}" if diagnostic.hint else "")
        for diagnostic, place in zip(diagnostics, places, strict=True)
    ]
    kind = "CAUTION" if has_errors(diagnostics) else "WARNING"
    yield from alert_section(kind, f"{number_of(len(diagnostics), 'finding')} in the specs.", lines)


def alert_section(kind: str, title: str, lines: Sequence[str]) -> Iterator[MarkdownSection]:
    """A box in the colour of its kind; a plain quotation where nobody knows such boxes."""
    if lines:
        head = f"> [!{kind}]\n> **{title}**\n>"
        parts = [whole_part(f"> - {line}") for line in lines]
        yield MarkdownSection(head=head, parts=parts, say=lambda cut: f"> - … {cut.count} more")


def counts_section(counts: Mapping[str, int], *, always: Collection[str]) -> MarkdownSection:
    """Numbers below their names, where there are any; the names are ours."""
    counts = {name: count for name, count in counts.items() if count or name in always}
    cells = [str(count) for count in counts.values()]
    return MarkdownSection(head="\n".join(table([*counts], [cells], numbers=[*counts])))


def plan_name(plan: Plan) -> str:
    """Whose plan it is, for which server, its digest, and where it comes from."""
    stack, url = (code(text, LONGEST_NAME) for text in (plan.target.stack, plan.target.url))
    names = projects_text(plan.project_names)
    called = f" (project {prose(names)})" if names else ""
    provenance = plan.provenance
    commit = (
        f", from commit {code(commit_text(provenance), LONGEST_JOB)}" if provenance.commit else ""
    )
    job = f", in job {code(provenance.job, LONGEST_JOB)}" if provenance.job else ""
    return f"Stack {stack} on {url}{called}, plan `{plan.digest}`{commit}{job}"


def place_text(where: Where | None, prefix: str, *, column: bool = False) -> str:
    """A file and a line of it, as a path; empty where there is none."""
    if where is None:
        return ""
    place = f"{under_prefix(prefix, where.file)}:{where.line}"
    return f"{place}:{where.column}" if column else place
