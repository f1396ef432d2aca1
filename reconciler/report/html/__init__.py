"""Plans and applies as pages: one file each, without scripts and without anything to load."""

from reconciler.report.html.applied import Losses
from reconciler.report.html.pages import apply_page, plan_page

__all__ = ["Losses", "apply_page", "plan_page"]
