"""How the documentation becomes a site: `make docs`.

The pages are plain Markdown that GitHub shows as well, so nothing stands in them for this program
alone. The source folder is the repository's root: a page may lead to a file of the code, which is
then copied into the site.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from reconciler import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "reconciler"
release = __version__
copyright = ""  # noqa: A001 - the name that Sphinx reads

extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "examples/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
]
# The anchors of headings are those that GitHub gives them.
myst_heading_anchors = 4
nitpicky = True
# `--plan` is a flag, and no dash.
smartquotes = False
# The page about diagnostics shows, on purpose, what is no YAML.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = f"reconciler {release}"
# The first page is below docs/; this leads there from the top.
html_extra_path = ["_site"]
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
html_theme_options = {"top_of_page_buttons": []}

_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([\w./-]+)\.md\)")


def setup(app: Sphinx) -> None:
    """Make the menu of the links on the first page."""
    app.connect("source-read", _add_menu)


def _add_menu(_: Sphinx, name: str, source: list[str]) -> None:
    """Every section becomes a part of the menu; a page that none names is a warning."""
    if name != root_doc:
        return
    parts = _SECTION.split(source[0])
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        pages = "\n".join(f"/{_normalise(link)}" for link in dict.fromkeys(_LINK.findall(text)))
        source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{pages}\n```\n"


def _normalise(link: str) -> str:
    """The name of a page from the root, of a link as it stands on the first page."""
    path: list[str] = list(PurePosixPath(root_doc).parent.parts)
    for part in PurePosixPath(link).parts:
        if part == "..":
            path.pop()
        else:
            path.append(part)
    return "/".join(path)
