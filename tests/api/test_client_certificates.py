"""Mutual TLS: servers that ask who we are, and files that cannot say it."""

from __future__ import annotations

import os
import ssl
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from reconciler.api.connection.client_certificate import ClientCertificate
from reconciler.api.connection.transport import make_transport
from reconciler.core.protocol.api_results import Accepted, NotSent
from reconciler.errors import InvalidInputError, ReconcilerError
from tests.api.factories import remote
from tests.api.handshakes import (
    AUTHORITY,
    STRANGER,
    ca_file,
    create,
    identity_of,
    server_context,
    serving,
    write_pem,
)

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


def asking(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """A server that lets in whom our authority knows, in that version of TLS."""
    context = server_context("127.0.0.1")
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    AUTHORITY.configure_trust(context)
    return context


def refusal(identity: ClientCertificate) -> ReconcilerError:
    """What is said of files before anything is sent."""
    with pytest.raises(ReconcilerError) as caught:
        make_transport("https://cp.example", concurrency=1, identity=identity)
    return caught.value


@pytest.fixture
def identity(tmp_path: Path) -> ClientCertificate:
    """A certificate that servers of our authority accept."""
    return identity_of(AUTHORITY.issue_cert("robot"), tmp_path)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_asks_gets_the_certificate(
    version: ssl.TLSVersion, identity: ClientCertificate, tmp_path: Path
) -> None:
    """The key is in a file of its own, or behind the certificate in the same one."""
    assert identity.key is not None
    both = write_pem(
        tmp_path / "both.pem", identity.certificate.read_bytes(), identity.key.read_bytes()
    )
    with serving(asking(version)) as port:
        for shown in (identity, ClientCertificate(certificate=both)):
            answer = create(f"https://127.0.0.1:{port}", ca_file(tmp_path), identity=shown)
            assert answer == Accepted(remote=remote())


def test_a_server_that_does_not_ask_gets_nothing(
    identity: ClientCertificate, tmp_path: Path
) -> None:
    """A certificate that nobody wants is no hindrance."""
    with serving(server_context("127.0.0.1")) as port:
        answer = create(f"https://127.0.0.1:{port}", ca_file(tmp_path), identity=identity)
    assert answer == Accepted(remote=remote())


def test_a_missing_certificate_was_not_sent_and_names_the_flags(tmp_path: Path) -> None:
    """In TLS 1.3 the alert comes after our half of the handshake, and still proves it."""
    with serving(asking()) as port:
        answer = create(f"https://127.0.0.1:{port}", ca_file(tmp_path))
    assert answer == NotSent(
        message="the server asks for a client certificate (certificate required); "
        "name yours with --client-cert and --client-key",
        permanent=True,
    )


def test_a_missing_certificate_may_be_the_reason_in_tls_1_2(tmp_path: Path) -> None:
    """There the alert may also mean something else, so that it is worth another try."""
    with serving(asking(ssl.TLSVersion.TLSv1_2)) as port:
        url = f"https://127.0.0.1:{port}"
        answer = create(url, ca_file(tmp_path))
    assert answer == NotSent(
        message=f"cannot connect to {url}: the server broke off the TLS handshake; "
        "it may want a client certificate (--client-cert)"
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_of_another_authority_was_not_sent(
    version: ssl.TLSVersion, tmp_path: Path
) -> None:
    """The message names the file, and trying again is pointless."""
    identity = identity_of(STRANGER.issue_cert("robot"), tmp_path)
    with serving(asking(version)) as port:
        answer = create(f"https://127.0.0.1:{port}", ca_file(tmp_path), identity=identity)
    assert answer == NotSent(
        message=f"the server does not accept the client certificate {identity.certificate} "
        "(unknown ca); it must be current and signed by an authority that the server trusts",
        permanent=True,
    )


def test_a_certificate_does_not_replace_the_check_of_the_server(
    identity: ClientCertificate, tmp_path: Path
) -> None:
    """A server of an unknown authority gets neither request nor certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    STRANGER.issue_cert("127.0.0.1").configure_cert(context)
    with serving(context) as port:
        answer = create(f"https://127.0.0.1:{port}", ca_file(tmp_path), identity=identity)
    assert isinstance(answer, NotSent)
    assert answer.message.startswith("the server's certificate cannot be verified")


def issue_for(year: int) -> trustme.LeafCert:
    """A certificate that is valid during one year."""
    begins, ends = (datetime(each, 1, 1, tzinfo=UTC) for each in (year, year + 1))
    return AUTHORITY.issue_cert("robot", not_before=begins, not_after=ends)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("year", "reason"),
    [
        (2020, "(certificate expired); replace it; its date: openssl x509 -enddate -noout -in {}"),
        (
            2098,
            (
                "(bad certificate); it must be current and signed by an authority that the server "
                "trusts"
            ),
        ),
    ],
    ids=["over", "to-come"],
)
def test_a_certificate_outside_its_dates_was_not_sent(
    version: ssl.TLSVersion, year: int, reason: str, tmp_path: Path
) -> None:
    """The server says so in the handshake; the message names the file and how to see its date."""
    identity = identity_of(issue_for(year), tmp_path)
    with serving(asking(version)) as port:
        answer = create(f"https://127.0.0.1:{port}", ca_file(tmp_path), identity=identity)
    assert answer == NotSent(
        message=f"the server does not accept the client certificate {identity.certificate} "
        f"{reason.format(identity.certificate)}",
        permanent=True,
    )


def test_an_outdated_certificate_is_no_hindrance_where_nobody_asks(tmp_path: Path) -> None:
    """Whether it is needed at all, only the server knows."""
    identity = identity_of(issue_for(2020), tmp_path)
    with serving(server_context("127.0.0.1")) as port:
        answer = create(f"https://127.0.0.1:{port}", ca_file(tmp_path), identity=identity)
    assert answer == Accepted(remote=remote())


def test_the_certificate_of_the_client_is_the_first_of_its_chain(tmp_path: Path) -> None:
    """The authorities behind it come along, for servers that only know the one above them."""
    child = trustme.CA(parent_cert=AUTHORITY)
    identity = identity_of(child.issue_cert("robot"), tmp_path)
    assert identity.certificate.read_bytes().count(b"BEGIN CERTIFICATE") > 1
    with serving(asking()) as port:
        answer = create(f"https://127.0.0.1:{port}", ca_file(tmp_path), identity=identity)
    assert answer == Accepted(remote=remote())


def test_files_that_are_not_there_are_named(identity: ClientCertificate, tmp_path: Path) -> None:
    """Each by its own path."""
    gone = tmp_path / "gone.pem"
    for broken in (replace(identity, certificate=gone), replace(identity, key=gone)):
        error = refusal(broken)
        assert error.exit_code == 3
        assert error.message == f"cannot read {gone}: No such file or directory"


def test_a_key_for_another_certificate_is_refused(
    identity: ClientCertificate, tmp_path: Path
) -> None:
    """Both files are named."""
    leaf = AUTHORITY.issue_cert("other")
    other = write_pem(tmp_path / "other.key", leaf.private_key_pem.bytes())
    error = refusal(replace(identity, key=other))
    assert isinstance(error, InvalidInputError)
    assert error.message == (
        f"cannot use the client key {other}: "
        f"it does not belong to the certificate {identity.certificate}"
    )


def test_files_that_hold_something_else_are_refused(
    identity: ClientCertificate, tmp_path: Path
) -> None:
    """What is missing is said of the file that lacks it, also when the two are swapped."""
    assert identity.key is not None
    junk = write_pem(tmp_path / "junk", b"\xff\x00 not PEM\n")
    no_certificate = "it has no certificate in PEM form"
    no_key = "it has no private key in PEM form"
    for broken, message in (
        (
            replace(identity, certificate=junk),
            f"cannot use the client certificate {junk}: {no_certificate}",
        ),
        (replace(identity, key=junk), f"cannot use the client key {junk}: {no_key}"),
        (
            ClientCertificate(certificate=identity.certificate),
            f"cannot use the client key {identity.certificate}: {no_key}",
        ),
        (
            ClientCertificate(certificate=identity.key, key=identity.certificate),
            f"cannot use the client certificate {identity.key}: {no_certificate}",
        ),
    ):
        assert refusal(broken).message == message


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key_is_refused_without_a_question(
    form: PrivateFormat, tmp_path: Path
) -> None:
    """Left to itself, OpenSSL would wait for a password at the terminal."""
    leaf = AUTHORITY.issue_cert("robot")
    identity = identity_of(leaf, tmp_path)
    assert identity.key is not None
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    secret = BestAvailableEncryption(b"hunter2")
    write_pem(identity.key, key.private_bytes(Encoding.PEM, form, secret))
    error = refusal(identity)
    assert error.message == (
        f"cannot use the client key {identity.key}: "
        "it is encrypted, and a password cannot be entered here"
    )
    assert error.hint.startswith("write a key without one: openssl pkey -in ")


@pytest.mark.parametrize(("mode", "refused"), [(0o604, True), (0o602, True), (0o640, False)])
def test_a_key_that_everybody_may_read_is_refused(
    mode: int, refused: bool, identity: ClientCertificate
) -> None:
    """A group may have been given access on purpose, as mounted secrets are."""
    assert identity.key is not None
    identity.key.chmod(mode)
    if not refused:
        make_transport("https://cp.example", concurrency=1, identity=identity)
        return
    error = refusal(identity)
    assert error.message == (
        f"cannot use the client key {identity.key}: "
        f"every user of this machine has access to it (mode {mode:04o})"
    )
    assert error.hint.startswith(f"chmod o= {identity.key}")


def test_a_key_beside_its_certificate_is_guarded_as_well(identity: ClientCertificate) -> None:
    """A certificate alone may be public, a file with a key in it may not."""
    assert identity.key is not None
    identity.certificate.chmod(0o644)
    make_transport("https://cp.example", concurrency=1, identity=identity)
    both = identity.certificate.read_bytes() + identity.key.read_bytes()
    identity.certificate.write_bytes(both)
    assert (
        "has access to it (mode 0644)"
        in refusal(ClientCertificate(certificate=identity.certificate)).message
    )


def test_a_key_from_a_pipe_is_taken(identity: ClientCertificate) -> None:
    """`--client-key <(command)` keeps the key off the disk."""
    assert identity.key is not None
    reading, writing = os.pipe()

    # A key is smaller than what a pipe holds, so that nobody waits for the reader.
    os.write(writing, identity.key.read_bytes())
    os.close(writing)
    try:
        piped = replace(identity, key=Path(f"/dev/fd/{reading}"))
        make_transport("https://cp.example", concurrency=1, identity=piped)
    finally:
        os.close(reading)
