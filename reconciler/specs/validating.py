"""Validation alone: what is wrong with the files of a repository; no spec is kept."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from reconciler.garbage import collector_paused
from reconciler.specs.checked import Validated
from reconciler.specs.config import Config
from reconciler.specs.judged_tree import TreeJudge
from reconciler.specs.loading import MANY_FILES, POLICY_SECONDS
from reconciler.specs.memory import VerdictMemory
from reconciler.specs.opening import SpecOpener
from reconciler.specs.source.deadline import Deadline


def validate_specs(
    paths: Sequence[Path],
    *,
    root: Path,
    config: Config,
    stdin: BinaryIO | None = None,
    deadline: Deadline | None = None,
    memory: VerdictMemory | None = None,
) -> Validated:
    """Find what `load_specs` finds, and keep no spec.

    Files that the `memory` knows are not parsed again; it never changes what is found.
    """
    deadline = deadline or Deadline.after(POLICY_SECONDS)
    with collector_paused():
        opener = SpecOpener.of(paths, root, config, stdin=stdin)
        judge = TreeJudge(opener, config, memory=memory)
        tree = judge.run(deadline)
        checks, view = judge.check_together(tree)
        judge.remember(tree)
        validated = Validated(
            **view,
            sound={key: facts.file for key, facts in checks.sound.items()},
            declared={key: facts.file for key, facts in checks.declared.items()},
            find_files=lambda key: opener.files_of(checks.declared[key]),
        )
        if validated.files > MANY_FILES:
            gc.freeze()
        return validated
