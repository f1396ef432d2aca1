"""Folders full of what a repository should not hold, each made of a seed and a number alone."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from random import Random

from proof.fuzz.documents import CONFIG, ENCODED, IN_FILE, JOB, SPEC

NAMES = (
    *("a", "b.yaml", "c.json", "d.yml", "team", "m", "job.yaml", "e.yaml", "p.json", "a b.yaml"),
    *("_defaults.yaml", "_default.yml", "reconciler.yaml", ".reconcilerignore", ".hidden.yaml"),
    *("-x.yaml", "new\nline.yaml", "é.yaml", "\udcff.yaml", "x" * 250 + ".yaml", "*.yaml", "~"),
)
TEXTS = (
    *(SPEC, SPEC, IN_FILE, JOB, CONFIG, ENCODED % "e30=", "", "{}", "[" * 200, "a: &a [*a]\n"),
    *("manifestFile: ../b.yaml\n", "manifestFile: ../../../etc/passwd\n", "metadata: {name: a}\n"),
    *(
        "manifestFile: .\n",
        "manifestFile: job.yaml\n",
        "*\n!team/\n",
        "[a\n\\\n!*\n**/a\n",
        "\0" * 9,
    ),
    *("x: &x [1,2]\n" + "".join(f"y{n}: [*x,*x]\n" for n in range(50)), "policies: ['**']\n"),
)
GOALS = (
    *(".", "..", "/", "/dev/zero", "/dev/stdin", "/proc/self/fd", "/proc/self/mem", "team", "a"),
    *("../..", "b.yaml", "./team/../team", "loop", "/nowhere", "x" * 200, "_defaults.yaml"),
)


def build_tree(root: Path, seed: int, number: int) -> None:
    """Fill a folder; what the system does not let be made is left out."""
    chance = Random(f"tree {seed}/{number}")
    for _ in range(chance.randint(1, 40)):
        path = root.joinpath(*chance.choices(NAMES, k=chance.choice((1, 1, 2, 2, 3))))
        # A name may be too long, taken, or lead through a link to somewhere else.
        with contextlib.suppress(OSError, ValueError):
            if _is_inside(path.parent, root) and not os.path.lexists(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                chance.choices(_THINGS, _WEIGHTS)[0](path, chance)


def _is_inside(folder: Path, root: Path) -> bool:
    return Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(root))


def _file(path: Path, chance: Random) -> None:
    path.write_text(chance.choice(TEXTS), encoding="utf-8")


def _link(path: Path, chance: Random) -> None:
    path.symlink_to(chance.choice(GOALS))


def _hard_link(path: Path, chance: Random) -> None:
    found = [one for one in path.parent.iterdir() if one.is_file()]
    path.hardlink_to(chance.choice(found)) if found else path.mkdir()


def _folder(path: Path, chance: Random) -> None:
    path.joinpath(*["deep"] * chance.choice((0, 1, 60))).mkdir(parents=True)


def _pipe(path: Path, chance: Random) -> None:
    del chance
    os.mkfifo(path)


def _socket(path: Path, chance: Random) -> None:
    del chance
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def _hole(path: Path, chance: Random) -> None:
    """A file that claims to be huge and holds nothing."""
    with path.open("wb") as file:
        file.truncate(chance.choice((2**24, 2**24 + 1, 2**40)))


def _closed(path: Path, chance: Random) -> None:
    """What may not be read, unless whoever asks may do everything."""
    path.mkdir() if chance.random() < 0.5 else path.write_text(SPEC)
    path.chmod(0)


_THINGS: tuple[Callable[[Path, Random], None], ...] = (
    *(_file, _link, _hard_link, _folder, _pipe, _socket, _hole, _closed),
)
_WEIGHTS = (12, 8, 1, 3, 2, 1, 1, 2)
