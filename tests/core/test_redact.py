from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.diff.diff import find_changes, is_same
from reconciler.core.digest import canonical, digest
from reconciler.core.redact import Redactor, blank, find_secrets
from reconciler.core.secrets.hints import SecretHints
from reconciler.core.secrets.marks import is_redacted
from reconciler.core.secrets.names import NameKind, kind_of_name
from reconciler.core.stored_json import StoredJson
from tests.support.strategies import json_objects, json_values, shuffles

CANARY = "hunter2canary"
REDACTOR = Redactor("lineage")
SECRET = "hf_abcdefghijKLMNOPQRSTuvwxyz0123456789"
MARK = re.compile(r"\(sensitive [0-9a-f]{16}\)")


def shown(value: Any) -> Any:
    """Redact a value, each stand-in written as `***`."""
    return json.loads(MARK.sub("***", json.dumps(REDACTOR.redact(value))))


@pytest.mark.parametrize(
    "name",
    [
        *("password", "HF_TOKEN", "hfToken", "--hf-token", "apiKey", "API_KEY", "NGC_API_KEY"),
        *("PGPASSWORD", "MYSQL_PWD", "DB_PASS", "AWS_SECRET_ACCESS_KEY", "clientSecret"),
        *("clientsecret", "HF_TOKEN_2", "password1", "passphrase", "Authorization", "privateKey"),
        *("GITHUB_PAT", "connectionString", "credentials", "_TOKEN", "APIKey"),
    ],
)
def test_such_names_announce_a_secret(name: str) -> None:
    """The last word decides, whatever the spelling, also at the end of a longer word."""
    assert kind_of_name(name) is NameKind.CERTAIN


