"""Which value holds, of those that say how the server is reached."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from reconciler.app.settings import Flags, Settings, resolve_settings
from reconciler.cli.options import environment_options
from reconciler.errors import UsageError
from reconciler.specs.config import Config

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
