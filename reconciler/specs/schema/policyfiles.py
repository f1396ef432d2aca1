"""The files that `policies:` means: globs below the configuration's folder, inside the border."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from reconciler.core.globs import is_glob, matches_any
from reconciler.specs.config import Config
from reconciler.specs.schema.compiled_schema import quote_value
from reconciler.specs.source.fileaccess import (
    OUTSIDE,
    ReadBoundary,
    ReadFailure,
    absolute,
    near_miss,
)

# A pattern over more than this is not about policies, and would be read three times a run.
MOST_ENTRIES = 100_000
_BASE = "patterns are relative to the folder of reconciler.yaml"


class PolicyFiles(NamedTuple):
    """The files that one pattern means, as paths and real paths; a failure where there are none.

    Instead of a real path stands a failure, where the file is outside the border or unreadable.
    """

    files: tuple[tuple[Path, str | ReadFailure], ...] = ()
    failure: ReadFailure | None = None


def policy_files(config: Config) -> Iterator[PolicyFiles]:
    """Yield what each pattern of a configuration means."""
    if config.path is not None:
        folder = absolute(config.path.parent)
        border = ReadBoundary.around(folder)
        for pattern in config.policies:
            yield _match_pattern(pattern, folder, border)


def _match_pattern(pattern: str, folder: Path, border: ReadBoundary) -> PolicyFiles:
    steps = [step for step in pattern.split("/") if step not in ("", ".")]
    while steps and steps[0] == "..":
        folder, steps = folder.parent, steps[1:]
    if pattern.startswith("/") or not border.holds(os.path.realpath(folder)):
        message = f"the policy {quote_value(pattern)} {OUTSIDE.message}"
        return PolicyFiles(failure=OUTSIDE._replace(message=message))
    if not steps or ".." in steps:
        problem = "has '..' behind a name" if steps else "names no file"
        return _no_files(f"the pattern {quote_value(pattern)} {problem}", _BASE)
    try:
        names = sorted(set(_PatternSearch(border).find(str(folder), tuple(steps))))
    except _TooManyError:
        message = f"the pattern {quote_value(pattern)} searches more than {MOST_ENTRIES:,} files"
        return _no_files(message, "name the folder of the policies")
    if not names:
        hint = near_miss(folder, "/".join(steps), border) or _BASE
        return _no_files(f"no policy matches {quote_value(pattern)}", hint)
    return PolicyFiles(files=tuple((Path(name), border.resolve(name)) for name in names))


def _no_files(message: str, hint: str) -> PolicyFiles:
    return PolicyFiles(failure=ReadFailure(code="bad-policy", message=message, hint=hint))


class _TooManyError(Exception):
    """A pattern searches more than is reasonable."""


class _PatternSearch:
    """Follows the steps of a pattern; links to folders only inside the border."""

    def __init__(self, border: ReadBoundary) -> None:
        self._border = border
        self._entries = 0
        self._visited: set[tuple[str, int]] = set()

    def find(self, folder: str, steps: tuple[str, ...]) -> Iterator[str]:
        """Yield the paths that steps lead to from a folder."""
        # `**/a/**/a/**` leads to one folder in many ways.
        if (folder, len(steps)) in self._visited:
            return
        self._visited.add((folder, len(steps)))
        step, *below = steps
        if step == "**":
            yield from self._find_at_any_depth(folder, tuple(below))
            return
        names = [step]
        if is_glob(step):
            names = [name for name in self._list(folder) if matches_any(name, [step])]
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118 - thousands of them
            if below:
                is_inside = isinstance(self._border.resolve(path), str)
                if is_inside and os.path.isdir(path):  # noqa: PTH112 - thousands of them
                    yield from self.find(path, tuple(below))
            elif is_glob(step) or _exists(path):
                yield path

    def _find_at_any_depth(self, folder: str, below: tuple[str, ...]) -> Iterator[str]:
        if below:
            yield from self.find(folder, below)
        for name in self._list(folder):
            path = os.path.join(folder, name)  # noqa: PTH118 - thousands of them
            if name == ".git":
                continue
            if not os.path.isdir(path):  # noqa: PTH112 - thousands of them
                yield from () if below else (path,)
            # As in every shell, a link is no folder for `**`: it might lead around in a circle.
            elif not os.path.islink(path):  # noqa: PTH114 - thousands of them
                yield from self.find(path, ("**", *below))

    def _list(self, folder: str) -> list[str]:
        try:
            with os.scandir(folder) as entries:
                names = [entry.name for entry in entries]
        except OSError:
            # What cannot be listed holds no policy; a file that is named is read, and fails there.
            return []
        self._entries += len(names)
        if self._entries > MOST_ENTRIES:
            raise _TooManyError
        return names


def _exists(path: str) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:
        # A name with a NUL, which no file has.
        return False
