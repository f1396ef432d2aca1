from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.main import cli
from reconciler.errors import InvalidInputError, ReconcilerError, UsageError
from reconciler.openapi.files import derive_all, find_stale, write_files
from reconciler.resources import load_schema, schema_names, schema_text, schemas_folder

_OLDEST = ("create-request", "workload", "get-response", "error", "spec", "defaults")
_LATER = (
    *("create-request", "update-request", "workload", "get-response", "token-response", "error"),
    *("spec", "defaults"),
)
# By folder: what is newest lies at the top.
DERIVED = {"2.23": _OLDEST, "2.24": _LATER, "2.25": _LATER, "": _LATER}
FILES = [
    "/".join(filter(None, (folder, f"{name}.schema.json")))
    for folder, names in DERIVED.items()
    for name in names
]


def run(*words: str | Path) -> Result:
    """Run `reconciler schema` in this process."""
    return CliRunner().invoke(cli, ["schema", *map(str, words)])


def error_of(result: Result) -> ReconcilerError:
    """Return the error with which a command ended."""
    assert isinstance(result.exception, ReconcilerError)
    return result.exception


def test_show_prints_the_file() -> None:
    """`schema show KIND` prints the shipped schema byte for byte."""
    assert run("show", "spec").stdout == schema_text("spec")


def test_show_lists_what_there_is() -> None:
    """`schema show` names each schema on a line, with its description; behind them the kinds."""
    lines = [line.split(maxsplit=1) for line in run("show").stdout.splitlines()]
    names = schema_names()
    assert lines[: len(names)] == [[name, load_schema(name)["description"]] for name in names]
    assert {line[0].rpartition("/")[0] for line in lines[len(names) :]} > {"v1", "ray.io/v1"}


@pytest.mark.parametrize(
    ("version", "folder"), [("2.23", "2.23"), ("2.26", "2.25"), ("3.7", ""), ("latest", "")]
)
def test_show_of_a_version(version: str, folder: str) -> None:
    """Each version has schemas, its own or those of the newest before it."""
    shown = run("show", "spec", "--api-version", version).stdout
    assert shown == schema_text("spec", folder)


def test_show_of_what_is_no_version() -> None:
    """The message lists what there is."""
    error = error_of(run("show", "--api-version", "newest"))
    assert isinstance(error, UsageError)
    assert error.message.startswith("'newest' is not a known version: 2.23, 2.24")


def test_show_of_an_unknown_kind() -> None:
    """A schema that does not exist is wrong usage, and the hint names those that do."""
    error = error_of(run("show", "pod"))
    assert (type(error), error.message) == (UsageError, "no JSON Schema is called 'pod'")
    assert "spec" in error.hint


def test_the_shipped_schemas_are_current() -> None:
    """What is shipped is what the shipped document and overlay give."""
    result = run("check")
    assert (result.exit_code, result.stdout) == (0, "all derived schemas are current (30)\n")


def test_derive_writes_what_is_shipped(tmp_path: Path) -> None:
    """Deriving into an empty folder gives the shipped files; a second time, nothing changes."""
    out = tmp_path / "new" / "folder"
    assert run("derive", "--out", out).stdout.splitlines() == [f"wrote {out / f}" for f in FILES]
    again = run("derive", "--out", out).stdout.splitlines()
    assert again == [f"unchanged {out / f}" for f in FILES]
    assert {
        file.relative_to(out).as_posix(): file.read_text("utf-8")
        for file in out.rglob("*")
        if file.is_file()
    } == {
        "/".join(filter(None, (folder, f"{name}.schema.json"))): schema_text(name, folder)
        for folder, names in DERIVED.items()
        for name in names
    }


def test_check_names_what_is_out_of_date(tmp_path: Path) -> None:
    """A changed and a missing file are each named, with the command that refreshes them."""
    out = tmp_path / "my schemas"
    run("derive", "--out", out)
    (out / "error.schema.json").write_text("{}")
    (out / "spec.schema.json").unlink()
    error = error_of(run("check", "--out", out))
    assert error.exit_code == 3
    assert error.message.splitlines() == [
        "derived schemas are out of date",
        f"  stale: {out}/error.schema.json",
        f"  missing: {out}/spec.schema.json",
    ]
    assert error.hint == f"refresh them with: reconciler schema derive --out '{out}'"


