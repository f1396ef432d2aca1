from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.specs.config import config_file, find_root, load_config
from reconciler.specs.loading import load_specs
from tests.support.specs import SPEC

NAMES = st.sampled_from(
    ["a", "b.yaml", "c.json", "_defaults.yaml", "reconciler.yaml", ".reconcilerignore", ".h.yaml"]
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
CONTENTS = st.sampled_from(
    [SPEC, "{}", "", "[" * 200, "manifestFile: ../b.yaml\n", "metadata: {name: a}\n", "!*\n**/a\n"]
)
THINGS = st.one_of(
    st.tuples(st.just("file"), CONTENTS),
    st.tuples(st.just("link"), st.one_of(PATHS, st.sampled_from([".", "..", "/", "/dev/zero"]))),
    st.tuples(st.sampled_from(["pipe", "socket", "folder"]), st.just("")),
)


def build(root: Path, path: str, kind: str, content: str) -> None:
    """Make one thing in a tree, if what is there already leaves room for it."""
    target = root / path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if os.path.realpath(target.parent).startswith(str(root)) and not os.path.lexists(target):
            _make(target, kind, content)
    except OSError:
        return


def _make(target: Path, kind: str, content: str) -> None:
    match kind:
        case "file":
            target.write_text(content)
        case "link":
            target.symlink_to(content)
        case "pipe":
            os.mkfifo(target)
        case "folder":
            target.mkdir()
        case _:
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(str(target))


@settings(deadline=None)
@given(st.lists(st.tuples(PATHS, THINGS), max_size=12))
def test_any_tree_is_read_in_bounded_time(things: list[tuple[str, tuple[str, str]]]) -> None:
    """Links, loops, pipes, sockets and damaged files in any mixture end in specs or findings."""
    root = Path(tempfile.mkdtemp())
    try:
        for path, (kind, content) in things:
            build(root, path, kind, content)
        begun = time.perf_counter()
        top = find_root(root)
        config = load_config(config_file(top), root=top)
        loaded = load_specs([root], root=top, config=config)
        assert time.perf_counter() - begun < 5
        assert all(one.where.file for one in loaded.diagnostics)
    finally:
        shutil.rmtree(root)
