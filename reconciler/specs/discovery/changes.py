"""Which files differ from a git revision."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from reconciler.errors import UsageError
from reconciler.specs.discovery.git import Git
from reconciler.specs.source.fileaccess import posix_name

# Overrules what the user's own configuration makes of a diff. Git would look into a submodule with
# a second git, which our settings do not reach; its commit is compared without.
_PLAIN = (
    *("--no-renames", "--no-ext-diff", "--no-textconv", "--no-relative"),
    "--ignore-submodules=dirty",
)


def changed_files(root: Path, revision: str, *, included: Sequence[str] = ()) -> frozenset[str]:
    """Name the files of a checkout, relative to a root, that differ from where a revision was left.

    That is the last common ancestor of the revision and HEAD, as a pull request is shown; changes
    that are not committed yet count, and so do new files below the root. A spec may be made of
    files beside its root, which have `..` in their names. Raises UsageError for a revision that is
    not there, InvalidInputError where git cannot tell.
    """
    git = Git(root)
    # A revision may look like an option of git: all that is behind this word is none.
    name = f"{revision}^{{commit}}"
    commit = git.try_run("rev-parse", "--verify", "--quiet", "--end-of-options", name)
    if not commit:
        raise UsageError(
            f"git knows no revision '{revision}'",
            hint="a shallow clone may lack it: fetch it, or clone with the whole history",
        )
    base = git.try_run("merge-base", commit, "HEAD") or commit
    folder = root.resolve()
    tops = [folder, *((folder / name).resolve() for name in included)]
    below = [str(top.relative_to(git.top)) for top in tops]
    # With `-z`, because git would write unusual names in quotes.
    listed = [
        git.run("diff", "--name-only", *_PLAIN, "-z", base, "--"),
        git.run("ls-files", "--others", "--exclude-standard", "-z", "--", *below),
    ]
    names = {name for part in listed for name in part.split("\0") if name}
    return frozenset(posix_name(os.path.relpath(git.top / name, folder)) for name in names)
