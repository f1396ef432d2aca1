"""Which commit a run is made from, and whether that has the commit which was applied last."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.history.provenance import Provenance
from reconciler.errors import InvalidInputError, Where
from reconciler.ports import RunEntry
from reconciler.specs.discovery.files import CONFIG_FILE
from reconciler.specs.discovery.git import Git
from reconciler.state.locking.lock_owner import job_link

BEHIND = "behind"
_COMMIT = re.compile(r"[0-9a-f]{40,64}")


def provenance_of(root: Path) -> Provenance:
    """What is checked out around a root, and the job that this process belongs to."""
    return Provenance(commit=_commit_of(root), job=job_link())


def _commit_of(root: Path) -> str:
    # Empty also where git cannot tell: that must not keep anybody from applying.
    try:
        git = Git(root)
        commit = git.try_run("rev-parse", "--verify", "--quiet", "HEAD").strip()
        changed = git.try_run("diff", "--name-only", "--no-ext-diff", "--no-textconv", "HEAD", "--")
    except InvalidInputError:
        return ""
    return f"{commit}{'+' if changed else ''}" if commit else ""


def warn_of_behind(root: Path, runs: Sequence[RunEntry]) -> tuple[Diagnostic, ...]:
    """A warning where a checkout lacks the commit that was applied last."""
    applied = (run.provenance.revision for run in runs if run.command == "reconciler apply")
    last = next(filter(None, applied), "")
    # It comes from a state, and becomes an argument of git.
    if not (_COMMIT.fullmatch(last) and _lacks(root, last)):
        return ()
    warning = Diagnostic(
        severity=Severity.WARNING,
        code=BEHIND,
        message=f"this checkout lacks the commit {last[:12]}, which was applied last: "
        "what came with it would be undone",
        where=Where(file=CONFIG_FILE if (root / CONFIG_FILE).is_file() else "."),
        hint="bring the branch up to date with the one that is applied, and plan again",
    )
    return (warning,)


def _lacks(root: Path, commit: str) -> bool:
    """Whether it is certain that a checkout is without a commit."""
    try:
        git = Git(root)
        if not git.try_run("rev-parse", "--verify", "--quiet", "HEAD"):
            return False
        if git.try_run("cat-file", "-t", commit).strip() == "commit":
            return git.try_run("merge-base", commit, "HEAD").strip() != commit
        # A shallow clone may have it among what was left out.
        return git.try_run("rev-parse", "--is-shallow-repository").strip() != "true"
    except InvalidInputError:
        return False
