from __future__ import annotations

import logging
import traceback
from pathlib import Path

import httpx
import pytest

from reconciler.api.client import HttpWorkloadApi
from reconciler.api.login.credentials import FixedToken, TokenFile, credentials_from
from reconciler.api.secret import Secret
from reconciler.errors import UnreachableError
from tests.api.factories import (
    BODY,
    ID,
    reply,
)
from tests.api.servers import PAIR, SECRET, story


def test_secrets_do_not_print(caplog: pytest.LogCaptureFixture) -> None:
    """Neither credentials, tokens, answers, clients, log lines nor tracebacks hold them."""
    caplog.set_level(logging.DEBUG)
    token = "t0p-t0k3n"
    fixed = FixedToken(token=Secret(value=token))
    texts = [repr(PAIR), str(PAIR), f"{PAIR.client_secret}", repr(fixed)]

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v2/token":
            return reply(200, {"access_token": token})(request)
        raise httpx.LocalProtocolError(f"odd header {request.headers['authorization']}")

    async def tell(api: HttpWorkloadApi) -> None:
        texts.extend([repr(await api.read(ID)), repr(api), repr(await api.create(BODY))])

    story(handler, tell, credentials=PAIR)
    with pytest.raises(UnreachableError) as caught:
        credentials_from({"RUNAI_TOKEN": f"Bearer {token}"})
    texts.append("".join(traceback.format_exception(caught.value)))
    everything = "\n".join([*texts, caplog.text])
    assert [secret for secret in (SECRET, token) if secret in everything] == []


@pytest.mark.parametrize(
    ("environ", "token_file", "found"),
    [
        ({"RUNAI_TOKEN": "t"}, Path("f"), TokenFile(path=Path("f"))),
        (
            {"RUNAI_TOKEN": " t\n", "RUNAI_CLIENT_ID": "i"},
            None,
            FixedToken(token=Secret(value="t")),
        ),
        (
            {"RUNAI_TOKEN": "", "RUNAI_CLIENT_ID": "robot", "RUNAI_CLIENT_SECRET": SECRET},
            None,
            PAIR,
        ),
    ],
)
def test_the_first_credentials_in_order_are_taken(
    environ: dict[str, str], token_file: Path | None, found: object
) -> None:
    """Token file, token, pair; an empty variable is unset."""
    assert credentials_from(environ, token_file) == found


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({}, "no credentials for the control plane"),
        ({"RUNAI_CLIENT_ID": "i"}, "RUNAI_CLIENT_ID is set, but RUNAI_CLIENT_SECRET is not"),
        ({"RUNAI_CLIENT_SECRET": "s"}, "RUNAI_CLIENT_SECRET is set, but RUNAI_CLIENT_ID is not"),
    ],
)
def test_missing_credentials_end_with_the_three_ways(
    environ: dict[str, str], complaint: str
) -> None:
    """Exit 9, with a hint that lists what can be given."""
    with pytest.raises(UnreachableError) as caught:
        credentials_from(environ)
    assert (caught.value.message, caught.value.exit_code) == (complaint, 9)
    assert caught.value.hint == (
        "give --token-file FILE, or set RUNAI_TOKEN, "
        "or set both RUNAI_CLIENT_ID and RUNAI_CLIENT_SECRET"
    )
