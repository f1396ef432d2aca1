from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import reconciler
from reconciler import resources
from reconciler.errors import ReconcilerError

SOURCE = Path(reconciler.__file__).parent
ASK = """
from reconciler.errors import ReconcilerError
from reconciler.resources import is_checkout, load_schema, schema_names, schemas_folder
try:
    print(is_checkout(schemas_folder()), len(schema_names()), load_schema("spec")["title"])
except ReconcilerError as error:
    print(f"{error.message} ({error.hint})")
"""


def installed(site: Path) -> Path:
    """Lay the program out as a wheel does, without its schemas."""
    package = site / "reconciler"
    package.mkdir()
    for name in ("__init__.py", "errors.py", "resources.py"):
        shutil.copy(SOURCE / name, package / name)
    return package


def ask(site: Path) -> str:
    """Load a schema with the program that lies in a folder, and nothing else."""
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(site)!r}){ASK}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_checkout() -> None:
    """In a checkout the schemas lie beside the package."""
    folder = resources.schemas_folder()
    assert (folder, resources.is_checkout(folder)) == (SOURCE.parent / "schemas", True)


def test_an_installed_package(tmp_path: Path) -> None:
    """In an installed package the schemas lie inside."""
    shutil.copytree(SOURCE.parent / "schemas", installed(tmp_path) / "_schemas")
    assert ask(tmp_path) == "False 13 Workload spec"


def test_an_installation_without_schemas(tmp_path: Path) -> None:
    """A broken installation says so, and somebody else's `schemas` folder is no remedy."""
    installed(tmp_path)
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "spec.schema.json").write_text('{"title": "not ours"}')
    assert ask(tmp_path) == (
        "the program's JSON Schemas were not installed with it (install workload-reconciler again)"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "the program's JSON Schema 'spec' is damaged: Expecting property name"),
        (b"[]", "the program's JSON Schema 'spec' is damaged ("),
        (b"\xff", "the program's JSON Schema 'spec' cannot be read: 'utf-8' codec"),
        (None, "the program's JSON Schema 'spec' cannot be read: [Errno 2]"),
    ],
)
def test_a_damaged_installation(tmp_path: Path, content: bytes | None, message: str) -> None:
    """A damaged or missing file is named, and the way out is to install again."""
    schemas = installed(tmp_path) / "_schemas"
    shutil.copytree(SOURCE.parent / "schemas", schemas)
    (schemas / "spec.schema.json").unlink()
    if content is not None:
        (schemas / "spec.schema.json").write_bytes(content)
    answer = ask(tmp_path)
    assert answer.startswith(message)
    assert answer.endswith("(install workload-reconciler again)")


def test_each_caller_owns_its_copy() -> None:
    """Changing a loaded schema changes nobody else's."""
    resources.load_schema("error").clear()
    assert resources.load_schema("error")["title"] == "Error"


def test_an_unknown_schema() -> None:
    """Asking for a schema that was never shipped is an error of the program."""
    with pytest.raises(ReconcilerError, match="'pod' cannot be read"):
        resources.load_schema("pod")
