"""Where a plan and a run come from, in the reports about them."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from reconciler.core.history.events import RunFinished
from reconciler.core.history.provenance import Provenance
from reconciler.core.history.timeline import Timeline
from reconciler.ports import RunEntry, link_of
from reconciler.report.html import apply_page, plan_page
from reconciler.report.machine.documents import event_document, plan_document, run_document
from reconciler.report.markdown.markdown import markdown_applied, markdown_plan
from reconciler.report.text.history import run_text
from tests.support.factories import make_desired, plan_for

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
JOB = "https://ci.example.com/jobs/7?a=<b>"
CLEAN = Provenance(commit=COMMIT, job=JOB)
CHANGED = Provenance(commit=f"{COMMIT}+")
FINISHED = RunFinished(at="2026-11-20T09:00:00Z", run="r", took=1.0)


@pytest.mark.parametrize(
    ("provenance", "markdown", "html", "published"),
    [
        (
            CLEAN,
            f", from commit `{COMMIT}`, in job `{JOB}`",
            (
                f"<div><dt>Commit</dt><dd><code>{COMMIT}</code></dd></div>"
                "<div><dt>CI job</dt><dd><code>https://ci.example.com/jobs/7?a=&lt;b&gt;</code></dd>"
            ),
            {"provenance": {"commit": COMMIT, "clean": True, "job": JOB}},
        ),
        (
            CHANGED,
            f", from commit `{COMMIT}, with files that differ from it`",
            f"<dt>Commit</dt><dd><code>{COMMIT}, with files that differ from it</code></dd>",
            {"provenance": {"commit": COMMIT, "clean": False}},
        ),
        (Provenance(), "", "", {}),
    ],
)
def test_every_report_says_where_it_comes_from(
    provenance: Provenance, markdown: str, html: str, published: dict[str, object]
) -> None:
    """The commit, whether the tree was clean, and the job; nothing of what is not known."""
    plan = dataclasses.replace(plan_for([make_desired()]), provenance=provenance)
    finished = dataclasses.replace(FINISHED, provenance=provenance)
    pages = (plan_page(plan, created_at=AT), apply_page(plan, finished, Timeline()))
    texts = (markdown_plan(plan, ()), markdown_applied(plan, finished, ()))
    assert [page.count(html) if html else page.count("<dt>Commit") for page in pages] == (
        [1, 1] if html else [0, 0]
    )
    assert [
        f"plan `{plan.digest}`{markdown}{end}" in text
        for text, end in zip(texts, (" (`reconciler apply", ", run `r`"), strict=True)
    ] == [True, True]
    for document in (plan_document(plan, AT), event_document(finished)):
        assert {k: v for k, v in document.items() if k == "provenance"} == published


@pytest.mark.parametrize("provenance", [CLEAN, CHANGED, Provenance(job=JOB), Provenance()])
def test_a_run_is_kept_with_all_of_it(provenance: Provenance) -> None:
    """One text of the record holds both, and gives both back."""
    run = RunEntry(
        id="r", command="c", user="u", host="h", started="2026", link=link_of(provenance)
    )
    assert run.provenance == provenance
    assert Provenance.from_json(provenance.to_json()) == provenance
    document = run_document(run)
    kept = {k: document[k] for k in ("link", "commit", "clean") if k in document}
    known = {"clean": provenance.is_clean} if provenance.commit else {}
    assert kept == {"link": provenance.job, "commit": provenance.revision} | known
    assert (f"\ncommit    {COMMIT}" in run_text(run, [])) is bool(provenance.commit)
