"""Who gave each value that holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from reconciler.app.repositories import read_config
from reconciler.app.settings import Flags, Settings, resolve_settings
from reconciler.cli.options import environment_options
from reconciler.errors import UsageError

CONFIG = """\
url: https://configured.example
stack: blue
state: s.db
api_version: "2.24"
concurrency: 8
use_env_proxy: true
limits:
  max_delete: 10%
  allowed_projects: ["4501"]
  max_update: 5
discovery: off
redact: [MY_KEY_*]
reveal: [CACHE_KEY]
"""


def settled(
    folder: Path,
    *arguments: str,
    config: str = CONFIG,
    base_url: str | None = None,
    **environ: str,
) -> Settings:
    """What holds for a command line in a folder with a configuration."""
    (folder / "reconciler.yaml").write_text(config)
    heard: list[Flags] = []

    @click.command()
    @environment_options
    def command(flags: Flags) -> None:
        heard.append(flags)

    result = CliRunner().invoke(command, arguments, env=environ, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    root, read = read_config(Path(), heard[0])
    variables = environ if base_url is None else environ | {"RUNAI_BASE_URL": base_url}
    return resolve_settings(heard[0], read, root=root, environ=variables)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_value_has_an_origin(tmp_path: Path) -> None:
    """None is left out, so that none has to be guessed; nobody's is the default.

    What is measured and not given is no such value.
    """
    without = {"root", "origins", "url_is_given", "spent"}
    names = {field.name for field in dataclasses.fields(Settings)} - without
    assert settled(tmp_path, config="").origins == dict.fromkeys(names, "default")


def test_a_configuration_is_named_with_its_lines(tmp_path: Path) -> None:
    """Also those of values inside another."""
    found = settled(tmp_path).origins
    assert {name: origin for name, origin in found.items() if origin != "default"} == {
        "url": "reconciler.yaml:1",
        "stack": "reconciler.yaml:2",
        "state": "reconciler.yaml:3",
        "api_version": "reconciler.yaml:4",
        "concurrency": "reconciler.yaml:5",
        "use_env_proxy": "reconciler.yaml:6",
        "max_delete": "reconciler.yaml:8",
        "allowed_projects": "reconciler.yaml:9",
        "max_update": "reconciler.yaml:10",
        "discovery": "reconciler.yaml:11",
        "redact": "reconciler.yaml:12",
        "reveal": "reconciler.yaml:13",
    }


@pytest.mark.parametrize(
    ("arguments", "variables", "decided"),
    [
        (["--url", "https://flag"], ["https://var", "https://base"], ("https://flag", "--url")),
        ([], ["https://var", "https://base"], ("https://var", "RECONCILER_URL")),
        ([], ["", "https://base"], ("https://base", "RUNAI_BASE_URL")),
        ([], [None, "https://base"], ("https://base", "RUNAI_BASE_URL")),
        (["--url", "https://flag"], [None, ""], ("https://flag", "--url")),
        (["--url", ""], [None, "https://base"], ("", "--url")),
        ([], [None, ""], ("", "RUNAI_BASE_URL")),
        ([], ["", None], ("", "RECONCILER_URL")),
        ([], [None, None], ("https://configured.example", "reconciler.yaml:1")),
    ],
)
def test_the_first_to_decide_is_named(
    tmp_path: Path,
    arguments: list[str],
    variables: list[str | None],
    decided: tuple[str, str],
) -> None:
    """The value and its origin come from the same choice; only what is unset decides nothing."""
    names = ("RECONCILER_URL", "RUNAI_BASE_URL")
    pairs = zip(names, variables, strict=True)
    environ = {name: value for name, value in pairs if value is not None}
    found = settled(tmp_path, *arguments, base_url=environ.pop("RUNAI_BASE_URL", None), **environ)
    assert (found.url, found.origins["url"]) == decided
    assert found.url_is_given == (not found.origins["url"].startswith("reconciler.yaml"))


@pytest.mark.parametrize(("arguments", "base_url"), [(["--url", ""], None), ([], ""), ([], " ")])
def test_an_empty_address_is_no_absence(
    tmp_path: Path, arguments: list[str], base_url: str | None
) -> None:
    """A variable that a CI system leaves empty must not hand the choice to the repository."""
    with pytest.raises(UsageError, match="is set, and empty"):
        settled(tmp_path, *arguments, base_url=base_url).need_url()


def test_a_default_of_the_command_line_is_nobodys(tmp_path: Path) -> None:
    """A duration that nobody gave is there all the same; one that somebody gave has a flag."""
    found = settled(tmp_path, "--deadline", "30m", RECONCILER_REQUEST_TIMEOUT="5s")
    assert (found.deadline, found.request_timeout) == (1800.0, 5.0)
    assert found.origins["deadline"] == "--deadline"
    assert found.origins["request_timeout"] == "RECONCILER_REQUEST_TIMEOUT"
    assert settled(tmp_path).origins["deadline"] == "default"


def test_either_form_of_a_switch_names_it(tmp_path: Path) -> None:
    """Turning something off is a decision as well."""
    found = settled(tmp_path, "--no-use-env-proxy")
    assert (found.use_env_proxy, found.origins["use_env_proxy"]) == (False, "--use-env-proxy")


def test_a_configuration_elsewhere_is_named_as_it_can_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From where the command runs."""
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert settled(tmp_path).origins["stack"] == "../reconciler.yaml:2"
