"""Starting git in a checkout whose files somebody else has written.

This is the one place of the program that starts git. The files of a pull request must not decide
what runs: git looks only into the checkout whose `.git` is found here, never into a repository that
lies among its files, and starts no hook, filter, helper or transport. The credentials of the job
are not in its environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import InvalidInputError
from reconciler.specs.source.fileaccess import checkout_around

if TYPE_CHECKING:
    import subprocess

# Enough for a large repository on a slow disk; a helper that waits for a person never ends.
PATIENCE = 60.0

_SETTINGS = (
    # A folder of plain files (HEAD, objects, config) is no repository, whatever it looks like.
    "safe.bareRepository=explicit",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    # An empty entry forgets every helper that was named before it.
    "credential.helper=",
    # A partial clone would ask its remote for what is not there.
    "protocol.allow=never",
)
# HOME leads to the user's own configuration, which says whose checkouts are trusted.
_INHERITED = ("PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR")
_NO_FILTER = {"clean": "", "smudge": "", "process": "", "required": "false"}


def checkout_top(folder: Path) -> Path | None:
    """The top of the git checkout around a folder, resolved; None outside of one."""
    return checkout_around(folder.resolve())


def name_in_checkout(path: Path) -> str | None:
    """What git calls a file or folder: its path from the top of the checkout; None outside of one.

    The top itself is called `.`.
    """
    real = path.resolve()
    top = checkout_around(real)
    return None if top is None else str(real.relative_to(top))


class Git:
    """Git at the top of the checkout around a folder; InvalidInputError where there is none."""

    def __init__(self, folder: Path) -> None:
        top = checkout_top(folder)
        if top is None:
            raise _failure("not a git repository")
        self.top = top
        self._environment = _environment(top)
        # A file of attributes could choose any of the filters that the user has configured.
        keys = self.try_run("config", "--null", "--name-only", "--get-regexp", r"^filter\.")
        self._environment |= _without_filters(keys)

    def run(self, *arguments: str) -> str:
        """What git prints; raises InvalidInputError where it fails."""
        completed = self._complete(arguments)
        if completed.returncode:
            message = completed.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
            raise _failure(message.partition("\n")[0] or f"exit code {completed.returncode}")
        return _text(completed.stdout)

    def try_run(self, *arguments: str) -> str:
        """What git prints, or nothing where it fails."""
        completed = self._complete(arguments)
        return "" if completed.returncode else _text(completed.stdout)

    def _complete(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        # Only here: a usual validation starts no git.
        import subprocess

        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        try:
            return subprocess.run(  # noqa: S603 - fixed words, and a revision behind --end-of-options
                ["git", *settings, "-C", str(self.top), "--literal-pathspecs", *arguments],  # noqa: S607 - the user's git
                capture_output=True,
                check=False,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                timeout=PATIENCE,
            )
        except FileNotFoundError as error:
            raise InvalidInputError(
                "git is not installed", hint="leave --changed-since out to see every diagnostic"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise InvalidInputError(f"git has not answered within {PATIENCE:.0f} s") from error


def _environment(top: Path) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return inherited | {
        "LC_ALL": "C",
        # The search for a repository ends at the top, also where its .git is none.
        "GIT_CEILING_DIRECTORIES": str(top.parent),
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
    }


def _without_filters(keys: str) -> Mapping[str, str]:
    """Variables that switch every configured filter off: git has no setting for all of them.

    Variables and not `-c`, because the name of a filter may hold the sign that ends a name there.
    """
    names = {key.removeprefix("filter.").rpartition(".")[0] for key in keys.split("\0") if key}
    settings = [
        (f"filter.{name}.{variable}", value)
        for name in sorted(names)
        for variable, value in _NO_FILTER.items()
    ]
    variables = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


def _text(output: bytes) -> str:
    return output.decode(errors="surrogateescape").rstrip("\n")


def _failure(reason: str) -> InvalidInputError:
    return InvalidInputError(
        f"git cannot list the changed files: {reason}",
        hint="--changed-since works inside a git repository",
    )