@pytest.mark.parametrize(
    "name",
    [
        *("maxTokens", "max_tokens", "secretName", "secretKeyRef", "imagePullSecrets", "key"),
        *("tokenizer", "PASSWORD_FILE", "token-path", "image", "path", "", "42", "bypass"),
    ],
)
def test_such_names_do_not(name: str) -> None:
    """A reference to a secret, or something named after one, may be shown."""
    assert kind_of_name(name) is NameKind.ORDINARY


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"password": "x"}, {"password": "***"}),
        ({"password": 42}, {"password": "***"}),
        ({"password": ""}, {"password": ""}),
        ({"password": None, "token": True}, {"password": None, "token": True}),
        ({"credentials": ["a", {"user": "u"}]}, {"credentials": ["***", {"user": "u"}]}),
        ({"secret": {"secretName": "s"}}, {"secret": {"secretName": "s"}}),
        ({"kind": "Secret", "data": {"a": "b"}}, {"kind": "Secret", "data": {"a": "***"}}),
        (
            {"kind": "Secret", "stringData": {"a": ["b", {"c": 1}]}, "type": "Opaque"},
            {"kind": "Secret", "stringData": {"a": ["***", {"c": "***"}]}, "type": "Opaque"},
        ),
        ({"kind": "ConfigMap", "data": {"a": "b"}}, {"kind": "ConfigMap", "data": {"a": "b"}}),
        ({"name": "HF_TOKEN", "value": "x"}, {"name": "HF_TOKEN", "value": "***"}),
        ({"name": "password", "default": "x"}, {"name": "password", "default": "***"}),
        ({"key": "api-key", "value": "x"}, {"key": "api-key", "value": "***"}),
        (
            {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "n", "key": "k"}}},
            {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "n", "key": "k"}}},
        ),
        ({"name": "MODEL", "value": "x"}, {"name": "MODEL", "value": "x"}),
        ([], []),
        ({"args": []}, {"args": []}),
        (["--token", "abc", "--port", "80"], ["--token", "***", "--port", "80"]),
        (["-password", "abc"], ["-password", "***"]),
        (["--token", "--port"], ["--token", "--port"]),
        (["--token", "$TOKEN"], ["--token", "$TOKEN"]),
        (["token", "abc"], ["token", "abc"]),
        (("--token", "abc"), ["--token", "***"]),
        (
            {'api"key': "x", "connection\nstring": "y"},
            {'api"key': "***", "connection\nstring": "***"},
        ),
        # Letters whose lower case is, or begins with, one of ASCII's: they end a word here.
        ({"tokenİ": "x", "PASSWORD\u017f": "y"}, {"tokenİ": "***", "PASSWORD\u017f": "***"}),
    ],
)
def test_a_value_is_hidden_where_its_place_says_that_it_is_secret(
    value: Any, expected: Any
) -> None:
    """Kubernetes' own places for secrets, names that announce one, and the flag before it."""
    assert shown(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("run --token abc --port 80", "run --token *** --port 80"),
        ("run --token=abc", "run --token=***"),
        ("run -token abc", "run -token ***"),
        ("java -Dpassword=abc -jar x", "java -Dpassword=*** -jar x"),
        ("java -Dspring.password=abc", "java -Dspring.password=***"),
        ("--env HF_TOKEN=abc", "--env HF_TOKEN=***"),
        ("--set=auth.password=abc", "--set=auth.password=***"),
        ("export TOKEN='a b'; go", "export TOKEN=***; go"),
        ('TOKEN="a \\" b" go', "TOKEN=*** go"),
        ('TOKEN=a"b c"d go', "TOKEN=*** go"),
        ('TOKEN="abc', "TOKEN=***"),
        ("_TOKEN=abc", "_TOKEN=***"),
        ("--token \\\n  abc", "--token \\\n  ***"),
        ("a: 1\npassword: abc\nb: 2", "a: 1\npassword: ***\nb: 2"),
        ('{"password": "abc"}', '{"password": "***"}'),
        ('{"password" : "a b", "c": 1}', '{"password" : "***", "c": 1}'),
        ("curl -H 'Authorization: Bearer abc' x", "curl -H 'Authorization: ***' x"),
        ("header Bearer abcdefghijklmnop", "header Bearer ***"),
        ("postgres://u:p@ss@h/db", "postgres://u:***@h/db"),
        ("https://ghp_abc@github.com/x", "https://***@github.com/x"),
        ("https://h/?a=1&token=abc&b=2", "https://h/?a=1&token=***&b=2"),
        ("TOKEN=$TOKEN go", "TOKEN=$TOKEN go"),
        ('--token "$(cat f)"', '--token "$(cat f)"'),
        ("secret:\n  name: x", "secret:\n  name: x"),
        ("git clone ssh://git@github.com/x", "git clone ssh://git@github.com/x"),
        ("https://h:8080/a@b", "https://h:8080/a@b"),
        ("--max-tokens 512", "--max-tokens 512"),
        ("tokenİ=abc", "tokenİ=***"),
        ("token\u212a=abc", "token\u212a=***"),
        ("the token is good, the password too", "the token is good, the password too"),
        ("nvcr.io/nvidia/pytorch:24.01-py3", "nvcr.io/nvidia/pytorch:24.01-py3"),
    ],
)
def test_a_secret_within_a_text_is_hidden(text: str, expected: str) -> None:
    """Command lines, scripts, files in strings and addresses; a variable's name is no secret."""
    assert shown(text) == expected


MIXED = {
    "metadata": {"name": "chat", "projectId": "4501"},
    "manifest": {
        "args": ["--port", "8080", "--api-key", "abc"],
        "command": ["sh", "-c", "export PGPASSWORD=abc && run"],
        "env": [
            {"name": "HF_TOKEN", "value": "abc"},
            {"name": "MODEL", "value": "ü"},
            {"name": "PROXY", "value": "http://user:abc@proxy:3128"},
        ],
        "half": "\ud800",
        "numbers": [2, 0.5, None, True],
    },
}
PLAIN = {"manifest": {"key": "a", "path": "/x", "half": "\ud800", "numbers": [2, 0.5, None, True]}}
STAND_IN = "(sensitive d897bb73b2306b1e)"


def test_what_is_stored_stays_what_it_is() -> None:
    """States hold these stand-ins and digests: any other would replace every workload."""
    redactor = Redactor("0190c5d4-7a3c-7000-8000-000000000001")
    assert redactor.redact_and_digest(MIXED) == (
        {
            "metadata": MIXED["metadata"],
            "manifest": {
                "args": ["--port", "8080", "--api-key", STAND_IN],
                "command": ["sh", "-c", f"export PGPASSWORD={STAND_IN} && run"],
                "env": [
                    {"name": "HF_TOKEN", "value": STAND_IN},
                    {"name": "MODEL", "value": "ü"},
                    {"name": "PROXY", "value": f"http://user:{STAND_IN}@proxy:3128"},
                ],
                "half": "\ud800",
                "numbers": [2, 0.5, None, True],
            },
        },
        "sha256:1d1c6a6f04d30ada9d6acef0c29260f411661beb9dd741006c8aadc641357557",
    )
    assert redactor.redact_and_digest(PLAIN) == (
        PLAIN,
        "sha256:0b41b2f0ae9f33be9084a237613d441b974d7b6d69422fe8761543c8e276dbc8",
    )


