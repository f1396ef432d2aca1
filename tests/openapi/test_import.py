"""`schema import`: what the publisher gives, in any notation, leads to the same schemas."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.main import cli
from reconciler.errors import InvalidInputError, ReconcilerError
from reconciler.openapi.files import derive_all, shipped_documents
from reconciler.openapi.sources import keep_descriptions, merge_excerpts, read_document
from reconciler.resources import schemas_folder
from tests.support.strategies import json_objects

SHIPPED = "openapi/workloads-v2-2.23.json"
DOCUMENT: dict[str, Any] = json.loads(schemas_folder().joinpath(*SHIPPED.split("/")).read_bytes())
FILES = [SHIPPED] + [
    f"{name}.schema.json"
    for name in ("create-request", "workload", "get-response", "error", "spec", "defaults")
]


def run(*words: str | Path) -> Result:
    """Run `reconciler schema import` in this process."""
    return CliRunner().invoke(cli, ["schema", "import", *map(str, words)])


def refused(file: Path) -> InvalidInputError:
    """Return the error with which an import ended."""
    error = run(file, "--out", file.parent / "out").exception
    assert isinstance(error, InvalidInputError)
    assert not (file.parent / "out").exists()
    return error


def used(call: Any, document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Pick the components that a call refers to, directly or not, in the document's order."""
    components = document["components"]
    found: set[tuple[str, str]] = set()
    waiting = [call]
    while waiting:
        part = waiting.pop()
        inner = part.values() if isinstance(part, dict) else part
        waiting.extend(one for one in inner if isinstance(one, dict | list))
        if isinstance(part, dict) and "$ref" in part:
            _, section, name = str(part["$ref"]).rsplit("/", 2)
            if (section, name) not in found:
                found.add((section, name))
                waiting.append(components[section][name])
    return {
        section: {name: value for name, value in named.items() if (section, name) in found}
        for section, named in components.items()
    }


def page(document: dict[str, Any]) -> str:
    """Write a document as its publisher does: a section for each call, with what that call uses."""
    lines = ["# Workloads", "", "What this API is for.", ""]
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            components = used(call, document)
            components["securitySchemes"] = document["components"]["securitySchemes"]
            whole = document | {"components": components, "paths": {path: {method: call}}}
            block = ["```json", json.dumps(whole, ensure_ascii=False), "```", ""]
            lines += [f"## {call['summary']}", "", f"> {call['description']}", "", *block]
    return "\n".join(lines)


def reworded(value: Any) -> Any:
    """Give a document other words, and no other meaning."""
    if isinstance(value, dict):
        return {
            key: f"In other words: {item}"
            if key in ("description", "summary") and isinstance(item, str)
            else reworded(item)
            for key, item in value.items()
        }
    return [reworded(item) for item in value] if isinstance(value, list) else value


NOTATIONS: dict[str, Callable[[dict[str, Any]], str]] = {
    "page.md": page,
    "api.json": json.dumps,
    "api.yaml": lambda document: yaml.safe_dump(document, sort_keys=False, allow_unicode=True),
}
each_notation = pytest.mark.parametrize("name", NOTATIONS)


@each_notation
@pytest.mark.parametrize("words", [lambda document: document, reworded])
def test_every_notation_leads_to_the_shipped_schemas(
    name: str, words: Callable[[Any], Any], tmp_path: Path
) -> None:
    """The page, JSON and YAML of 2.23 give what is shipped, whatever the publisher's words."""
    out = tmp_path / "out"
    (tmp_path / name).write_text(NOTATIONS[name](words(DOCUMENT)), "utf-8")
    result = run(tmp_path / name, "--out", out)
    assert result.stdout.splitlines() == [f"wrote {out / file}" for file in FILES]
    for file in FILES[1:]:
        assert (out / file).read_bytes() == schemas_folder().joinpath("2.23", file).read_bytes()
    assert json.loads((out / SHIPPED).read_bytes()) == DOCUMENT
    again = run(tmp_path / name, "--out", out)
    assert again.stdout.splitlines() == [f"unchanged {out / file}" for file in FILES]


def test_a_newer_version_shows_what_has_changed(tmp_path: Path) -> None:
    """A new field comes with the publisher's words; the document is named after its version."""
    newer = reworded(copy.deepcopy(DOCUMENT))
    newer["info"]["version"] = "2.24"
    parameters = newer["components"]["schemas"]["WorkloadV2MetadataCreateParams"]
    parameters["properties"]["team"] = {"type": "string", "description": "Who pays."}
    (tmp_path / "page.md").write_text(page(newer), "utf-8")
    run(tmp_path / "page.md", "--out", tmp_path)
    assert (tmp_path / "openapi" / "workloads-v2-2.24.json").is_file()
    shipped = schemas_folder().joinpath("2.23", "create-request.schema.json")
    before = json.loads(shipped.read_bytes())
    after = json.loads((tmp_path / "create-request.schema.json").read_bytes())
    fields = before["$defs"]["WorkloadV2MetadataCreateParams"]["properties"]
    fields["team"] = {"type": "string", "description": "Who pays."}
    assert after == before | {"$id": before["$id"].replace("2.23", "2.24")}


