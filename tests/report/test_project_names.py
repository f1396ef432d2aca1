"""Names of projects beside their ids, for whoever reads a plan."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

from reconciler.report.html.pages import plan_page
from reconciler.report.markdown.markdown import markdown_plan
from reconciler.report.text.tables import records_text
from reconciler.report.text.text import Text
from tests.support.factories import make_recorded
from tests.support.plans import busy_plan

AT = datetime(2026, 3, 2, tzinfo=UTC)


def test_every_view_says_what_a_project_is_called() -> None:
    """Where anybody knows it; a plan of ids alone says nothing."""
    plan = busy_plan()
    named = dataclasses.replace(plan, project_names={"4502": "vision", "4501": "ml"})
    told = "(project 4501 is ml, 4502 is vision)"
    assert told in Text().plan(named)
    assert told in markdown_plan(named, ())
    assert "(project" not in Text().plan(plan) + markdown_plan(plan, ())
    page = plan_page(named, (), created_at=AT)
    assert "<dt>Project 4501</dt><dd><code>ml</code></dd>" in page


def test_the_list_of_records_says_what_their_projects_are_called() -> None:
    """Of those that it shows, below the table."""
    rows = [make_recorded(address="4501/llm")]
    names = {"4501": "ml", "4502": "vision"}
    assert records_text(rows, names) == f"{records_text(rows)}\nProject 4501 is ml."