@given(json_values)
def test_a_digest_is_that_of_what_is_shown(value: Any) -> None:
    """Redacting and naming in one go is redacting, then naming."""
    redacted = REDACTOR.redact(value)
    assert REDACTOR.redact_and_digest(value) == (redacted, digest(redacted))


@given(
    json_values,
    st.lists(st.sampled_from(["token", "api", "key", '"', "\\", "İ", "_"])).map("".join),
)
def test_a_document_is_redacted_as_its_parts_are(value: Any, name: str) -> None:
    """What stands beside a value does not matter: searching nothing is only a short cut."""
    document = {name: "x", "args": [f"{name}=x", f"--{name}", "x"], "inner": value}
    searched = REDACTOR.redact({"document": document, "token": "x"})["document"]
    assert REDACTOR.redact(document) == searched


@pytest.mark.parametrize(
    "value",
    [
        {
            "kind": "Job",
            "spec": {"key": "nvidia.com/gpu.product", "mountPath": "/data", "type": "string"},
        },
        {"imagePullSecrets": [{"name": "registry"}], "maxTokens": 512, "url": "https://h:80/a@b"},
    ],
)
def test_most_manifests_are_not_searched(value: Any) -> None:
    """Words that secrets' names have in common with ordinary fields do not slow anything down."""
    assert not SecretHints().may_hold_secret(canonical(value))


@given(json_objects, json_objects)
def test_a_record_is_redacted_named_and_written_in_one_form(spec: Any, metadata: Any) -> None:
    """What is recorded equals what is redacted; ASCII is the very text that states hold."""
    document = {"manifest": spec, "metadata": metadata}
    recorded, named = REDACTOR.record(document)

    assert (recorded, named) == REDACTOR.redact_and_digest(document)
    assert isinstance(recorded, StoredJson) is canonical(document).isascii()
    assert canonical(recorded) == canonical(REDACTOR.redact(document))


_manifests = json_objects | st.just({"env": [{"name": "HF_TOKEN", "value": SECRET}]})


@given(_manifests, json_objects, st.sampled_from([{}, {"token": SECRET}, {"note": SECRET}]))
def test_an_echo_is_redacted_whatever_of_it_was_sent(
    manifest: Any, metadata: Any, added: dict[str, str]
) -> None:
    """A part that was sent is not searched again; what the server adds to it is."""
    sent, _ = REDACTOR.record({"manifest": manifest, "metadata": metadata})
    echo = {"manifest": manifest, "metadata": {**metadata, **added}}

    kept = REDACTOR.record_echo(echo, sent)

    assert kept == REDACTOR.redact(echo)
    assert SECRET not in canonical(kept)


@given(json_values)
def test_redacting_twice_changes_nothing_more(value: Any) -> None:
    """What was stored redacted compares equal to the same spec redacted now."""
    once = REDACTOR.redact(value)
    assert is_same(REDACTOR.redact(once), once)


_fragments = st.lists(
    st.sampled_from(
        [
            *("--token", "-p", "TOKEN", "password", "name", "a", "Bearer", "(sensitive", "://"),
            *("u", "=", ":", " ", '"', "'", "\\", "\n", "@", "$", "&", ";", "x" * 16, "-"),
        ]
    ),
    max_size=12,
).map("".join)


@given(_fragments)
def test_redacting_a_text_twice_changes_nothing_more(text: str) -> None:
    """Whatever a text looks like, its redacted form is final."""
    once = REDACTOR.redact(text)
    assert REDACTOR.redact(once) == once


def _hidden_places(secret: Any) -> list[Any]:
    return [
        {"apiVersion": "v1", "kind": "Secret", "data": {"k": secret}},
        {"env": [{"name": "HF_TOKEN", "value": secret}]},
        {"args": ["serve", "--api-key", secret]},
        {"args": [f"--api-key={secret}"]},
        {"command": ["sh", "-c", f"export PGPASSWORD={secret} && run"]},
        {"url": f"https://user:{secret}@host/path"},
        {"auth": {"password": secret}},
        {"data": {"config.yaml": f"user: u\npassword: {secret}\n"}},
        {"headers": {"Authorization": f"Bearer {secret}"}},
    ]


