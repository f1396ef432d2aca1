"""Which value holds: flag or environment, then reconciler.yaml, then the default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.guards import DeleteLimit
from reconciler.errors import InvalidInputError, UsageError
from reconciler.specs.config import Config

DEFAULT_STATE = ".reconciler/state.db"
DEFAULT_STACK = "default"
API_VERSION = "2.23"
CONCURRENCY = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What the command line and the environment said; None is nothing. Durations in seconds."""

    config: Path | None = None
    state: str | None = None
    url: str | None = None
    stack: str | None = None
    token_file: Path | None = None
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    use_env_proxy: bool | None = None
    concurrency: int | None = None
    deadline: float = 1800.0
    request_timeout: float = 30.0
    max_delete: str | None = None
    max_rps: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The values of one run; `url` is None where nobody gave one.

    Without a `client_key`, the file of `client_cert` holds the key as well. Proxies of the
    environment count only with `use_env_proxy`.
    """

    root: Path
    url: str | None
    stack: str
    state: Path
    api_version: str
    concurrency: int
    deadline: float
    request_timeout: float
    token_file: Path | None
    ca_file: Path | None
    discovery: bool
    max_delete: DeleteLimit
    allowed_projects: tuple[str, ...]
    max_rps: float | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    use_env_proxy: bool = False

    def need_url(self) -> str:
        """The server's address; raises UsageError where nobody gave one."""
        if self.url is None:
            raise UsageError(
                "no server is given",
                hint="set url in reconciler.yaml, RUNAI_BASE_URL or --url; "
                "'reconciler sandbox' starts one on this machine",
            )
        return self.url


def resolve_settings(
    flags: Flags, config: Config, *, root: Path, environ: Mapping[str, str]
) -> Settings:
    """Combine the sources; raises a ReconcilerError for a value that cannot be used."""
    _refuse_lonely_key(flags)
    return Settings(
        root=root,
        url=flags.url or environ.get("RUNAI_BASE_URL") or config.url,
        stack=flags.stack or config.stack or DEFAULT_STACK,
        state=_state_path(flags, config, root),
        api_version=config.api_version or API_VERSION,
        concurrency=flags.concurrency or config.concurrency or CONCURRENCY,
        deadline=flags.deadline,
        request_timeout=flags.request_timeout,
        token_file=flags.token_file,
        ca_file=flags.ca_file,
        client_cert=flags.client_cert,
        client_key=flags.client_key,
        use_env_proxy=_is_on(flags.use_env_proxy, config.use_env_proxy),
        discovery=config.discovery is not False,
        max_delete=_limit(flags, config),
        max_rps=flags.max_rps,
        allowed_projects=config.limits.allowed_projects or (),
    )


def _is_on(flag: bool | None, configured: bool | None) -> bool:
    return bool(configured) if flag is None else flag


def _refuse_lonely_key(flags: Flags) -> None:
    if flags.client_key is not None and flags.client_cert is None:
        raise UsageError(
            "--client-key is given without --client-cert",
            hint="name the certificate that the key belongs to, also as RECONCILER_CLIENT_CERT",
        )


def _state_path(flags: Flags, config: Config, root: Path) -> Path:
    """A path in the configuration is relative to its file, one on the command line to here."""
    if flags.state is not None:
        return Path(_local(flags.state))
    if config.state is not None:
        home = config.path.parent if config.path else root
        return home / _local(config.state)
    return root / DEFAULT_STATE


def _local(state: str) -> str:
    if "://" in state:
        scheme = state.partition("://")[0]
        raise UsageError(
            f"a state cannot be kept at {scheme}:// yet",
            hint="give the path of a file, for example --state .reconciler/state.db",
        )
    return state


def _limit(flags: Flags, config: Config) -> DeleteLimit:
    text = flags.max_delete or config.limits.max_delete
    if text is None:
        return DeleteLimit()
    try:
        return DeleteLimit.parse(text)
    except ValueError as error:
        wrong = UsageError if flags.max_delete else InvalidInputError
        raise wrong(f"max_delete: {error}", hint="write 30% or a number") from None
