"""Which value holds, of those that say how the server is reached."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from reconciler.app.settings import Flags, Settings, resolve_settings
from reconciler.cli.invocation import place_options
from reconciler.cli.options import environment_options
from reconciler.core.states.places import FilePlace, PostgresPlace
from reconciler.errors import InvalidInputError, UsageError
from reconciler.specs.config import Config, load_config

CERT, KEY = Path("robot.pem"), Path("robot.key")


def settled(flags: Flags, config: Config | None = None) -> Settings:
    """What a run goes by."""
    return resolve_settings(flags, config or Config(), root=Path(), environ={})


def flags_of(*arguments: str, **environ: str) -> Flags:
    """What a command line and its environment say."""
    heard: list[Flags] = []

    @click.command()
    @environment_options
    def command(flags: Flags) -> None:
        heard.append(flags)

    result = CliRunner().invoke(command, arguments, env=environ, catch_exceptions=False)
    if result.exit_code:
        raise UsageError(result.output)
    return heard[0]


def test_nothing_given_shows_nothing_and_asks_no_proxy() -> None:
    """What reaches another machine, or names us to it, is asked for."""
    settings = settled(flags_of())
    assert (settings.client_cert, settings.client_key) == (None, None)
    assert not settings.use_env_proxy


def test_a_certificate_is_named_by_flags_or_by_the_environment() -> None:
    """Each with its variable; the flag goes first."""
    by_flags = flags_of("--client-cert", str(CERT), "--client-key", str(KEY))
    by_environment = flags_of(RECONCILER_CLIENT_CERT=str(CERT), RECONCILER_CLIENT_KEY=str(KEY))
    both = flags_of("--client-key", str(KEY), RECONCILER_CLIENT_CERT=str(CERT))
    for flags in (by_flags, by_environment, both):
        settings = settled(flags)
        assert (settings.client_cert, settings.client_key) == (CERT, KEY)


def test_a_key_without_its_certificate_is_wrong_usage() -> None:
    """The certificate alone is not: its file may hold the key."""
    assert settled(Flags(client_cert=CERT)).client_key is None
    with pytest.raises(UsageError) as caught:
        settled(Flags(client_key=KEY))
    assert caught.value.message == "--client-key is given without --client-cert"
    assert "RECONCILER_CLIENT_CERT" in caught.value.hint
    assert caught.value.exit_code == 64


@pytest.mark.parametrize(
    ("arguments", "variable", "configured", "used"),
    [
        ((), "", None, False),
        ((), "", True, True),
        ((), "1", None, True),
        ((), "false", True, False),
        (("--use-env-proxy",), "", None, True),
        (("--use-env-proxy",), "no", False, True),
        (("--no-use-env-proxy",), "yes", True, False),
    ],
)
def test_proxies_count_where_the_first_to_decide_says_so(
    arguments: tuple[str, ...], variable: str, configured: bool | None, used: bool
) -> None:
    """The flag, then its variable (an empty one is none), then the configuration."""
    flags = flags_of(*arguments, RECONCILER_USE_ENV_PROXY=variable)
    assert settled(flags, Config(use_env_proxy=configured)).use_env_proxy is used


def test_a_word_that_is_no_answer_is_wrong_usage() -> None:
    """A typing error must not count as yes, nor as no."""
    with pytest.raises(UsageError, match="use-env-proxy"):
        flags_of(RECONCILER_USE_ENV_PROXY="perhaps")


def test_no_switch_turns_verification_off() -> None:
    """There is no flag, no variable and no setting for it."""
    names = [*Flags.__dataclass_fields__, *Config.__dataclass_fields__]
    assert not [name for name in names if "verify" in name or "insecure" in name]
    for flag in ("--insecure", "--no-verify", "-k"):
        with pytest.raises(UsageError, match="No such option"):
            flags_of(flag)


PASSWORD = "a password does not belong here: others can read it"


def config_with(state: str, folder: Path) -> Config:
    """A configuration that says where the state is."""
    path = folder / "reconciler.yaml"
    path.write_text(f"stack: blue\nstate: {state}\n")
    return load_config(path)


def test_a_state_is_a_file_or_in_a_database(tmp_path: Path) -> None:
    """A path in the configuration is relative to it; the stack chooses the row."""
    url = "postgresql://ci@db.example.com/reconciler"
    place = PostgresPlace(url=url, schema="team_a", stack="blue")
    configured = config_with(f"{url}?schema=team_a", tmp_path)
    assert settled(Flags(), configured).state == place
    assert settled(flags_of("--stack", "green"), configured).state == replace(place, stack="green")
    flags = flags_of("--state", f"{url}?schema=team_a", "--stack", "blue")
    assert settled(flags).state == place
    in_file = settled(Flags(), config_with("kept/state.db", tmp_path)).state
    assert in_file == FilePlace(path=tmp_path / "kept/state.db")
    assert settled(flags_of("--state", "state.db"), configured).state == FilePlace(
        path=Path("state.db")
    )


def test_a_password_is_taken_from_the_environment_alone(tmp_path: Path) -> None:
    """In a flag, or in a file of the repository, others can read it; it is never repeated."""
    url = "postgresql://ci:hunter2@db.example.com/reconciler"
    by_variable = settled(flags_of(RECONCILER_STATE=url)).state
    assert isinstance(by_variable, PostgresPlace)
    assert by_variable.secrets == {"password": "hunter2"}
    with pytest.raises(UsageError) as by_flag:
        settled(flags_of("--state", url))
    assert (by_flag.value.message, by_flag.value.exit_code) == (f"--state: {PASSWORD}", 64)
    with pytest.raises(InvalidInputError) as in_file:
        settled(Flags(), config_with(url, tmp_path))
    assert (in_file.value.message, in_file.value.exit_code) == (f"state: {PASSWORD}", 3)
    assert str(in_file.value.where).startswith("reconciler.yaml:2:8")


@pytest.mark.parametrize(
    "state", ["ftp://host/x", "s3://key:secret@x", "postgresql://db/x?schema=A B"]
)
def test_a_place_that_cannot_be_used_is_told_to_whoever_wrote_it(
    state: str, tmp_path: Path
) -> None:
    """The caller, or the author of the file."""
    with pytest.raises(UsageError):
        settled(flags_of("--state", state))
    with pytest.raises(InvalidInputError):
        settled(Flags(), config_with(f"'{state}'", tmp_path))


@pytest.mark.parametrize("url", ["postgresql://ci:hunter2@db/x", "postgresql://ci:hunter2@b@db/x"])
def test_no_command_that_is_shown_repeats_a_password(url: str) -> None:
    """Nor one that is refused for it."""
    shown = place_options(flags_of("--state", url), "state")
    assert shown in (" --state postgresql://ci@db/x", " --state URL")
