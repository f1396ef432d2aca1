from __future__ import annotations

import json
from typing import Any

import jwt
import pytest

from reconciler.sandbox import DEMO, DEMO_SECRET, Credential
from tests.sandbox.rigs import START, WORKLOADS, Rig, login, request

VIEWER = Credential(client_id="viewer", client_secret="look", writes=False)
TEAM_A = Credential(client_id="team-a", client_secret="a", projects=frozenset({"1"}))
SOMEBODY = f"{WORKLOADS}/5d1f0000-0000-4000-8000-000000000000"


def test_a_login_answers_tokens_that_say_who_and_until_when() -> None:
    """The access token is a signed JWT with issuer, subject, tenant and expiry."""
    rig = Rig(token_lifetime=60.0, api_version="2.23")
    answer = rig.ask("POST", "/api/v1/token", json=login(DEMO), token=None)
    body = answer.json()
    assert answer.status_code == 200
    assert sorted(body) == ["accessToken", "idToken", "refreshToken"]
    claims = jwt.decode(body["accessToken"], options={"verify_signature": False})
    assert {name: claims[name] for name in ("iss", "sub", "tenant_id", "iat", "exp")} == {
        "iss": "http://sandbox.localhost/auth/realms/sandbox",
        "sub": "demo",
        "tenant_id": 1,
        "iat": START,
        "exp": START + 60,
    }


@pytest.mark.parametrize(
    ("settings", "expiry"),
    [
        ({}, 60),
        ({"api_version": "2.24"}, 60),
        ({"api_version": "2.23"}, None),
        ({"api_version": "2.23", "says_expiry": True}, 60),
        ({"says_expiry": False}, None),
    ],
)
def test_a_newer_server_says_how_long_a_token_lives(
    settings: dict[str, Any], expiry: int | None
) -> None:
    """`expiresIn` came with 2.24; by option it is there, or not."""
    rig = Rig(token_lifetime=60.0, **settings)
    answer = rig.ask("POST", "/api/v1/token", json=login(DEMO), token=None)
    assert answer.json().get("expiresIn") == expiry


@pytest.mark.parametrize(
    "body",
    [
        {"grantType": "client_credentials", "clientId": "demo", "clientSecret": DEMO_SECRET},
        {"GRANTTYPE": "client_credentials", "CLIENTID": "demo", "CLIENTSECRET": DEMO_SECRET},
        {"grantType": "app_token", "AppId": "demo", "AppSecret": DEMO_SECRET},
    ],
)
def test_the_keys_of_a_login_are_read_in_any_spelling(body: dict[str, str]) -> None:
    """The documents themselves disagree about letter case; the server does not mind."""
    assert Rig().ask("POST", "/api/v1/token", json=body, token=None).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ([], 400, "request body must be a JSON object"),
        ({}, 400, "grantType is required and must be a string"),
        ({"grantType": ["a"]}, 400, "grantType is required and must be a string"),
        ({"grantType": "password"}, 400, "grantType 'password' is not supported"),
        ({"grantType": "client_credentials"}, 400, "clientID is required and must be a string"),
        (
            {"grantType": "client_credentials", "clientID": "demo", "clientSecret": "wrong"},
            401,
            "Invalid client or Invalid client credentials",
        ),
        (
            {"grantType": "client_credentials", "clientID": "nobody", "clientSecret": "\ud800"},
            401,
            "Invalid client or Invalid client credentials",
        ),
    ],
)
def test_a_login_that_fails_says_why(body: object, status: int, message: str) -> None:
    """A malformed login is a 400, a wrong secret a 401."""
    content = json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    answer = Rig().ask("POST", "/api/v1/token", content=content, headers=headers, token=None)
    assert (answer.status_code, answer.json()) == (status, {"code": status, "message": message})


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "Authorization header is missing"),
        ("Basic abc", "Authorization header is not a bearer token"),
        ("Bearer abc", "Issuer is not familiar."),
        ("Bearer ", "Issuer is not familiar."),
    ],
)
def test_a_request_without_a_good_token_is_401(header: str | None, message: str) -> None:
    """Nothing of the API is served to strangers."""
    headers = {} if header is None else {"authorization": header}
    answer = Rig().ask("GET", SOMEBODY, headers=headers, token=None)
    assert answer.json() == {"code": 401, "message": message}
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_of_another_server_is_not_familiar() -> None:
    """Other secrets mean another signature."""
    stranger = Credential(client_id="demo", client_secret="other")
    token = Rig(credentials=(stranger,)).token(stranger)
    assert Rig().ask("GET", SOMEBODY, token=token).status_code == 401


def test_a_token_expires() -> None:
    """From its expiry on, a token is worth nothing, also when it was accepted before."""
    rig = Rig(token_lifetime=60.0)
    token = rig.token()
    assert rig.ask("GET", SOMEBODY, token=token).status_code == 404
    rig.now += 60
    answer = rig.ask("GET", SOMEBODY, token=token)
    assert answer.json() == {"code": 401, "message": "token is expired"}


def test_a_refresh_token_buys_another_token_and_nothing_else() -> None:
    """It outlives the access token, does not open the API, and expires as well."""
    rig = Rig(token_lifetime=60.0, refresh_lifetime=600.0)
    body = rig.ask("POST", "/api/v1/token", json=login(DEMO), token=None).json()
    refresh = {"grantType": "refresh_token", "refreshToken": body["refreshToken"]}
    assert rig.ask("GET", SOMEBODY, token=body["refreshToken"]).status_code == 401
    rig.now += 61
    renewed = rig.ask("POST", "/api/v1/token", json=refresh, token=None).json()
    assert rig.ask("GET", SOMEBODY, token=renewed["accessToken"]).status_code == 404
    rig.now += 600
    assert rig.ask("POST", "/api/v1/token", json=refresh, token=None).status_code == 401


def test_revocation_ends_tokens_before_their_time() -> None:
    """Tokens of one client or of all are revoked; a new login works."""
    rig = Rig(credentials=(DEMO, VIEWER))
    mine, theirs = rig.token(), rig.token(VIEWER)
    rig.ask("GET", SOMEBODY, token=mine)
    assert rig.sandbox.tokens.revoke("demo") == 2
    assert rig.ask("GET", SOMEBODY, token=mine).status_code == 401
    assert rig.ask("GET", SOMEBODY, token=theirs).status_code == 404
    assert rig.ask("GET", SOMEBODY, token=rig.token()).status_code == 404


def test_a_viewer_may_look_but_not_touch() -> None:
    """Without the right to write, create and delete are 403."""
    rig = Rig(credentials=(DEMO, VIEWER))
    path = f"{WORKLOADS}/{rig.create()}"
    token = rig.token(VIEWER)
    refused = {"code": 403, "message": "You do not have sufficient permissions."}
    assert rig.ask("GET", path, token=token).status_code == 200
    assert rig.ask("DELETE", path, token=token).json() == refused
    assert rig.ask("POST", WORKLOADS, json=request("b"), token=token).json() == refused


def test_rights_end_at_the_project() -> None:
    """A client sees and changes only the projects that it was given."""
    rig = Rig(credentials=(DEMO, TEAM_A))
    theirs = rig.create("theirs", project="2")
    rig.create("ours", project="1")
    token = rig.token(TEAM_A)
    listed = rig.ask("GET", "/api/v1/workloads", token=token).json()["workloads"]
    assert [item["name"] for item in listed] == ["ours"]
    assert rig.ask("GET", f"{WORKLOADS}/{theirs}", token=token).status_code == 403
    answer = rig.ask("POST", WORKLOADS, json=request("b", project="2"), token=token)
    assert answer.status_code == 403
