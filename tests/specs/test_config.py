from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.errors import Where
from reconciler.specs.config import ApplyLimits, Config, config_file, find_root, load_config
from tests.support.specs import MANIFEST, load, tell, write


def said(config: Config) -> list[str]:
    """Write the findings of a configuration, a line each."""
    return [tell(found) for found in config.diagnostics]


def test_every_setting(tmp_path: Path) -> None:
    """What the file says is kept as it was meant, with its place; the rest is left open."""
    path = write(
        tmp_path,
        {
            "reconciler.yaml": (
                "url: https://app.run.ai\nstack: team-a-production\nstate: .reconciler/state.db\n"
                'api_version: "2.23"\nprojects: {team-a: "4501"}\nconcurrency: 8\n'
                'limits: {max_delete: 30%, max_update: 5, allowed_projects: ["4501"]}\n'
                "policies: [policies/*.json]\ndiscovery: off\nuse_env_proxy: true\n"
            )
        },
    )
    config = load_config(path / "reconciler.yaml")
    places = dict(config.where)
    assert config == Config(
        path=tmp_path / "reconciler.yaml",
        url="https://app.run.ai",
        stack="team-a-production",
        state=".reconciler/state.db",
        api_version="2.23",
        projects={"team-a": "4501"},
        concurrency=8,
        limits=ApplyLimits(max_delete="30%", max_update="5", allowed_projects=("4501",)),
        policies=("policies/*.json",),
        discovery=False,
        use_env_proxy=True,
        where=places,
    )
    assert places["stack"] == Where(
        file="reconciler.yaml", line=2, column=8, end_line=2, end_column=25
    )
    assert list(places) == [
        "url",
        "stack",
        "state",
        "api_version",
        "projects",
        "concurrency",
        "limits",
        "policies",
        "discovery",
        "use_env_proxy",
    ]


@pytest.mark.parametrize("text", ["", "# all defaults\n", "{}\n"])
def test_a_file_that_decides_nothing(text: str, tmp_path: Path) -> None:
    """An empty or commented-out configuration marks a root and leaves all to defaults."""
    path = write(tmp_path, {"reconciler.yaml": text}) / "reconciler.yaml"
    assert load_config(path) == Config(path=path)
    assert load_config(None) == Config()


def test_mistakes_are_found_all_at_once(tmp_path: Path) -> None:
    """Each points at its place, and what is right is still used."""
    path = write(
        tmp_path,
        {
            "reconciler.yaml": (
                "url: app.run.ai\nconcurency: 3\ntoken: abc\nstack: prod\napi_version: 2.20\n"
                "limits: {max_delete: 130%}\n"
            )
        },
    )
    config = load_config(path / "reconciler.yaml")
    assert (config.url, config.stack, config.limits) == (None, "prod", ApplyLimits())
    assert said(config) == [
        (
            "reconciler.yaml:1:6-1:16 error invalid-value:"
            " 'app.run.ai' is not allowed as 'url'"
            " | Base URL of the control plane."
        ),
        (
            "reconciler.yaml:2:1-2:11 error unknown-field:"
            " unknown field 'concurency'"
            " | did you mean 'concurrency'?"
        ),
        (
            "reconciler.yaml:3:1-3:6 error unknown-field:"
            " unknown field 'token'"
            " | credentials are read from the environment (RUNAI_...) or with --token-file"
        ),
        (
            "reconciler.yaml:5:14-5:18 error wrong-type:"
            " 'api_version' must be a string, not the number 2.2"
            ' | quote it: "2.20"'
        ),
        (
            "reconciler.yaml:6:22-6:26 error invalid-value:"
            " '130%' is not allowed as 'max_delete'"
            " | How many of the recorded workloads one apply may delete or replace: a number, or a"
            " share such as 30%."
        ),
    ]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("- 1\n", "1:1-1:4 error not-a-mapping: a configuration must be a mapping of settings"),
        ("a: 1\n---\nb: 1\n", "3:1-3:5 error many-documents: a configuration must be one document"),
        (
            "stack: a\nstack: b\n",
            (
                "2:1-2:6 error duplicate-key: the key 'stack' is already given in line 1, column 1"
                " | keep one of them"
            ),
        ),
    ],
)
def test_what_is_no_configuration(text: str, finding: str, tmp_path: Path) -> None:
    """Nothing of a file that cannot be understood as a whole is used."""
    path = write(tmp_path, {"reconciler.yaml": text}) / "reconciler.yaml"
    config = load_config(path)
    assert said(config) == [f"reconciler.yaml:{finding}"]
    assert config.stack is None


