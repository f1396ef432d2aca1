"""The ways in which a repository can lead its reader to a file that is none of its business.

Each makes one thing in a folder of specs that leads to a target: a link, a path, a pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

Way = Callable[[Path, str], None]
"""Arranges a folder of specs so that reading it leads to a target, given as an absolute path."""

SPEC = 'metadata: {name: a, projectId: "1"}\n'


def _link(name: str) -> Way:
    def arrange(root: Path, target: str) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    return arrange


def _file(name: str, text: str) -> Way:
    """A file in which `@` stands for the target, and `^` for the same by a way up."""

    def arrange(root: Path, target: str) -> None:
        upwards = "../" * len(root.resolve().parts) + target.lstrip("/")
        (root / name).write_text(text.replace("@", target).replace("^", upwards))

    return arrange


def _link_to_policy(root: Path, target: str) -> None:
    (root / "reconciler.yaml").write_text("policies: [p.json]\n")
    _link("p.json")(root, target)


def _default_manifest(root: Path, target: str) -> None:
    (root / "b.yaml").write_text(SPEC)
    _file("_defaults.yaml", "manifestFile: '^'\n")(root, target)


def _link_to_manifest(root: Path, target: str) -> None:
    (root / "b.yaml").write_text(f"{SPEC}manifestFile: manifest\n")
    _link("manifest")(root, target)


def _link_to_folder(root: Path, target: str) -> None:
    """The folder of the target, in which a way through it names the file."""
    folder, _, name = target.rpartition("/")
    (root / "b.yaml").write_text(f"{SPEC}manifestFile: sub/{name}\n")
    _link("sub")(root, folder)


WAYS: Mapping[str, Way] = {
    "an ignore file": _link(".reconcilerignore"),
    "an ignore file below": _link("sub/.reconcilerignore"),
    "the configuration": _link("reconciler.yaml"),
    "a spec": _link("b.yaml"),
    "a spec in JSON": _link("b.json"),
    "the defaults": _link("_defaults.yaml"),
    "defaults below": _link("sub/_defaults.yaml"),
    "a folder": _link_to_folder,
    "a manifest by a link": _link_to_manifest,
    "a manifest by its path": _file("b.yaml", f"{SPEC}manifestFile: '@'\n"),
    "a manifest by a way up": _file("b.yaml", f"{SPEC}manifestFile: '^'\n"),
    "a manifest in the defaults": _default_manifest,
    "a policy by a link": _link_to_policy,
    "a policy by its path": _file("reconciler.yaml", "policies: ['@']\n"),
    "a policy by a way up": _file("reconciler.yaml", "policies: ['^']\n"),
    "policies by a glob": _file("reconciler.yaml", "policies: ['^*']\n"),
}
