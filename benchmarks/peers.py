"""The programs that benchmarks compare with, in an environment of their own.

`python -m benchmarks.peers` installs what `requirements/peers.txt` pins, and prints every version.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree, which

_ROOT = Path(__file__).parent.parent
_PINS = _ROOT / "requirements" / "peers.txt"
_ENVIRONMENT = _ROOT / "build" / "peers"
# What prints the version of each. kubeconform is in no package index: it is used where it is.
_VERSIONS = {
    "check-jsonschema": ("--version",),
    "kubeconform": ("-v",),
    "kubectl": ("version", "--client"),
}
_PINNED = {"check-jsonschema", "kubectl"}


class PeerError(Exception):
    """A peer is not to be had on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A program to compare with."""

    name: str
    path: Path
    version: str

    def __str__(self) -> str:
        origin = "as pinned" if self.path.is_relative_to(_ENVIRONMENT) else f"from {self.path}"
        return f"{self.name} {self.version}, {origin}"


def find_peer(name: str, path: Path | None = None) -> Peer:
    """The pinned program of this name, which is installed when it is first asked for.

    A `path` is taken instead. Raises PeerError.
    """
    if path is None and name in _PINNED:
        path = _environment() / "bin" / name
    elif path is None:
        on_path = which(name)
        if on_path is None:
            raise PeerError(f"{name} is not installed here, and no package of it can be pinned")
        path = Path(on_path)
    return Peer(name=name, path=path, version=_version(path, *_VERSIONS[name]))


def _environment() -> Path:
    pins = _PINS.read_bytes()
    installed = _ENVIRONMENT / "installed.txt"
    if installed.is_file() and installed.read_bytes() == pins:
        return _ENVIRONMENT
    rmtree(_ENVIRONMENT, ignore_errors=True)
    venv.create(_ENVIRONMENT, with_pip=True)
    pip = (str(_ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet")
    done = subprocess.run(
        (*pip, "--disable-pip-version-check", "--require-hashes", "-r", str(_PINS)),
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode:
        raise PeerError(f"the pinned peers cannot be installed: {done.stderr.strip()[-500:]}")
    # Last: an environment that is half made has no such file, and is made again.
    installed.write_bytes(pins)
    return _ENVIRONMENT


def _version(path: Path, *arguments: str) -> str:
    try:
        done = subprocess.run([path, *arguments], capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise PeerError(f"{path} does not tell its version: {error}") from None
    # "check-jsonschema, version 0.39.0", "Client Version: v1.37.1" and more lines, "v0.7.0"
    return done.stdout.splitlines()[0].split()[-1].removeprefix("v")


def main() -> int:
    """Print the version of each peer; 1 where one is missing."""
    missing = 0
    for name in _VERSIONS:
        try:
            print(find_peer(name))
        except PeerError as error:
            missing = 1
            print(error)
    return missing


if __name__ == "__main__":
    sys.exit(main())
