"""The certificate by which we show a server who we are (mutual TLS)."""

from __future__ import annotations

import re
import ssl
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reconciler.errors import InvalidInputError, ReconcilerError, UnreachableError

_PEM = re.compile(
    r"-----BEGIN CERTIFICATE-----\s.*?-----END CERTIFICATE-----", re.ASCII | re.DOTALL
)
_MISMATCHES = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH")
_EXPLICIT_VERSION = 0xA0
_UTC_TIME = 0x17
# RFC 8446 6.2, those about the certificate of the client. A server that sends one of them has
# broken off the handshake, and so has not looked at any request.
_REJECTIONS = frozenset(
    {
        "BAD_CERTIFICATE",
        "CERTIFICATE_EXPIRED",
        "CERTIFICATE_REQUIRED",
        "CERTIFICATE_REVOKED",
        "CERTIFICATE_UNKNOWN",
        "UNKNOWN_CA",
        "UNSUPPORTED_CERTIFICATE",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """Two PEM files; without a `key` of its own, the certificate's file holds that as well."""

    certificate: Path
    key: Path | None = None

    @property
    def key_file(self) -> Path:
        """The file that must be kept from others."""
        return self.key or self.certificate


def show_certificate(context: ssl.SSLContext, identity: ClientCertificate) -> None:
    """Let a context show our certificate to servers that ask for one.

    Raises InvalidInputError for files that cannot be used, and UnreachableError for a certificate
    outside its dates, which no server would accept.
    """
    try:
        _refuse_open_key(identity.key_file)
        context.load_cert_chain(identity.certificate, identity.key, password=_no_password)
        _refuse_outdated(identity.certificate)
    except ssl.SSLError as error:
        raise _explain(identity, error) from None
    except OSError as error:
        raise _unreadable(identity, error) from None
    except _EncryptedKeyError:
        raise _bad_key(
            identity.key_file,
            "it is encrypted, and nobody is there to type a password",
            f"write a key without one: openssl pkey -in {identity.key_file} -out NEW-FILE",
        ) from None


def rejection(error: BaseException, identity: ClientCertificate | None) -> str:
    """Say that a TLS alert is about our certificate or the lack of one; empty where it is not."""
    alert = alert_of(error)
    if alert not in _REJECTIONS:
        return ""
    words = alert.lower().replace("_", " ")
    if identity is None:
        return (
            f"the server asks for a client certificate ({words}); "
            "name yours with --client-cert and --client-key"
        )
    return (
        f"the server does not accept the client certificate {identity.certificate} ({words}); "
        "it must be current and signed by an authority that the server trusts"
    )


def alert_of(error: BaseException) -> str:
    """The TLS alert that the other side sent, in capitals; empty where it sent none."""
    # Not every SSLError has a reason: aiohttp's own are made without one.
    return (getattr(error, "reason", None) or "").partition("ALERT_")[2]


class _EncryptedKeyError(Exception):
    """OpenSSL wants a password; left to itself, it would ask the terminal."""


def _no_password() -> str:
    raise _EncryptedKeyError


def _refuse_open_key(path: Path) -> None:
    status = path.stat()
    if stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IRWXO:
        mode = stat.S_IMODE(status.st_mode)
        raise _bad_key(
            path,
            f"everybody on this machine may use it (mode {mode:04o})",
            f"chmod o= {path}; for a Kubernetes secret, set defaultMode: 0440",
        )


def _refuse_outdated(path: Path) -> None:
    # A pipe has been read by now; the server will say what is wrong with what it held.
    if not path.is_file():
        return
    found = _PEM.search(path.read_text(encoding="latin-1"))
    if found is None:
        return
    begins, ends = _validity(ssl.PEM_cert_to_DER_cert(found[0]))
    now = datetime.now(UTC)
    if not begins <= now < ends:
        problem = f"expired at {ends:%Y-%m-%dT%H:%M:%SZ}"
        if now < begins:
            problem = f"is not valid before {begins:%Y-%m-%dT%H:%M:%SZ}"
        raise UnreachableError(
            f"the client certificate {path} {problem}",
            hint="put a current one in its place; if it is current, check this machine's clock",
        )


def _explain(identity: ClientCertificate, error: ssl.SSLError) -> ReconcilerError:
    if error.reason in _MISMATCHES:
        return _bad_key(
            identity.key_file,
            f"it does not belong to the certificate {identity.certificate}",
            "give the two that were issued together; "
            "the first certificate in a chain is the one that the key is for",
        )
    if not _holds(identity.certificate, b"BEGIN CERTIFICATE"):
        return _bad_certificate(identity.certificate, "it holds no certificate in PEM form")
    if not _holds(identity.key_file, b"PRIVATE KEY"):
        return _bad_key(
            identity.key_file,
            "it holds no private key in PEM form",
            "--client-key takes the key that belongs to --client-cert, "
            "between BEGIN and END PRIVATE KEY",
        )
    return _bad_certificate(identity.certificate, error.reason or str(error))


def _unreadable(identity: ClientCertificate, error: OSError) -> ReconcilerError:
    """OpenSSL does not say which of the files it could not read."""
    for path in (identity.certificate, identity.key_file):
        try:
            path.open("rb").close()
        except OSError as problem:
            error = problem
            break
    return InvalidInputError(
        f"cannot read {path}: {error.strerror or error}",
        hint="--client-cert and --client-key name files that this process may read",
    )


def _holds(path: Path, mark: bytes) -> bool:
    with suppress(OSError):
        return mark in path.read_bytes()
    return False


def _bad_certificate(path: Path, problem: str) -> InvalidInputError:
    return InvalidInputError(
        f"cannot use the client certificate {path}: {problem}",
        hint="--client-cert takes your certificate first and then those of its authorities, "
        "each between BEGIN and END CERTIFICATE",
    )


def _bad_key(path: Path, problem: str, hint: str) -> InvalidInputError:
    return InvalidInputError(f"cannot use the client key {path}: {problem}", hint=hint)


def _validity(certificate: bytes) -> tuple[datetime, datetime]:
    """The dates of an X.509 certificate (RFC 5280 4.1) that OpenSSL has already accepted.

    Read by hand: the standard library shows dates only of certificates that it has verified, and
    a library for this alone would be the largest that we depend on.
    """
    _, signed = next(_elements(certificate))
    _, body = next(_elements(signed))
    fields = [field for field in _elements(body) if field[0] != _EXPLICIT_VERSION]
    _serial, _algorithm, _issuer, (_, dates) = fields[:4]
    begins, ends = (_moment(tag, text.decode("ascii")) for tag, text in _elements(dates))
    return begins, ends


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements of a DER sequence: tag and content."""
    at = 0
    while at < len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(der[at : at + size])
            at += size
        yield tag, der[at : at + length]
        at += length


def _moment(tag: int, text: str) -> datetime:
    if tag == _UTC_TIME:
        # RFC 5280 4.1.2.5.1: two digits below 50 are of this century.
        text = ("20" if text < "5" else "19") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
