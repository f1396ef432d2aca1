"""What holds in this run and who said so, fit to be shown: no secret, and no address with one."""

from __future__ import annotations

import platform
import re
import sqlite3
import ssl
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler import __version__
from reconciler.app.settings import DEFAULT, Settings
from reconciler.report.text.doctor import Setting
from reconciler.specs.config import Config, name_below

if TYPE_CHECKING:
    from reconciler.api.credentials import Credentials

PACKAGE = "workload-reconciler"
_SECRETS = ("RUNAI_TOKEN", "RUNAI_CLIENT_ID", "RUNAI_CLIENT_SECRET")
_TRUST_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def list_settings(
    settings: Settings, config: Config, environ: Mapping[str, str]
) -> tuple[Setting, ...]:
    """Every value of a run with its origin."""
    return tuple(_settings(settings, config, environ))


def list_versions() -> dict[str, str]:
    """The versions that a failure may depend on."""
    found = {
        "reconciler": __version__,
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "OpenSSL": ssl.OPENSSL_VERSION.removeprefix("OpenSSL ").partition(" ")[0],
    }
    try:
        needed = [one for one in requires(PACKAGE) or () if "extra ==" not in one]
    except PackageNotFoundError:
        # Run from a folder that was never installed.
        return found
    names = sorted(re.split(r"[^\w.-]", one)[0] for one in needed)
    return found | {name: version(name) for name in names}


def normalised(settings: Settings) -> str:
    """The server's address as it is sent; raises a ReconcilerError for none and for a bad one."""
    from reconciler.api.urls import normalise_url

    return normalise_url(settings.need_url())


def credentials_facts(credentials: Credentials, settings: Settings) -> str:
    """Where the credentials come from."""
    from reconciler.api.credentials import FixedToken, TokenFile

    match credentials:
        case TokenFile(path=path):
            return f"a token from the file {path} (from {settings.origins['token_file']})"
        case FixedToken():
            return "a token from RUNAI_TOKEN"
        case _:
            return "client credentials from RUNAI_CLIENT_ID and RUNAI_CLIENT_SECRET"


def connection_facts(url: str, settings: Settings, environ: Mapping[str, str]) -> str:
    """How bytes get to the server, and whom we believe on the way."""
    if url.startswith("http:"):
        return "plain http, which never leaves this machine"
    facts = [f"TLS 1.2 or newer, verified by {_authorities(settings, environ)}"]
    if settings.client_cert:
        facts.append(f"we show {settings.client_cert}")
    facts.append(_way(url, settings, environ))
    return "; ".join(facts)


def _authorities(settings: Settings, environ: Mapping[str, str]) -> str:
    named = [name for name in _TRUST_VARIABLES if environ.get(name)]
    believed = [
        f"the system's authorities ({', '.join(named)})" if named else "the system's authorities"
    ]
    if settings.ca_file:
        believed.append(str(settings.ca_file))
    return " and ".join(believed)


def _way(url: str, settings: Settings, environ: Mapping[str, str]) -> str:
    from reconciler.api.proxies import proxy_for

    if settings.use_env_proxy:
        proxy = proxy_for(url, environ)
        if proxy is None:
            return "directly (no proxy is named for this server)"
        login = ", with a login" if proxy.login else ""
        return f"through the proxy {proxy.address} (from {proxy.variable}{login})"
    unused = [
        name
        for name in ("HTTPS_PROXY", "ALL_PROXY")
        if environ.get(name) or environ.get(name.lower())
    ]
    return (
        f"directly ({unused[0]} is set, and not used without --use-env-proxy)"
        if unused
        else "directly"
    )


def _settings(settings: Settings, config: Config, environ: Mapping[str, str]) -> Iterator[Setting]:
    from reconciler.api.urls import strip_url

    values = {
        "url": strip_url(settings.url) if settings.url else None,
        "stack": settings.stack,
        "state": settings.state,
        "api_version": settings.api_version,
        "token_file": settings.token_file,
        "ca_file": settings.ca_file,
        "client_cert": settings.client_cert,
        "client_key": settings.client_key,
        "use_env_proxy": _switch(settings.use_env_proxy),
        "concurrency": settings.concurrency,
        "max_rps": settings.max_rps,
        "deadline": f"{settings.deadline:g} s",
        "request_timeout": f"{settings.request_timeout:g} s",
        "discovery": _switch(settings.discovery),
        "max_delete": settings.max_delete,
        "allowed_projects": ", ".join(settings.allowed_projects),
        "redact": ", ".join(settings.redact),
        "reveal": ", ".join(settings.reveal),
    }
    for name, value in values.items():
        shown = "" if value is None else str(value)
        yield Setting(name=name, value=shown, origin=settings.origins[name])
    yield from _of_config(config)
    for name in _SECRETS:
        if environ.get(name):
            yield Setting(name=name, value="(set)", origin=name)


def _of_config(config: Config) -> Iterator[Setting]:
    for name, shown in (
        ("projects", ", ".join(f"{alias}={id_}" for alias, id_ in config.projects.items())),
        ("policies", ", ".join(config.policies)),
    ):
        where = config.locate(name)
        origin = DEFAULT
        if where is not None and config.path is not None:
            origin = f"{name_below(config.path, Path())}:{where.line}"
        yield Setting(name=name, value=shown, origin=origin)


def _switch(is_on: bool) -> str:
    return "on" if is_on else "off"
