"""The client certificate that identifies us to a server (mutual TLS)."""

from __future__ import annotations

import ssl
import stat
from contextlib import suppress
from pathlib import Path

from reconciler.errors import InvalidInputError
from reconciler.values import dataclass

_MISMATCHES = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH")
_EXPIRED = "CERTIFICATE_EXPIRED"
# RFC 8446 6.2, those about the certificate of the client. A server that sends one of them has
# broken off the handshake, and so has not looked at any request.
_REJECTIONS = frozenset(
    {
        "BAD_CERTIFICATE",
        _EXPIRED,
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
        """The file with the private key, which others must not read."""
        return self.key or self.certificate


def load_certificate(context: ssl.SSLContext, identity: ClientCertificate) -> None:
    """Let a context present our certificate to servers that ask for one.

    Raises InvalidInputError for files that cannot be used. A certificate outside its dates is not
    noticed here: the server says so in the handshake.
    """
    try:
        _refuse_open_key(identity.key_file)
        context.load_cert_chain(identity.certificate, identity.key, password=_refuse_password)
    except ssl.SSLError as error:
        raise _unusable(identity, error) from None
    except OSError as error:
        # OpenSSL does not say which of the files it could not read.
        path, reason = identity.certificate, error.strerror or str(error)
        for candidate in (identity.certificate, identity.key_file):
            try:
                candidate.open("rb").close()
            except OSError as opening:
                path, reason = candidate, opening.strerror or str(opening)
                break
        raise InvalidInputError(
            f"cannot read {path}: {reason}",
            hint="--client-cert and --client-key name files that this process may read",
        ) from None
    except _EncryptedKeyError:
        raise _bad_key(
            identity.key_file,
            "it is encrypted, and a password cannot be entered here",
            f"write a key without one: openssl pkey -in {identity.key_file} -out NEW-FILE",
        ) from None


def rejection_message(error: BaseException, identity: ClientCertificate | None) -> str:
    """The message for a TLS alert about our certificate or the lack of one; empty for others."""
    alert = tls_alert(error)
    if alert not in _REJECTIONS:
        return ""
    reason = alert.lower().replace("_", " ")
    if identity is None:
        return (
            f"the server asks for a client certificate ({reason}); "
            "name yours with --client-cert and --client-key"
        )
    advice = "it must be current and signed by an authority that the server trusts"
    if alert == _EXPIRED:
        # The time of the server counts; the date stands in the file, for whoever looks.
        advice = f"replace it; its date: openssl x509 -enddate -noout -in {identity.certificate}"
    return (
        f"the server does not accept the client certificate {identity.certificate} ({reason}); "
        f"{advice}"
    )


def tls_alert(error: BaseException) -> str:
    """The TLS alert that the other side sent, in capitals; empty where it sent none."""
    # Most exceptions have no reason, and that of an SSLError may be None.
    return (getattr(error, "reason", None) or "").partition("ALERT_")[2]


class _EncryptedKeyError(Exception):
    """OpenSSL wants a password; left to itself, it would ask the terminal."""


def _refuse_password() -> str:
    raise _EncryptedKeyError


def _refuse_open_key(path: Path) -> None:
    # Of a pipe the mode says nothing: its key never lies in a file.
    status = path.stat()
    if stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IRWXO:
        mode = stat.S_IMODE(status.st_mode)
        raise _bad_key(
            path,
            f"every user of this machine has access to it (mode {mode:04o})",
            f"chmod o= {path}; for a Kubernetes secret, set defaultMode: 0440",
        )


def _unusable(identity: ClientCertificate, error: ssl.SSLError) -> InvalidInputError:
    # OpenSSL's reasons ("no start line") mean nothing to most people: look what the files hold.
    if error.reason in _MISMATCHES:
        return _bad_key(
            identity.key_file,
            f"it does not belong to the certificate {identity.certificate}",
            "give the two that were issued together; "
            "the first certificate in a chain is the one that the key is for",
        )
    if not _holds(identity.certificate, b"BEGIN CERTIFICATE"):
        return _bad_certificate(identity.certificate, "it has no certificate in PEM form")
    if not _holds(identity.key_file, b"PRIVATE KEY"):
        return _bad_key(
            identity.key_file,
            "it has no private key in PEM form",
            "--client-key takes the key that belongs to --client-cert, "
            "between BEGIN and END PRIVATE KEY",
        )
    return _bad_certificate(identity.certificate, error.reason or str(error))


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
