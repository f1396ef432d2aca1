"""What a spec may have follows from the version of the API that reconciler.yaml declares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from reconciler.cli.main import cli
from reconciler.core.protocol.capabilities import KNOWN_VERSIONS, capabilities_of
from reconciler.resources import load_schema, schemas_folder
from tests.support.specs import SPEC, encoded, load, told

FIELDS = {
    "preemptibility": "preemptible",
    "useGivenNameAsPrefix": False,
    "configuration": {"mnnvl": "Required"},
}


def with_field(name: str, value: Any) -> str:
    """A spec with one more field of its metadata, on a line of its own."""
    return (
        f"metadata:\n  name: llm\n  projectId: '1'\n  {name}: {json.dumps(value)}\n"
        "manifest: {apiVersion: tekton.dev/v1, kind: TaskRun}\n"
    )


def test_every_document_is_the_newest_of_some_version() -> None:
    """The table of versions and the documents that ship name each other, and no more."""
    shipped = {
        file.name.removeprefix("workloads-v2-").removesuffix(".json")
        for file in schemas_folder().joinpath("openapi").iterdir()
    }
    assert shipped == {capabilities_of(version).document for version in KNOWN_VERSIONS}
    for version in KNOWN_VERSIONS:
        entry = capabilities_of(version)
        identity = load_schema("spec", entry.schema_folder)["$id"]
        assert identity == f"urn:workload-reconciler:schema:spec:{entry.document}"


@pytest.mark.parametrize("version", [None, *KNOWN_VERSIONS, "latest"])
def test_a_field_that_the_declared_version_lacks(version: str | None, tmp_path: Path) -> None:
    """It is an error at its line that names the versions that have it; else nothing is said."""
    first = {"preemptibility": 1, "useGivenNameAsPrefix": 1, "configuration": 2}
    at = len(KNOWN_VERSIONS) if version in (None, "latest") else KNOWN_VERSIONS.index(str(version))
    config = f'api_version: "{version}"\n' if version else ""
    for number, (name, value) in enumerate(FIELDS.items()):
        root = tmp_path / str(number)
        files = {"reconciler.yaml": config, "a.yaml": with_field(name, value)}
        takers = KNOWN_VERSIONS[first[name] :]
        listed = f"{', '.join(takers[:-1])} or {takers[-1]}"
        assert told(load(root, files)) == (
            []
            if at >= first[name]
            else [
                (
                    f"a.yaml:4:3-4:{3 + len(name)} error unknown-field:"
                    f" version {version} of the API has no field '{name}'"
                    f" | it needs version {listed} of the API; api_version in reconciler.yaml says"
                    " which version the server is"
                )
            ]
        )


def test_a_field_in_defaults(tmp_path: Path) -> None:
    """Defaults are held to the same version, and the line is theirs."""
    files = {
        "reconciler.yaml": 'api_version: "2.23"\n',
        "_defaults.yaml": "metadata:\n  preemptibility: preemptible\n",
        "a.yaml": SPEC,
    }
    [line] = told(load(tmp_path, files))
    assert line.startswith(
        "_defaults.yaml:2:3-2:17 error unknown-field: version 2.23 of the API has no field"
    )


@pytest.mark.parametrize("version", KNOWN_VERSIONS)
def test_a_value_that_the_declared_version_lacks(version: str, tmp_path: Path) -> None:
    """A value is judged like a field."""
    files = {
        "reconciler.yaml": f'api_version: "{version}"\n',
        "a.yaml": with_field("preemptibility", "semi-preemptible"),
    }
    lines = told(load(tmp_path, files))
    if version == "3.0":
        assert lines == []
    elif version == "2.23":
        [line] = lines
        assert (
            "version 2.23 of the API has no field 'preemptibility' | it needs version 3.0 of"
            in line
        )
    else:
        assert lines == [
            (
                "a.yaml:4:19-4:37 error invalid-value:"
                " 'semi-preemptible' is not allowed as 'preemptibility'"
                " | did you mean 'preemptible'?; allowed: preemptible, non-preemptible, null;"
                " version 3.0 of the API would take it"
            )
        ]


def test_a_field_that_no_version_has(tmp_path: Path) -> None:
    """It is a typo, whatever version is declared."""
    files = {"reconciler.yaml": 'api_version: "2.24"\n', "a.yaml": with_field("preemptable", "x")}
    assert told(load(tmp_path, files)) == [
        (
            "a.yaml:4:3-4:14 error unknown-field: unknown field 'preemptable'"
            " | did you mean 'preemptibility'?"
        )
    ]


@pytest.mark.parametrize(("version", "is_bounded"), [("2.24", False), ("2.25", True), (None, True)])
def test_a_long_manifest_in_base64(version: str | None, is_bounded: bool, tmp_path: Path) -> None:
    """From 2.25 on it has a limit, which counts what is sent: our annotations are in it."""
    config = f'api_version: "{version}"\n' if version else ""
    text = "{apiVersion: egx.nvidia.io/v1, kind: SPOTRequest, x: %s}"
    files = {"reconciler.yaml": config, "a.yaml": encoded(text % ("x" * 1_572_600))}
    codes = [diagnostic.code for diagnostic in load(tmp_path, files).diagnostics]
    assert codes == (["encoded-too-long"] if is_bounded else [])
    files["a.yaml"] = encoded(text % ("x" * 1_500_000))
    assert load(tmp_path, files).diagnostics == ()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("'2.22'", "1:14-1:20 error invalid-value: '2.22' is not a known version: 2.23, 2.24"),
        ("newest", "1:14-1:20 error invalid-value: 'newest' is not allowed as 'api_version'"),
        ("2.30", "1:14-1:18 error wrong-type: 'api_version' must be a string, not the number 2.3"),
        ("'3.1'", "1:14-1:19 warning newer-version: version 3.1 of the API is newer than this"),
        ("'2.25.4'", None),
        ("latest", None),
    ],
)
def test_what_may_be_declared(text: str, line: str | None, tmp_path: Path) -> None:
    """Anything but a version is an error with file and line; an unknown newer one a notice."""
    files = {"reconciler.yaml": f"api_version: {text}\n", "a.yaml": SPEC}
    lines = told(load(tmp_path, files))
    assert [one.startswith(f"reconciler.yaml:{line}") for one in lines] == ([True] if line else [])


def import_into(folder: Path, change: Any) -> None:
    """Import a document like that of 3.0, with one more field and another limit."""
    document = json.loads(
        schemas_folder().joinpath("openapi", "workloads-v2-3.0.json").read_bytes()
    )
    change(document)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "api.json").write_text(json.dumps(document))
    result = CliRunner().invoke(
        cli, ["schema", "import", str(folder / "api.json"), "--out", str(folder / "schemas")]
    )
    assert (result.exit_code, result.stderr) == (
        0,
        (
            f"Next: name {folder / 'schemas'} as 'schemas' in reconciler.yaml; "
            "until then its files count as specs.\n"
        ),
    )
    (folder / "api.json").unlink()


def newer(document: dict[str, Any]) -> None:
    """The server of tomorrow: one field more, one less, another value."""
    document["info"]["version"] = "3.1"
    schemas = document["components"]["schemas"]
    fields = schemas["WorkloadV2MetadataCreateParams"]["properties"]
    fields["team"] = {"type": "string", "pattern": "^(a+)+$"}
    del fields["configuration"]
    schemas["Preemptibility"]["enum"].append("hardly-preemptible")
    schemas["ManifestEncoded"]["maxLength"] = 1000


def test_imported_schemas_are_used(tmp_path: Path) -> None:
    """What they have is taken and what they lack is not, whatever ships; nothing of it is a spec.

    A pattern of theirs is left out: nobody could stop one that does not end.
    """
    import_into(tmp_path, newer)
    files = {
        "reconciler.yaml": 'schemas: schemas\napi_version: "3.1"\n',
        "a.yaml": with_field("team", "a" * 60 + "!"),
        "b.yaml": with_field("preemptibility", "hardly-preemptible").replace("llm", "b"),
        "c.yaml": with_field("configuration", {"mnnvl": "None"}).replace("llm", "c"),
        "d.yaml": encoded(f"{{apiVersion: egx.nvidia.io/v1, kind: SPOTRequest, x: {'x' * 900}}}"),
    }
    loaded = load(tmp_path, files)
    assert [(one.where.file, one.code) for one in loaded.diagnostics] == [
        ("c.yaml", "unknown-field"),
        ("d.yaml", "encoded-too-long"),
        ("reconciler.yaml", "newer-version"),
    ]
    assert sorted(str(spec.address) for spec in loaded.desired) == ["1/b", "1/llm"]


def test_imported_schemas_cannot_take_away_what_the_program_needs(tmp_path: Path) -> None:
    """A spec without a name or a manifest is an error, though a schema asks for neither."""
    files = {
        "reconciler.yaml": "schemas: schemas\n",
        "schemas/spec.schema.json": "{}",
        "schemas/defaults.schema.json": "{}",
        "schemas/other.yaml": SPEC,
        "a.yaml": "metadata: {projectId: '1', anything: else}\n",
    }
    loaded = load(tmp_path, files)
    assert [(one.where.file, one.code) for one in loaded.diagnostics] == [
        ("a.yaml", "manifest-choice"),
        ("a.yaml", "missing-field"),
    ]
    assert [str(spec.address) for spec in loaded.desired] == ["4501/llm"]


@pytest.mark.parametrize(
    ("folder", "content", "line"),
    [
        ("gone", "{}", "reconciler.yaml:1:10-1:14 error no-such-path: 'gone/spec.schema.json'"),
        ("../..", "{}", "reconciler.yaml:1:10-1:15 error outside-root: "),
        ("s", "[", "s/spec.schema.json:1:2-1:2 error json-syntax: "),
        ("s", "[]", "s/spec.schema.json:1:1 error bad-schema: this cannot be used as a schema of"),
        ("s", '{"type": "tuple"}', "s/spec.schema.json:1:1 error bad-schema: "),
        ("s", '{"$ref": "https://example.com/s.json"}', "s/spec.schema.json:1:1 error bad-schema:"),
        (
            "s",
            '{"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}}',
            "s/spec.schema.json:1:1 error bad-schema: ",
        ),
        ("s", '{"$dynamicRef": "#x"}', "s/spec.schema.json:1:1 error bad-schema: "),
    ],
)
def test_imported_schemas_that_cannot_be_used(
    folder: str, content: str, line: str, tmp_path: Path
) -> None:
    """What is wrong with them is an error at its place, and stops a plan."""
    files = {
        "reconciler.yaml": f"schemas: {folder}\n",
        "s/spec.schema.json": content,
        "s/defaults.schema.json": "{}",
        "a.yaml": SPEC,
    }
    lines = told(load(tmp_path, files))
    assert [one for one in lines if one.startswith(line)], lines
