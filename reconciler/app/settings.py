"""Which value holds, and who said so: flag or environment, reconciler.yaml, or the default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TypeVar

from reconciler.core.ending.workload_limit import WorkloadLimit
from reconciler.core.protocol.capabilities import Capabilities, capabilities_of
from reconciler.core.quotas.quota_policy import QuotaPolicy
from reconciler.core.secrets.rules import RedactionRules
from reconciler.core.states.places import FilePlace, PlaceError, StatePlace, parse_place
from reconciler.errors import InvalidInputError, UsageError
from reconciler.specs.config import Config, name_below
from reconciler.values import dataclass

T = TypeVar("T")
D = TypeVar("D")

DEFAULT_STATE = ".reconciler/state.db"
DEFAULT_STACK = "default"
CONCURRENCY = 32
DEFAULT = "default"
NO_PROJECTS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What the command line and the environment said; None is nothing. Durations in seconds.

    `origins` names, for each value that was given, the flag or the variable that gave it.
    """

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
    max_update: str | None = None
    max_rps: float | None = None
    origins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The values of one run; `url` is None where nobody gave one.

    `api_version` is None where the server has to be asked for what it can do.

    `url_is_given` says that a flag or the environment named it, and not just a file in the
    repository, which a pull request can change.
    Of the `deadline`, reading the specs has `spent` a part already; both are seconds.
    Without a `client_key`, the file of `client_cert` holds the key as well. Proxies of the
    environment count only with `use_env_proxy`. `origins` says of each value who gave it: a flag,
    a variable of the environment, a line of the configuration, or nobody (`default`).
    `projects` are the aliases of project ids.
    """

    root: Path
    url: str | None
    stack: str
    state: StatePlace
    api_version: str | None
    concurrency: int
    deadline: float
    request_timeout: float
    token_file: Path | None
    ca_file: Path | None
    discovery: bool
    max_delete: WorkloadLimit
    allowed_projects: tuple[str, ...]
    spent: float = field(default=0.0, compare=False)
    max_update: WorkloadLimit | None = None
    quota: QuotaPolicy = QuotaPolicy.WARN
    projects: Mapping[str, str] = field(default_factory=dict)
    max_rps: float | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    use_env_proxy: bool = False
    url_is_given: bool = False
    redact: tuple[str, ...] = ()
    reveal: tuple[str, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def capabilities(self) -> Capabilities:
        """What the server can do, as far as its declared version says."""
        return capabilities_of(self.api_version)

    @property
    def rules(self) -> RedactionRules:
        """What is a secret in this repository."""
        return RedactionRules(redact=self.redact, reveal=self.reveal)

    def need_url(self) -> str:
        """The server's address; raises UsageError where nobody gave one, or an empty one."""
        if self.url is None:
            raise UsageError(
                "no server is given",
                hint="set url in reconciler.yaml, RUNAI_BASE_URL or --url; "
                "'reconciler sandbox' starts one on this machine",
            )
        if not self.url.strip():
            raise UsageError(
                f"{self.origins.get('url', 'the server')} is set, and empty",
                hint="give it the address of the control plane, or unset it",
            )
        return self.url


class _Choice:
    """Takes the first source that says anything, and remembers which it was."""

    def __init__(self, flags: Flags, config: Config, environ: Mapping[str, str]) -> None:
        self._flags = flags
        self._config = config
        self._environ = environ
        self.origins: dict[str, str] = {}

    def of(
        self,
        name: str,
        flag: T | None,
        default: D,
        *,
        configured: T | None = None,
        within: str = "",
    ) -> T | D:
        """The value of one setting, which the configuration may hold `within` a mapping."""
        if flag is not None:
            self.origins[name] = self._flags.origins.get(name) or DEFAULT
            return flag
        if configured is not None:
            self.origins[name] = config_origin(
                self._config, *([within, name] if within else [name])
            )
            return configured
        self.origins[name] = DEFAULT
        return default

    def explicit_url(self) -> str | None:
        """The server's address as a flag or the environment names it.

        An empty one is kept: whoever set it meant to decide, and the repository must not instead.
        """
        if self._flags.url is not None:
            return self.of("url", self._flags.url, None)
        # click takes an empty variable of a flag for an unset one.
        for variable in ("RUNAI_BASE_URL", "RECONCILER_URL"):
            if variable in self._environ:
                self.origins["url"] = variable
                return self._environ[variable]
        return None