@pytest.mark.parametrize(
    ("versions", "newest"),
    [(["2.9", "2.23"], "2.23"), (["2.24", "3.0", "2.9"], "3.0"), (["latest", "3.0"], "latest")],
)
def test_the_newest_document_has_no_folder(
    versions: list[str], newest: str, tmp_path: Path
) -> None:
    """By number 2.9 is older than 2.23; `latest` is newer than any; other files do not count."""
    (tmp_path / "openapi").mkdir()
    (tmp_path / "openapi" / "notes.json").write_text("{")
    for version in versions:
        document = DOCUMENT | {"info": {"version": version}}
        (tmp_path / "openapi" / f"workloads-v2-{version}.json").write_text(json.dumps(document))
    overlay = tmp_path / "overlay.json"
    recipe = {"component": "Error", "title": "T", "description": "D"}
    overlay.write_text(json.dumps({"schemas": {"error": recipe}}))
    derived = {
        name: json.loads(content)["$id"].rpartition(":")[2]
        for name, content in derive_all(tmp_path, overlay).items()
    }
    others = {f"{v}/error.schema.json": v for v in versions if v != newest}
    assert derived == {"error.schema.json": newest} | others


def test_a_folder_without_documents(tmp_path: Path) -> None:
    """The installation is broken."""
    with pytest.raises(ReconcilerError, match="there is no OpenAPI document"):
        shipped_documents(tmp_path)


def test_other_blocks_of_a_page_do_not_count(tmp_path: Path) -> None:
    """A page may show requests, answers and code; line ends may be those of Windows."""
    shown = '```json\n{"code": 409}\n```\n\n```sh\ncurl\n```\n\n'
    text = (shown + page(DOCUMENT)).replace("\n", "\r\n")
    (tmp_path / "page.md").write_bytes(text.encode())
    assert read_document(tmp_path / "page.md") == DOCUMENT


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.md", "# Nothing\n", "a.md: the page holds no OpenAPI excerpt"),
        ("a.md", "text\n\n```json\n{\n  x}\n```\n", "a.md:5:3: not JSON: Expecting property name"),
        ("a.json", "{\n x}", "a.json:2:2: not JSON: Expecting property name"),
        ("a.yaml", "a: [", "a.yaml:1:5: not YAML: expected the node content"),
        ("a.yaml", "a: &x {}\nb: *x\n", "not YAML: aliases are not taken here"),
        ("a.yaml", "a: 1\na: 2\n", "a.yaml:2:1: not YAML: a key is given twice"),
        ("a.yaml", "? [a]\n: 1\n", "a.yaml:1:3: not YAML: a key that is not text"),
        ("a.yaml", "a: !!python/name:os.system\n", "could not determine a constructor"),
        ("a.yaml", "a: !!int x\n", "a.yaml: not YAML: "),
        ("a.yaml", "a: \x01\n", "a.yaml: not YAML: "),
        ("a.yaml", "[" * 5000, "nests too deeply"),
        ("a.yaml", "", "expected an object"),
        ("a.yaml", "openapi: 3.0.3\ninfo: {version: 2.23}\n", "#/info/version: the document does"),
        ("a.yaml", "openapi: 3.0.3\ninfo: {version: ../x}\n", "'../x' is not a version"),
        ("a.yaml", "openapi: 3.2.0\n", "expected an OpenAPI document of 3.0 or 3.1"),
    ],
)
def test_what_cannot_be_taken_over(name: str, text: str, message: str, tmp_path: Path) -> None:
    """Each is invalid input with its place, and nothing is written."""
    (tmp_path / name).write_text(text, "utf-8")
    error = refused(tmp_path / name)
    assert message in f"{error.where}: {error.message}"


def test_yaml_is_read_as_json_would_be(tmp_path: Path) -> None:
    """Codes are keys of text, and only what JSON has counts as something else than text."""
    text = "200: {a: on, b: 2.5, c: 2025-06-01, d: , e: ~, f: true, g: 0x10, h: -3, i: '7', j: 1e3}"
    (tmp_path / "a.yaml").write_text(text)
    values = ["on", 2.5, "2025-06-01", None, None, True, "0x10", -3, "7", 1e3]
    assert read_document(tmp_path / "a.yaml") == {
        "200": dict(zip("abcdefghij", values, strict=True))
    }


def test_code_frames_that_contradict_each_other() -> None:
    """The place is named; who is right is not for us to say."""
    one = {"openapi": "3.0.3", "components": {"schemas": {"A/B": {"minLength": 1}}}}
    for other in (2, True, "1", {"x": 1}):
        with pytest.raises(ReconcilerError, match="#/components/schemas/A~1B/minLength: two"):
            merge_excerpts([one, {"components": {"schemas": {"A/B": {"minLength": other}}}}], "p")


@given(json_objects, st.integers(1, 4))
def test_a_document_in_pieces_is_the_document(document: dict[str, Any], pieces: int) -> None:
    """However its keys are spread over excerpts, and however often they are repeated."""
    keys = list(document)
    parts = [{key: document[key] for key in keys[at::pieces]} for at in range(pieces)]
    assert merge_excerpts([*parts, document], "p") == document
    assert merge_excerpts([document, *parts], "p") == document


@given(json_objects, json_objects)
def test_only_words_are_kept(document: dict[str, Any], known: dict[str, Any]) -> None:
    """Another document's words change no document that has none, and nothing a second time."""
    assert keep_descriptions(document, known) == document
    described = {"description": "new", "x": document}
    kept = keep_descriptions(described, {"description": "old", "x": known})
    assert kept == {"description": "old", "x": document}
    assert keep_descriptions(kept, described | {"description": "old"}) == kept
