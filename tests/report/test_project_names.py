"""Names of projects beside their ids, for whoever reads a plan."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

from reconciler.report.html.pages import plan_page
from reconciler.report.markdown.markdown import markdown_plan
from reconciler.report.text.text import Text
from tests.support.plans import busy_plan

AT = datetime(2026, 3, 2, tzinfo=UTC)


def test_every_view_says_what_a_project_is_called() -> None:
    """Where only the server knows it; a plan of ids and aliases says nothing."""
    plan = busy_plan()
    named = dataclasses.replace(plan, project_names={"4502": "vision", "4501": "ml"})
    told = "(project 4501 is ml, 4502 is vision)"
    assert told in Text().plan(named)
    assert told in markdown_plan(named, ())
    assert "(project" not in Text().plan(plan) + markdown_plan(plan, ())
    page = plan_page(named, (), created_at=AT)
    assert "<dt>Project 4501</dt><dd><code>ml</code></dd>" in page
