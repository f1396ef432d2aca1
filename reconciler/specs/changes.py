"""Which files differ from a git revision."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from reconciler.errors import InvalidInputError, UsageError
from reconciler.specs.fileaccess import posix_name

# Enough for a large repository on a slow disk; a helper that waits for a person never ends.
PATIENCE = 60.0

# Whatever the user's own configuration makes of a diff.
_PLAIN = ("--no-renames", "--no-ext-diff", "--no-relative")


def changed_files(root: Path, revision: str) -> frozenset[str]:
    """Name the files below a root, relative to it, that differ from where a revision was left.

    That is the last common ancestor of the revision and HEAD, as a pull request is shown; changes
    that are not committed yet count, and so do new files. Raises UsageError for a revision that is
    not there, InvalidInputError where git cannot tell.
    """
    top = Path(_git(root, "rev-parse", "--show-toplevel"))
    commit = _commit(root, revision)
    base = _try_git(root, "merge-base", commit, "HEAD") or commit
    listed = [
        _git(root, "diff", "--name-only", *_PLAIN, "-z", base, "--"),
        _git(root, "ls-files", "--others", "--exclude-standard", "--full-name", "-z"),
    ]
    names = {name for part in listed for name in part.split("\0") if name}
    below = root.resolve()
    paths = (top / name for name in names)
    return frozenset(
        posix_name(str(path.relative_to(below))) for path in paths if path.is_relative_to(below)
    )


def _commit(root: Path, revision: str) -> str:
    commit = _try_git(
        root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
    )
    if not commit:
        raise UsageError(
            f"git knows no revision '{revision}'",
            hint="a shallow clone may lack it: fetch it, or clone with the whole history",
        )
    return commit


def _try_git(root: Path, *arguments: str) -> str:
    done = _run(root, arguments)
    return "" if done.returncode else _output(done)


def _git(root: Path, *arguments: str) -> str:
    done = _run(root, arguments)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise InvalidInputError(
            f"git cannot tell what has changed: {said.partition(chr(10))[0] or done.returncode}",
            hint="--changed-since works inside a git repository",
        )
    return _output(done)


def _output(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stdout.decode(errors="surrogateescape").rstrip("\n")


def _run(root: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    command = ["git", "-C", str(root), "-c", "core.fsmonitor=false", *arguments]
    try:
        return subprocess.run(  # noqa: S603 - ours, and a revision that is taken for nothing else
            command, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=PATIENCE
        )
    except FileNotFoundError as error:
        raise InvalidInputError(
            "git is not installed", hint="leave --changed-since out to see every finding"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise InvalidInputError(f"git has not answered within {PATIENCE:.0f} s") from error
