"""Files of a repository: read only inside of it, and never held up by what they are."""

from __future__ import annotations

import errno
import os
import unicodedata
from pathlib import Path
from typing import BinaryIO, NamedTuple

from reconciler.core.diagnostics import Diagnostic
from reconciler.errors import InvalidInputError, Where
from reconciler.regularfiles import MAX_BYTES, NotRegularError, TooLargeError, read_regular
from reconciler.specs.rules.codes import make_diagnostic

STDIN = "<stdin>"


class ReadFailure(NamedTuple):
    """Why something cannot be read: a code, what to say after its name, and a way out."""

    code: str
    message: str
    hint: str = ""

    def at(self, where: Where, subject: str = "the file") -> Diagnostic:
        """Say it about a subject, at a place."""
        return make_diagnostic(self.code, f"{subject} {self.message}", where, hint=self.hint)


class ReadBoundary(NamedTuple):
    """The folder, by its real path, outside of which nothing of a repository is read.

    Who writes a repository decides where its links and paths lead, and not what the machine
    that reads it has: a link to `/proc/self/environ` would print the secrets of a pipeline. Its
    `.git` is outside as well: pipelines keep the credentials of the checkout there.
    """

    top: str

    @classmethod
    def around(cls, folder: Path) -> ReadBoundary:
        """The top of the git checkout around a folder; without one, the folder itself.

        The checkout is looked for above the path as it is given: a folder that is a link out of
        its checkout has no files inside the border.
        """
        given = absolute(folder)
        top = checkout_around(given) or checkout_around(given.resolve()) or given
        return cls(os.path.realpath(top))

    def holds(self, real: str) -> bool:
        """Whether a real path is the border's folder or lies below it, and in no `.git`."""
        top = self.top.rstrip(os.sep) + os.sep
        if real != self.top and not real.startswith(top):
            return False
        return f"{os.sep}.git{os.sep}" not in f"{real[len(top) - 1 :].lower()}{os.sep}"

    def resolve(self, path: str | Path) -> str | ReadFailure:
        """The real path of something inside the border."""
        try:
            # What is outside is not even told to be there or not.
            if not self.holds(os.path.realpath(path)):
                return OUTSIDE
            real = os.path.realpath(path, strict=True)
        except (OSError, ValueError) as error:
            return describe_os_error(error)
        return real if self.holds(real) else OUTSIDE

    def read(self, path: str | Path, *, most: int = MAX_BYTES) -> bytes | ReadFailure:
        """Read a regular file inside the border."""
        real = self.resolve(path)
        return real if isinstance(real, ReadFailure) else read_bytes(real, most=most)


def checkout_around(folder: Path) -> Path | None:
    """The top of the git checkout that an absolute path lies in, by that path."""
    for candidate in (folder, *folder.parents):
        # A folder in a clone, a file in a worktree or a submodule; never mind what may not be read.
        if os.access(candidate / ".git", os.F_OK):
            return candidate
    return None


def absolute(path: Path) -> Path:
    """Make a path absolute without resolving symbolic links, as the user sees it.

    Raises InvalidInputError where it depends on a working directory that is gone.
    """
    try:
        return Path(os.path.normpath(Path.cwd() / path))
    except FileNotFoundError as error:
        raise InvalidInputError("the working directory no longer exists") from error


def read_bytes(real: str | Path, *, most: int = MAX_BYTES) -> bytes | ReadFailure:
    """Read a regular file by its real path, which a border has been asked about."""
    try:
        return read_regular(real, most=most, follow=False)
    except (OSError, ValueError) as error:
        return describe_os_error(error)


def read_stream(file: BinaryIO) -> bytes | ReadFailure:
    """Read a stream up to the same limit, whatever its size claims to be."""
    try:
        data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        return describe_os_error(error)
    return describe_os_error(TooLargeError(MAX_BYTES)) if len(data) > MAX_BYTES else data


def describe_os_error(error: OSError | ValueError) -> ReadFailure:
    """Say in words why a path cannot be read."""
    if isinstance(error, NotRegularError):
        return ReadFailure(code="not-a-file", message=str(error))
    if isinstance(error, TooLargeError):
        hint = "split it, or list it in .reconcilerignore"
        return ReadFailure(code="too-large", message=str(error), hint=hint)
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return ReadFailure(
            code="symlink-loop", message="is a symbolic link that leads back to itself"
        )
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return ReadFailure(code="no-such-path", message="does not exist")
    # The only name that Python itself refuses, in other words from version to version.
    reason = error.strerror if isinstance(error, OSError) else "its name holds a NUL character"
    hint = "check its permissions" if isinstance(error, PermissionError) else ""
    message = f"cannot be read: {reason or type(error).__name__}"
    return ReadFailure(code="unreadable", message=message, hint=hint)


def is_folder(path: Path) -> bool:
    """Whether a path leads to a folder that can be looked at."""
    try:
        return path.is_dir()
    except OSError:
        return False


def posix_name(path: str) -> str:
    """Write a path as text that every terminal and every JSON document can hold."""
    return path.replace(os.sep, "/").encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def near_miss(folder: Path, path: str, border: ReadBoundary | None = None) -> str:
    """Name what a path that does not exist was likely meant to be; empty where nothing is like it.

    A Mac writes `é` as two characters where others write one, and Windows another separator. No
    name from outside of a border is told.
    """
    steps = path.replace("\\", "/").split("/")
    there: list[str] = []
    folder = folder if steps[0] else Path("/")
    for step in steps:
        is_open = border is None or border.holds(os.path.realpath(folder))
        names = ["", ".", "..", *(_names_in(folder) if is_open else ())]
        alike = [name for name in names if _folded(name) == _folded(step)]
        if not alike:
            return ""
        exact = [name for name in alike if name == step]
        composed = [name for name in alike if _composed(name) == _composed(step)]
        there.append((exact or composed or alike)[0])
        folder /= there[-1]
    meant = posix_name("/".join(there))
    if "\\" in path or _composed(meant) != _composed(path):
        return f"did you mean '{meant}'?"
    return (
        f"'{meant}' is there, in another Unicode form of the same letters: "
        "let the shell complete the name, or rename the file"
    )


def _names_in(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries)
    except (OSError, ValueError):
        return []


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _composed(_composed(name).casefold())


OUTSIDE = ReadFailure(
    code="outside-root",
    message="does not lie inside the repository",
    hint="copy it into the repository: what lies outside of it is not read",
)
