"""The frame of every page: its head, its style and the policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

from reconciler import __version__
from reconciler.report.html.markup import Child, Html, lines, tag

STYLE_SHEET = "style.css"


@cache
def style() -> str:
    """The style sheet as it stands in every page."""
    # Not by a path: the package may lie in an archive.
    folder = resources.files("reconciler.report.html")
    return folder.joinpath(STYLE_SHEET).read_text(encoding="utf-8")


def policy(sheet: str) -> str:
    """A content security policy under which this sheet applies, and nothing loads or runs."""
    # A style sheet of any other text, one that got into the page with a message, does not apply.
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def document(title: str, *body: Child) -> str:
    """A whole page."""
    sheet = style()
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        # In the page itself: opened from a disk it has no headers of a server.
        tag("meta", http_equiv="Content-Security-Policy", content=policy(sheet)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="robots", content="noindex"),
        tag("meta", name="generator", content=f"reconciler {__version__}"),
        tag("title", title),
        # The one element whose content is no text of ours to escape: a file of this package.
        Html(f"<style>{sheet}</style>"),
    )
    page = tag("html", head, tag("body", lines(body)), lang="en")
    return f"<!doctype html>\n{page.markup}"
