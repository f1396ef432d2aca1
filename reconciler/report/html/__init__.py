"""Plans and applies as pages: one file each, without scripts and without anything to load."""

from reconciler.report.html.applied import UnsavedRecords
from reconciler.report.html.pages import apply_page, plan_content, plan_page

__all__ = ["UnsavedRecords", "apply_page", "plan_content", "plan_page"]