_secrets = st.builds("{}{}".format, st.just(CANARY), st.integers(0, 10**6))


@given(st.lists(st.integers(0, 8), max_size=4), _secrets, json_values, st.data())
def test_no_secret_survives(
    places: list[int], secret: str, around: Any, data: st.DataObject
) -> None:
    """Wherever secrets are usually put, and whatever is beside them, they do not come through."""
    hidden = {"around": around, "in": [_hidden_places(secret)[i] for i in places]}
    document = data.draw(shuffles(hidden))
    assert CANARY not in json.dumps(REDACTOR.redact(document))


@given(_secrets, _secrets, st.integers(0, 8))
def test_a_change_of_a_secret_shows_without_the_secret(old: str, new: str, place: int) -> None:
    """Equal secrets stay equal, different ones differ, and neither is told."""
    before, after = (REDACTOR.redact(_hidden_places(s)[place]) for s in (old, new))
    found = find_changes(before, after)
    assert bool(found) is (old != new)
    assert CANARY not in json.dumps([change.to_json() for change in found])


def test_stand_ins_of_two_states_cannot_be_compared() -> None:
    """The key is the state's own."""
    one, other = (Redactor(key).redact({"token": "x"})["token"] for key in ("a", "b"))
    assert one != other
    assert is_redacted(one)
    assert is_redacted(f"--token {one}")
    assert not is_redacted("(sensitive)")
    assert not is_redacted(None)


def test_half_characters_are_hidden_too() -> None:
    """A password that is no valid text does not stop anything."""
    assert MARK.fullmatch(REDACTOR.redact({"password": "\ud800"})["password"])


def test_a_long_text_costs_no_more_than_its_length() -> None:
    """No text makes the search go back and forth: this one would take hours if it did."""
    text = (
        "token:" * 20_000 + "a-" * 50_000 + "'\"" * 20_000 + "a://b:" * 10_000 + "--pass " * 9_000
    )
    quoted = (
        "\\'token: x" * 20_000 + "'token:" * 20_000 + "\"pass=a'" * 20_000 + "'\"token:' " * 9_000
    )
    assert "(sensitive " in REDACTOR.redact(quoted)
    for part in (
        "tokens: [",
        "token: {a: ",
        "\ntoken:\n",
        "\n- token: |\n  ",
        "name: token, value:\n",
    ):
        REDACTOR.redact(part * 20_000)
    assert REDACTOR.redact(text).startswith("token:(sensitive ")


ECHOED = {
    "kind": "Pod",
    "spec": {"containers": [{"env": [{"name": "HF_TOKEN", "value": 'hf_"x\\y'}], "args": ["-v"]}]},
    "data": "password = opensesame",
}


def test_the_secrets_of_a_document_can_be_named() -> None:
    """They are what a redactor hides, and nothing else."""
    assert find_secrets(ECHOED) == {'hf_"x\\y', "opensesame"}


@pytest.mark.parametrize(
    "echo",
    [
        json.dumps(ECHOED),
        json.dumps(json.dumps(ECHOED)),
        "cannot parse " + base64.b64encode(json.dumps(ECHOED).encode()).decode(),
        "cannot parse " + base64.b64encode(b"?" + json.dumps(ECHOED).encode()).decode()[2:],
        'value hf_"x\\y is not allowed, nor is opensesame',
    ],
)
def test_a_server_that_repeats_a_document_repeats_no_secret(echo: str) -> None:
    """As it was, escaped, or encoded: only the rest of the words stays."""
    told = blank(echo, find_secrets(ECHOED))
    assert "opensesame" not in told
    assert "hf_" not in told
    assert base64.b64encode(b"opensesame").decode()[:12] not in told


def test_words_without_secrets_are_repeated_as_they_are() -> None:
    """Somebody has to read them."""
    words = "Deployment.apps is invalid: spec.selector: Required value (id 1b4e28ba-2fa1-11d2)"
    assert blank(words) == blank(words, {"opensesame"}) == words


def test_an_assignment_with_spaces_is_one_too() -> None:
    """As configuration files write it."""
    assert blank("[db]\npassword = opensesame\nhost = db") == "[db]\npassword = (hidden)\nhost = db"