def test_another_document_and_overlay(tmp_path: Path) -> None:
    """Both inputs can be replaced; what was derived from others is then out of date."""
    document, overlay, out = tmp_path / "api.json", tmp_path / "rules.json", tmp_path / "out"
    components = {"schemas": {"A": {"type": "string", "nullable": True}}}
    api = {"openapi": "3.0.3", "info": {"version": "9"}, "components": components}
    document.write_text(json.dumps(api))
    rules = {"schemas": {"a": {"title": "A", "description": "An A.", "component": "A"}}}
    overlay.write_text(json.dumps(rules))
    options: list[str | Path] = ["--from", document, "--overlay", overlay, "--out", out]
    assert run("derive", *options).stdout == f"wrote {out}/a.schema.json\n"
    assert json.loads((out / "a.schema.json").read_text())["type"] == ["string", "null"]
    assert run("check", *options).stdout == "all derived schemas are current (1)\n"
    components["schemas"]["A"]["nullable"] = False
    document.write_text(json.dumps(api))
    assert "stale" in error_of(run("check", *options)).message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"openapi": 1,\n "info" 2}', "not JSON: Expecting ':' delimiter"),
        (b"\xff\xfe", "not UTF-8 text"),
        (b"", "not JSON: Expecting value"),
        (b"[]", "OpenAPI document: expected an object, found a list"),
        (b"[" * 100_000, "nests too deeply"),
    ],
)
def test_a_document_that_cannot_be_read(tmp_path: Path, content: bytes, message: str) -> None:
    """A broken document is invalid input, with its place where there is one."""
    document = tmp_path / "api.json"
    document.write_bytes(content)
    error = error_of(run("derive", "--from", document, "--out", tmp_path / "out"))
    assert isinstance(error, InvalidInputError)
    assert message in error.message
    assert not (tmp_path / "out").exists()


def test_the_place_of_a_syntax_error(tmp_path: Path) -> None:
    """A JSON syntax error is shown at its line and column."""
    document = tmp_path / "api.json"
    document.write_text('{"openapi": 1,\n "info" 2}')
    assert str(error_of(run("check", "--from", document)).where) == f"{document}:2:9"


@pytest.mark.parametrize("there", [True, False])
def test_a_path_that_is_no_file(tmp_path: Path, there: bool) -> None:
    """A missing document and a folder in its place are named."""
    document = tmp_path if there else tmp_path / "none.json"
    error = error_of(run("check", "--from", document))
    assert isinstance(error, InvalidInputError)
    assert error.message.startswith(f"cannot read {document}: ")


def test_an_output_folder_that_cannot_be(tmp_path: Path) -> None:
    """A file where the folder should be is reported, not overwritten."""
    out = tmp_path / "out"
    out.write_text("mine")
    assert error_of(run("derive", "--out", out)).message.startswith(f"cannot write to {out}: ")
    assert out.read_text() == "mine"


EXPECTED = derive_all(schemas_folder(), schemas_folder().joinpath("overlay.json"))


@given(name=st.sampled_from(sorted(EXPECTED)), data=st.data())
def test_one_byte_is_enough(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A derived file that differs in any one byte is stale, and no other file is."""
    folder = tmp_path_factory.getbasetemp() / "one-byte"
    write_files(EXPECTED, folder)
    content = bytearray(EXPECTED[name])
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    (folder / name).write_bytes(content)
    assert find_stale(EXPECTED, folder) == {name: "stale"}


@pytest.mark.parametrize("change", [lambda b: b + b"\n", lambda b: b[:-1], lambda _: b""])
def test_a_longer_or_shorter_file_is_stale(change: object, tmp_path: Path) -> None:
    """A byte more, a byte less, and no byte at all are noticed as well."""
    assert callable(change)
    write_files(EXPECTED, tmp_path)
    (tmp_path / "spec.schema.json").write_bytes(change(EXPECTED["spec.schema.json"]))
    assert find_stale(EXPECTED, tmp_path) == {"spec.schema.json": "stale"}


def test_the_command_is_light() -> None:
    """Importing the command loads click; schemas and their libraries wait until they are used."""
    program = "import sys, reconciler.cli.commands.schema; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "click" in loaded
    heavy = {"jsonschema", "referencing", "reconciler.openapi", "reconciler.resources"}
    assert heavy.isdisjoint(loaded)