def config_origin(config: Config, *path: str) -> str:
    """The line of the configuration that gives a value; `default` where none does."""
    where = config.locate(*path)
    if where is None or config.path is None:
        return DEFAULT
    return f"{name_below(config.path, Path())}:{where.line}"


def resolve_settings(
    flags: Flags, config: Config, *, root: Path, environ: Mapping[str, str]
) -> Settings:
    """Combine the sources; raises a ReconcilerError for a value that cannot be used."""
    if flags.client_key is not None and flags.client_cert is None:
        raise UsageError(
            "--client-key is given without --client-cert",
            hint="name the certificate that the key belongs to, also as RECONCILER_CLIENT_CERT",
        )
    choice = _Choice(flags, config, environ)
    pick, limits = choice.of, config.limits
    explicit_url = choice.explicit_url()
    # A name that is set and empty counts as none.
    stack = pick("stack", flags.stack or None, DEFAULT_STACK, configured=config.stack)
    return Settings(
        root=root,
        url=pick("url", None, None, configured=config.url)
        if explicit_url is None
        else explicit_url,
        url_is_given=explicit_url is not None,
        stack=stack,
        state=_state(choice, flags, config, root, stack),
        api_version=pick("api_version", None, None, configured=config.api_version),
        concurrency=pick(
            "concurrency", flags.concurrency, CONCURRENCY, configured=config.concurrency
        ),
        deadline=pick("deadline", flags.deadline, flags.deadline),
        request_timeout=pick("request_timeout", flags.request_timeout, flags.request_timeout),
        token_file=pick("token_file", flags.token_file, None),
        ca_file=pick("ca_file", flags.ca_file, None),
        client_cert=pick("client_cert", flags.client_cert, None),
        client_key=pick("client_key", flags.client_key, None),
        use_env_proxy=pick(
            "use_env_proxy", flags.use_env_proxy, False, configured=config.use_env_proxy
        ),
        discovery=pick("discovery", None, True, configured=config.discovery),
        redact=pick("redact", None, (), configured=config.redact),
        reveal=pick("reveal", None, (), configured=config.reveal),
        max_delete=_limit(choice, "max_delete", flags.max_delete, limits.max_delete)
        or WorkloadLimit(),
        max_update=_limit(choice, "max_update", flags.max_update, limits.max_update),
        quota=QuotaPolicy(
            pick("quota", None, QuotaPolicy.WARN, configured=limits.quota, within="limits")
        ),
        projects=pick("projects", None, NO_PROJECTS, configured=config.projects or None),
        max_rps=pick("max_rps", flags.max_rps, None),
        allowed_projects=pick(
            "allowed_projects", None, (), configured=limits.allowed_projects, within="limits"
        ),
        origins=choice.origins,
    )


def _state(choice: _Choice, flags: Flags, config: Config, root: Path, stack: str) -> StatePlace:
    text = choice.of("state", flags.state, None, configured=config.state)
    if flags.state is not None:
        return place_from(text or "", stack=stack, origin=choice.origins["state"])
    # In the configuration relative to its file, on the command line to the caller's folder.
    folder = config.path.parent if config.path else root
    if text is None:
        return FilePlace(path=folder / DEFAULT_STATE)
    try:
        return parse_place(text, stack=stack, folder=folder, by_repository=True)
    except PlaceError as error:
        where = config.locate("state")
        raise InvalidInputError(f"state: {error.message}", where=where, hint=error.hint) from None


def place_from(text: str, *, stack: str, origin: str) -> StatePlace:
    """The place of a state as a flag or a variable gives it, which `origin` names.

    Raises UsageError for a text that is no place, and for a password in a flag.
    """
    # Everybody on this machine sees the flags of its processes; a variable is its owner's.
    is_private = origin.startswith("RECONCILER_")
    try:
        return parse_place(text, stack=stack, may_hold_password=is_private)
    except PlaceError as error:
        raise UsageError(f"{origin}: {error.message}", hint=error.hint) from None


def _limit(
    choice: _Choice, name: str, flag: str | None, configured: str | None
) -> WorkloadLimit | None:
    text = choice.of(name, flag or None, "", configured=configured or None, within="limits")
    if not text:
        return None
    try:
        return WorkloadLimit.parse(text)
    except ValueError as error:
        # Whoever wrote it is who has to mend it: the caller, or the author of the file.
        kind = UsageError if flag else InvalidInputError
        raise kind(f"{name}: {error}", hint="write 30% or a number") from None
