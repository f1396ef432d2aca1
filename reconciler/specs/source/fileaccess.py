"""Files of a repository: read only inside of it, and never held up by what they are."""

from __future__ import annotations

import errno
import os
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from reconciler.core.diagnostics import Diagnostic
from reconciler.errors import InvalidInputError, Where
from reconciler.regularfiles import MAX_BYTES, NotRegularError, TooLargeError, read_regular
from reconciler.specs.rules.codes import make_diagnostic

STDIN = "<stdin>"


class ReadFailure(NamedTuple):
    """Why something cannot be read: a diagnostic's code, its message without subject, its hint."""

    code: str
    message: str
    hint: str = ""

    def at(self, where: Where, subject: str = "the file") -> Diagnostic:
        """Return the diagnostic about a subject, at a place."""
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
        its checkout has no files inside the boundary.
        """
        path = absolute(folder)
        top = checkout_around(path) or checkout_around(path.resolve()) or path
        return cls(os.path.realpath(top))

    def holds(self, real: str) -> bool:
        """Whether a real path is the boundary's folder or lies below it, and in no `.git`."""
        top = self.top.rstrip(os.sep) + os.sep
        if real != self.top and not real.startswith(top):
            return False
        # In small letters: macOS and Windows find `.git` under `.GIT` as well.
        return f"{os.sep}.git{os.sep}" not in f"{real[len(top) - 1 :].lower()}{os.sep}"

    def resolve(self, path: str | Path) -> str | ReadFailure:
        """The real path of something inside the boundary."""
        try:
            # First without asking whether it exists: the answer would say what the machine holds.
            if not self.holds(os.path.realpath(path)):
                return OUTSIDE
            real = os.path.realpath(path, strict=True)
        except (OSError, ValueError) as error:
            return describe_os_error(error)
        # Once more: a link may have changed between the two.
        return real if self.holds(real) else OUTSIDE

    def read(self, path: str | Path, *, max_bytes: int = MAX_BYTES) -> bytes | ReadFailure:
        """Read a regular file inside the boundary."""
        real = self.resolve(path)
        return real if isinstance(real, ReadFailure) else read_bytes(real, max_bytes=max_bytes)


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


def read_bytes(real: str | Path, *, max_bytes: int = MAX_BYTES) -> bytes | ReadFailure:
    """Read a regular file by its real path, which a boundary has been asked about."""
    try:
        return read_regular(real, max_bytes=max_bytes, follow=False)
    except (OSError, ValueError) as error:
        return describe_os_error(error)


def read_stream(file: BinaryIO) -> bytes | ReadFailure:
    """Read a stream, such as standard input, up to the limit of a file."""
    try:
        data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        return describe_os_error(error)
    return describe_os_error(TooLargeError(MAX_BYTES)) if len(data) > MAX_BYTES else data


def describe_os_error(error: OSError | ValueError) -> ReadFailure:
    """Return why a path cannot be read, for an error of the operating system."""
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
    """Write a path as text that every terminal and every JSON document can hold.

    Python keeps bytes of a name that are not UTF-8 as halves of surrogate pairs, which neither can.
    """
    name = path.replace(os.sep, "/")
    if name.isascii():
        return name
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def near_miss(folder: Path, path: str, boundary: ReadBoundary | None = None) -> str:
    """Suggest an existing path that is like one that does not exist; empty if there is none.

    A Mac writes `é` as two characters where others write one, and Windows another separator. No
    name from outside of the boundary is suggested.
    """
    steps = path.replace("\\", "/").split("/")
    likely: list[str] = []
    folder = folder if steps[0] else Path("/")
    for step in steps:
        names = ["", ".", ".."]
        if boundary is None or boundary.holds(os.path.realpath(folder)):
            with suppress(OSError, ValueError), os.scandir(folder) as entries:
                names += sorted(entry.name for entry in entries)
        alike = [name for name in names if _folded(name) == _folded(step)]
        if not alike:
            return ""
        exact = [name for name in alike if name == step]
        composed = [name for name in alike if _composed(name) == _composed(step)]
        likely.append((exact or composed or alike)[0])
        folder /= likely[-1]
    candidate = posix_name("/".join(likely))
    if "\\" in path or _composed(candidate) != _composed(path):
        return f"did you mean '{candidate}'?"
    return (
        f"'{candidate}' exists, in another Unicode form of the same letters: "
        "let the shell complete the name, or rename the file"
    )


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    return _composed(_composed(name).casefold())


OUTSIDE = ReadFailure(
    code="outside-root",
    message="does not lie inside the repository",
    hint="copy it into the repository: no file outside of it is read",
)
