"""What holds in this run and who said so, fit to be shown: no secret, and no address with one."""

from __future__ import annotations

import platform
import re
import sqlite3
import ssl
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version

from reconciler import __version__
from reconciler.api.connection.proxies import proxy_for
from reconciler.api.login.credentials import Credentials, FixedToken, TokenFile
from reconciler.api.urls import normalise_url, strip_url
from reconciler.app.settings import Settings, config_origin
from reconciler.report.text.doctor import Setting
from reconciler.specs.config import Config

PACKAGE = "workload-reconciler"
_SECRETS = ("RUNAI_TOKEN", "RUNAI_CLIENT_ID", "RUNAI_CLIENT_SECRET")
_TRUST_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def list_versions() -> dict[str, str]:
    """The versions that a failure may depend on."""
    versions = {
        "reconciler": __version__,
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "OpenSSL": ssl.OPENSSL_VERSION.removeprefix("OpenSSL ").partition(" ")[0],
    }
    try:
        requirements = [line for line in requires(PACKAGE) or () if "extra ==" not in line]
    except PackageNotFoundError:
        # Run from a folder that was never installed.
        return versions
    names = sorted(re.split(r"[^\w.-]", line)[0] for line in requirements)
    return versions | {name: version(name) for name in names}


def normalised(settings: Settings) -> str:
    """The server's address as it is sent; raises a ReconcilerError for none and for a bad one."""
    return normalise_url(settings.need_url())


def credentials_facts(credentials: Credentials, settings: Settings) -> str:
    """Where the credentials come from."""
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
    variables = [name for name in _TRUST_VARIABLES if environ.get(name)]
    believed = "the system's authorities"
    if variables:
        believed += f" ({', '.join(variables)})"
    if settings.ca_file:
        believed += f" and {settings.ca_file}"
    facts = [f"TLS 1.2 or newer, checked by {believed}"]
    if settings.client_cert:
        facts.append(f"we show {settings.client_cert}")
    facts.append(_route(url, settings, environ))
    return "; ".join(facts)


def _route(url: str, settings: Settings, environ: Mapping[str, str]) -> str:
    if settings.use_env_proxy:
        proxy = proxy_for(url, environ)
        if proxy is None:
            return "directly (no proxy is named for this server)"
        login = ", with a login" if proxy.login else ""
        return f"through the proxy {proxy.address} (from {proxy.variable}{login})"
    for name in ("HTTPS_PROXY", "ALL_PROXY"):
        # Other programs on this machine use it, so that its reader may expect that here as well.
        if environ.get(name) or environ.get(name.lower()):
            return f"directly ({name} is set, and not used without --use-env-proxy)"
    return "directly"


def list_settings(
    settings: Settings, config: Config, environ: Mapping[str, str]
) -> Iterator[Setting]:
    """Every value of a run with its origin."""
    values = {
        # An address may hold a login.
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
        "max_update": settings.max_update,
        "quota": settings.quota,
        "allowed_projects": ", ".join(settings.allowed_projects),
        "redact": ", ".join(settings.redact),
        "reveal": ", ".join(settings.reveal),
    }
    for name, value in values.items():
        text = "" if value is None else str(value)
        yield Setting(name=name, value=text, origin=settings.origins[name])
    # What only the configuration holds is no setting of a run, and has no origin there.
    for name, text in (
        ("projects", ", ".join(f"{alias}={id_}" for alias, id_ in config.projects.items())),
        ("schemas", config.schemas or ""),
        ("policies", ", ".join(config.policies)),
    ):
        yield Setting(name=name, value=text, origin=config_origin(config, name))
    for name in _SECRETS:
        # That one is set is enough to know; its value is in no output of this program.
        if environ.get(name):
            yield Setting(name=name, value="(set)", origin=name)


def _switch(is_on: bool) -> str:
    return "on" if is_on else "off"
