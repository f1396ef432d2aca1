"""Git submodules that were not checked out: folders that stand empty where others have specs.

`git clone` leaves such a folder without a word, and so do most pipelines. What it should hold would
look removed, and be deleted.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from pathlib import Path

from reconciler.errors import InvalidInputError
from reconciler.specs.discovery.git import Git
from reconciler.specs.source.fileaccess import ReadBoundary, checkout_around, posix_name

# The mode of an entry that is the commit of another repository.
_GITLINK = "160000 "


class Submodules:
    """Where the checkouts around some folders expect submodules; each is asked once."""

    def __init__(self, boundary: ReadBoundary) -> None:
        self._boundary = boundary
        self._expected: dict[Path, frozenset[str]] = {}

    def expect(self, folder: str) -> bool:
        """Whether a folder, by its real path, should hold a submodule."""
        # Above it: one that was half checked out has a `.git` of its own.
        above = Path(folder).parent
        top = checkout_around(above) or Path(self._boundary.top)
        if top not in self._expected:
            self._expected[top] = self._find(top)
        return posix_name(os.path.relpath(folder, top)) in self._expected[top]

    def _find(self, top: Path) -> frozenset[str]:
        try:
            entries = Git(top).run("ls-files", "--stage", "-z").split("\0")
        except InvalidInputError:
            # A copy without a repository, such as an archive, still has the file that names them.
            data = self._boundary.read(top / ".gitmodules")
            text = data.decode("utf-8", "replace") if isinstance(data, bytes) else ""
            return frozenset(map(posixpath.normpath, _paths_in(text)))
        # The index knows every submodule, also those that the file has forgotten.
        links = (entry.partition("\t")[2] for entry in entries if entry.startswith(_GITLINK))
        return frozenset(map(posix_name, links))


def _paths_in(text: str) -> Iterator[str]:
    """The values of `path` in a file that git has written.

    Without an expression: a line of blanks without end would keep one busy.
    """
    for line in text.split("\n"):
        name, _, value = line.partition("=")
        if name.strip() == "path":
            yield value.strip().removeprefix('"').removesuffix('"')
