"""A repository of specs, read and checked as a whole."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from reconciler.core.projects.resolution import Resolution
from reconciler.errors import Where
from reconciler.garbage import collector_paused
from reconciler.specs.config import Config
from reconciler.specs.judged_tree import JudgedTree, TreeJudge, address_of
from reconciler.specs.loaded import Loaded
from reconciler.specs.opening import SpecOpener
from reconciler.specs.source.deadline import Deadline

MANY_FILES = 1000
POLICY_SECONDS = 1800.0


def load_specs(
    paths: Sequence[Path],
    *,
    root: Path,
    config: Config,
    stdin: BinaryIO | None = None,
    deadline: Deadline | None = None,
    drafts: Mapping[str, str] = MappingProxyType({}),
) -> Loaded:
    """Read every spec below the root; `-` among the paths reads standard input.

    With `-` alone the root's files are not specs, while its defaults and manifests still are used.
    Nothing is raised for what files hold or are: see `Loaded.diagnostics`. Policies are applied
    until the `deadline`, by default for half an hour. `drafts` are texts of files that are not
    there yet, by their names below the root: they are read as if they were.
    """
    deadline = deadline or Deadline.after(POLICY_SECONDS)
    with collector_paused():
        opener = SpecOpener.of(paths, root, config, stdin=stdin, drafts=drafts)
        judge = TreeJudge(opener, config, keeps=True)
        loaded = _put_together(judge, judge.run(deadline))
        if loaded.files > MANY_FILES:
            # Nor does it pay ever to look at them again.
            gc.freeze()
        return loaded


def _put_together(judge: TreeJudge, tree: JudgedTree) -> Loaded:
    """What the files of a tree declare, and what is wrong with it."""
    checks, view = judge.check_together(tree)
    opener, config = judge.opener, judge.config
    desired = []
    for judged in tree.files:
        for facts, content in zip(judged.verdict.facts, judged.contents, strict=True):
            if facts and content and checks.sound.get((facts.project, facts.name)) is facts:
                source = Where(file=facts.file, line=facts.line, column=facts.column)
                desired.append(content.to_desired(address_of(facts), source))

    def check_again(deadline: Deadline, resolution: Resolution) -> Loaded:
        again = TreeJudge(opener, replace(config, resolution=resolution), keeps=True)
        return _put_together(again, again.judge_again(tree, deadline))

    # As tuples: to compare two addresses takes many times as long, and thousands are sorted.
    desired.sort(key=lambda spec: (spec.address.project, spec.address.name))
    loaded = Loaded(**view, desired=tuple(desired), declared=checks.declared, opener=opener)
    # Only names that a server has to tell keep what is known of each file in memory.
    return replace(loaded, check_again=check_again) if loaded.unresolved else loaded