def test_a_configuration_elsewhere_is_named_from_the_root(tmp_path: Path) -> None:
    """Findings in a file outside the root still lead to it."""
    write(tmp_path, {"conf/ours.yaml": "stak: a\n", "root/a.yaml": ""})
    config = load_config(tmp_path / "conf/ours.yaml", root=tmp_path / "root")
    assert [found.where.file for found in config.diagnostics] == ["../conf/ours.yaml"]


def test_a_configuration_that_cannot_be_read(tmp_path: Path) -> None:
    """A pipe or a dangling link is one finding, not a wait."""
    os.mkfifo(tmp_path / "reconciler.yaml")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/reconciler.yaml").symlink_to("gone")
    for folder in (tmp_path, tmp_path / "sub"):
        assert find_root(folder) == folder
    assert said(load_config(config_file(tmp_path))) == [
        "reconciler.yaml:1:1 error not-a-file: the file is a pipe, not a regular file"
    ]
    assert said(load_config(config_file(tmp_path / "sub"))) == [
        "reconciler.yaml:1:1 error no-such-path: the file does not exist"
    ]


def test_the_root_is_the_nearest_folder_with_a_configuration(tmp_path: Path) -> None:
    """At or above the given path, else the path itself; a folder of that name does not count."""
    write(tmp_path, {"r/reconciler.yaml": "", "r/a/b/x.yaml": "", "r/a/reconciler.yaml/x": ""})
    root = tmp_path / "r"
    assert find_root(root) == root
    assert find_root(root / "a/b") == root
    assert find_root(root / "a/b/x.yaml") == root
    assert find_root(root / "a/../a/gone") == root
    assert find_root(tmp_path) == tmp_path
    assert config_file(tmp_path) is None


def test_budgets_have_their_places(tmp_path: Path) -> None:
    """One number is for each project, a mapping by id or alias; each has its place."""
    text = 'projects: {team-a: "4501"}\nlimits: {gpus: GPUS}\n'
    found = {}
    for gpus in ("8", '{team-a: 2.5, "9": 0}'):
        path = write(tmp_path, {"reconciler.yaml": text.replace("GPUS", gpus)})
        config = load_config(path / "reconciler.yaml")
        assert said(config) == []
        found[gpus] = [(one.project, one.gpus, str(one.where)) for one in config.budgets]
    assert found == {
        "8": [(None, 8, "reconciler.yaml:2:16")],
        '{team-a: 2.5, "9": 0}': [
            ("4501", 2.5, "reconciler.yaml:2:25"),
            ("9", 0, "reconciler.yaml:2:35"),
        ],
    }


def test_what_is_no_budget_and_no_suppression(tmp_path: Path) -> None:
    """A number below nothing, and a suppression without its reason."""
    text = "limits: {gpus: {a: -1}}\nsuppressions: [{codes: [policy], files: ['*']}]\n"
    path = write(tmp_path, {"reconciler.yaml": text})
    config = load_config(path / "reconciler.yaml")
    assert said(config) == [
        (
            "reconciler.yaml:1:20-1:22 error invalid-value:"
            " -1 is not allowed as 'a': it is less than 0"
            " | The most GPUs of this project."
        ),
        "reconciler.yaml:2:17-2:22 error missing-field: the field 'reason' is missing",
    ]
    assert (config.budgets, config.suppressions) == ((), ())


def test_one_alias_without_quotes_is_one_finding(tmp_path: Path) -> None:
    """The others are known as before, and so is what it was meant to be."""
    files = {
        "reconciler.yaml": 'projects: {a: 4501, b: "4502"}\n',
        "a.yaml": f"metadata: {{name: a, project: a}}\nmanifest: {MANIFEST}\n",
        "b.yaml": f"metadata: {{name: b, project: b}}\nmanifest: {MANIFEST}\n",
    }
    loaded = load(tmp_path, files)
    assert [(one.code, one.where.line, one.where.column) for one in loaded.diagnostics] == [
        ("wrong-type", 1, 15)
    ]
    assert [str(one.address) for one in loaded.desired] == ["4501/a", "4502/b"]
