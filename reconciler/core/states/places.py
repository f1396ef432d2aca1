"""Where a state is kept: in a file, as a row of a PostgreSQL database, or in a bucket."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from urllib.parse import unquote

from reconciler.values import dataclass

DEFAULT_SCHEMA = "reconciler"
_SCHEMES = ("postgresql", "postgres")
# S3 and what speaks its language, Google Cloud Storage, Azure Blob Storage.
_OBJECT_SCHEMES = ("s3", "gs", "az")
# Compiled when a place is read that is no file, as most are.
# Plain enough to stand in SQL without quotes, so that a DBA types it as it is written here.
_SCHEMA = r"(?!pg_)[a-z_][a-z0-9_]{0,62}"
_HOST = r"(\[[0-9A-Fa-f:.%]+\]|[^\[\]:]*)(:\d{1,5})?"
_PARAMETER = r"([a-z_]+)=(.*)"
# Of libpq's parameters, and of what somebody may take for one of them.
_PRIVATE = r"pas+w|pwd|secret|scram_"
_BUCKET_PRIVATE = r"(?i)key|secret|token|sig|sas|pas+w|pwd|cred"
# Of names in a bucket: what every store keeps as it is, and what leads out of no folder. A bucket's
# name becomes a part of the server's address.
_BUCKET = r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]"
_FOLDER = r"(?!\.)[A-Za-z0-9._-]+"
_REGION = r"[a-z0-9-]+"
# What a file that a pull request can change may say of a connection: others write files, choose
# weaker logins or read what is none of their business.
_OF_REPOSITORY = frozenset(
    {
        *("host", "hostaddr", "port", "dbname", "user", "service", "target_session_attrs"),
        *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslnegotiation", "sslsni"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version", "channel_binding"),
        *("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval"),
        *("keepalives_count", "tcp_user_timeout", "load_balance_hosts", "application_name"),
        *("gssencmode", "krbsrvname"),
    }
)


class PlaceError(ValueError):
    """A text that names no place for a state; the message never repeats what may be a password."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class PasswordError(PlaceError):
    """A password where others can read it."""

    def __init__(
        self, hint: str = "set PGPASSWORD, or PGPASSFILE for a file that holds it"
    ) -> None:
        super().__init__("a password does not belong here: others can read it", hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlace:
    """A state in a file of this machine."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def title(self) -> str:
        """What follows "the state" in a sentence."""
        return str(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresPlace:
    """A state in PostgreSQL: the row of a stack in a schema.

    `url` is libpq's, without what is ours and without secrets; `secrets` are the parameters of
    libpq that have to be given beside it, for the connection alone. With `by_repository` the
    address is in a file that a pull request can change: it may be anybody's.
    """

    url: str
    schema: str
    stack: str
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    by_repository: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        if self.schema == DEFAULT_SCHEMA:
            return self.url
        return f"{self.url}{'&' if '?' in self.url else '?'}schema={self.schema}"

    @property
    def title(self) -> str:
        """What follows "the state" in a sentence: without user and parameters."""
        address, _, parameters = self.url.partition("://")[2].partition("?")
        address = address.rpartition("@")[2].rstrip("/")
        service = re.search(r"(?:^|&)service=([^&]*)", parameters)
        where = address or (f"service {service[1]}" if service else "the default server")
        return f"of stack {self.stack} ({where}, schema {self.schema})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPlace:
    """A state in object storage: the folder of a stack in a bucket.

    `scheme` is s3, gs or az, `prefix` a folder without slashes around it, which may be empty. An
    empty `region` is what the environment says. Credentials and servers come from there alone.
    """

    scheme: str
    bucket: str
    prefix: str
    stack: str
    region: str = field(default="", compare=False)
    by_repository: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return f"{self.address}?region={self.region}" if self.region else self.address

    @property
    def address(self) -> str:
        """The address without its parameters."""
        return f"{self.scheme}://{self.bucket}{'/' if self.prefix else ''}{self.prefix}"

    @property
    def folder(self) -> str:
        """The folder of the stack in the bucket."""
        return f"{self.prefix}/{self.stack}" if self.prefix else self.stack

    @property
    def title(self) -> str:
        """What follows "the state" in a sentence."""
        return f"of stack {self.stack} ({self.address})"


StatePlace = FilePlace | PostgresPlace | ObjectPlace


def parse_place(
    text: str,
    *,
    stack: str,
    folder: Path = Path(),
    may_hold_password: bool = False,
    by_repository: bool = False,
) -> StatePlace:
    """The place that a text names; a path is relative to `folder`.

    Raises PlaceError, and PasswordError for a password where none may be.
    """
    scheme, separator, after_scheme = text.partition("://")
    if not separator:
        return FilePlace(path=folder / text)
    if scheme in _OBJECT_SCHEMES:
        return replace(_parse_bucket(scheme, after_scheme, stack), by_repository=by_repository)
    if scheme not in _SCHEMES:
        raise PlaceError(
            f"a state cannot be kept at {scheme}://",
            "give the path of a file, postgresql://HOST/DATABASE, or s3://, gs:// or az:// with "
            "BUCKET/FOLDER",
        )
    place = _parse_url(after_scheme, stack, may_hold_password=may_hold_password)
    if by_repository:
        for item in place.url.partition("?")[2].split("&"):
            name = item.partition("=")[0]
            if name and name not in _OF_REPOSITORY:
                raise PlaceError(
                    f"{name} cannot be set in a file that a pull request can change",
                    "give the address with --state or RECONCILER_STATE, where you mean it",
                )
    return replace(place, by_repository=by_repository)


def hide_secrets(text: str) -> str:
    """A text that may be a place as it may be shown: without what may be a secret."""
    if "://" not in text:
        return text
    try:
        return str(parse_place(text, stack="", may_hold_password=True))
    except PlaceError:
        return "URL"


def _parse_url(after_scheme: str, stack: str, *, may_hold_password: bool) -> PostgresPlace:
    """Read what follows the scheme, as libpq does; raises PlaceError."""
    secrets: dict[str, str] = {}
    # libpq ends the user at the first @ before a slash. A second one, or one behind a slash, is
    # most likely of a password that is not spelt out: nothing of it may be taken for a host.
    credentials, at, address = "", "", after_scheme
    if "@" in after_scheme.partition("/")[0]:
        credentials, at, address = after_scheme.partition("@")
    user, colon, password = credentials.partition(":")
    if colon:
        secrets["password"] = unquote(password)
    address, mark, query = address.partition("?")
    parameters: list[str] = []
    schema = DEFAULT_SCHEMA
    for item in query.split("&") if mark else ():
        parameter = re.fullmatch(_PARAMETER, item)
        if parameter is None:
            raise _unreadable("a parameter has the form NAME=VALUE")
        name, value = parameter.groups()
        if name == "schema":
            schema = unquote(value)
        elif re.search(_PRIVATE, name):
            secrets[name] = unquote(value)
        else:
            parameters.append(item)
    if secrets and not may_hold_password:
        raise PasswordError
    hosts = address.partition("/")[0].split(",")
    if "@" in address or not after_scheme.isprintable() or " " in after_scheme:
        raise _unreadable("write @, : and / of a user or a password as %40, %3A and %2F")
    if not all(re.fullmatch(_HOST, host) for host in hosts):
        raise _unreadable("a host has the form NAME, NAME:PORT or [ADDRESS]:PORT")
    if not re.fullmatch(_SCHEMA, schema):
        raise _unreadable("a schema has small letters, digits and _, and does not begin with pg_")
    url = f"postgresql://{user}{at}{address}{'?' if parameters else ''}{'&'.join(parameters)}"
    return PostgresPlace(url=url, schema=schema, stack=stack, secrets=secrets)


def _parse_bucket(scheme: str, after_scheme: str, stack: str) -> ObjectPlace:
    """Read what follows the scheme; raises PlaceError."""
    address, mark, query = after_scheme.partition("?")
    if "@" in after_scheme or re.search(_BUCKET_PRIVATE, query):
        raise PasswordError("set the credentials in the environment, as the cloud's own tools do")
    bucket, _, prefix = address.rstrip("/").partition("/")
    region = query.removeprefix("region=")
    if mark and (scheme != "s3" or region == query or not re.fullmatch(_REGION, region)):
        raise _unreadable_bucket("the only parameter is region=NAME, of s3:// alone")
    if not re.fullmatch(_BUCKET, bucket):
        raise _unreadable_bucket(f"it has the form {scheme}://BUCKET/FOLDER")
    if prefix and not all(re.fullmatch(_FOLDER, part) for part in prefix.split("/")):
        raise _unreadable_bucket("a folder has letters, digits, ., _ and -")
    if stack and not re.fullmatch(_FOLDER, stack):
        raise PlaceError(
            "the stack is a folder in the bucket, and its name cannot be one",
            "give the stack a name of letters, digits, ., _ and -",
        )
    return ObjectPlace(scheme=scheme, bucket=bucket, prefix=prefix, stack=stack, region=region)


def _unreadable_bucket(hint: str) -> PlaceError:
    return PlaceError("the address of the state's bucket cannot be read", hint)


def _unreadable(hint: str) -> PlaceError:
    return PlaceError("the address of the state's database cannot be read", hint)
