"""The files that ship with the program: the JSON Schemas and what they are derived from."""

from __future__ import annotations

import json
import shlex
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from reconciler.errors import ReconcilerError

SUFFIX = ".schema.json"
OVERLAY = "overlay.json"
REINSTALL = "install workload-reconciler again"
# Where the schemas of the kinds of operators lie in the folder of schemas.
_CRDS = ("kubernetes", "crds")

# Where the wheel keeps what a checkout keeps in `schemas/` (see pyproject.toml).
_INSTALLED = "_schemas"


def install_command(extra: str) -> str:
    """How pip adds an extra to the program as it was installed here.

    Never the bare name where it did not come from an index: whoever owns that name there could be
    anybody.
    """
    # Only here: it is slow to load, and needed where an extra is missing.
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        text = distribution("workload-reconciler").read_text("direct_url.json")
        origin = json.loads(text or "{}")
    except (PackageNotFoundError, ValueError):
        # Run from a checkout that was not installed at all.
        origin = {"url": Path(__file__).parent.parent.as_uri()}
    url = str(origin.get("url", ""))
    if not url:
        return f"pip install 'workload-reconciler[{extra}]'"
    if "vcs_info" in origin:
        revision = origin["vcs_info"].get("commit_id", "")
        source = f"{origin['vcs_info'].get('vcs', 'git')}+{url}{'@' if revision else ''}{revision}"
        return f"pip install {shlex.quote(f'workload-reconciler[{extra}] @ {source}')}"
    parts = urlsplit(url)
    if parts.scheme != "file":
        return f"pip install {shlex.quote(f'workload-reconciler[{extra}] @ {url}')}"
    editable = "-e " if origin.get("dir_info", {}).get("editable") else ""
    return f"pip install {editable}{shlex.quote(f'{unquote(parts.path)}[{extra}]')}"


def crd_file_name(api_version: str, kind: str) -> str:
    """The file of a custom kind's schema, such as `PyTorchJob.kubeflow.org_v1.json`."""
    return f"{kind}.{api_version.replace('/', '_')}.json"


def schemas_folder() -> Path:
    """Find the schemas inside an installed package, or beside the package in a checkout.

    Raises ReconcilerError where there are none: the installation is broken.
    """
    # Not by importlib.resources, which loads the readers of archives in every command.
    package = Path(__file__).parent
    for folder in (package / _INSTALLED, package.parent / "schemas"):
        if _is_ours(folder):
            return folder
    raise ReconcilerError("the program's JSON Schemas were not installed with it", hint=REINSTALL)


def is_checkout(folder: Path) -> bool:
    """Tell a checkout's schemas, which may be derived again, from those of an installed package."""
    return folder.name != _INSTALLED


def crd_text(api_version: str, kind: str) -> str | None:
    """The shipped schema of an operator's kind as it is written; None where there is none."""
    file = _crds_folder().joinpath(crd_file_name(api_version, kind))
    return file.read_text(encoding="utf-8") if file.is_file() else None


# A repository has many kinds, and finding the folder costs as much as reading a file.
@cache
def _crds_folder() -> Path:
    return schemas_folder().joinpath(*_CRDS)


def schema_names(folder: str = "") -> tuple[str, ...]:
    """Name every shipped schema in alphabetical order: the newest, or those of a `folder`.

    Schemas of an older version of the API lie in a folder that has the name of the version.
    """
    files = (entry.name for entry in schemas_folder().joinpath(folder).iterdir())
    return tuple(sorted(name.removesuffix(SUFFIX) for name in files if name.endswith(SUFFIX)))


def schema_text(name: str, folder: str = "") -> str:
    """Return a shipped schema as it is written; raises ReconcilerError if it cannot be read."""
    try:
        file = schemas_folder().joinpath(folder, f"{name}{SUFFIX}")
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReconcilerError(
            f"the program's JSON Schema '{name}' cannot be read: {error}", hint=REINSTALL
        ) from error


def load_schema(name: str, folder: str = "") -> dict[str, Any]:
    """Return a shipped schema by name, for example `spec`; the caller owns the copy.

    The newest of it, unless a `folder` names an older version of the API.

    Raises ReconcilerError if there is no such schema, or if its file is damaged.
    """
    try:
        loaded = json.loads(schema_text(name, folder))
    except json.JSONDecodeError as error:
        raise ReconcilerError(
            f"the program's JSON Schema '{name}' is damaged: {error}", hint=REINSTALL
        ) from error
    if not isinstance(loaded, dict):
        raise ReconcilerError(f"the program's JSON Schema '{name}' is damaged", hint=REINSTALL)
    return loaded


def _is_ours(folder: Path) -> bool:
    # A folder of that name beside the package may belong to another distribution.
    return folder.joinpath(OVERLAY).is_file()
