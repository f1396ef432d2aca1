"""What is taken for a secret, held against public lists, and what never is."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.redact import Redactor, blank
from reconciler.core.renewal import renew
from reconciler.core.secrets.hints import SecretHints
from reconciler.core.secrets.marks import is_redacted
from reconciler.core.secrets.names import NameKind, kind_of_name
from reconciler.core.secrets.rules import BUILT_IN, RedactionRules, literals_of
from reconciler.core.secrets.shapes import is_open
from tests.support.strategies import json_values

ROOT = Path(__file__).parents[2]
REDACTOR = Redactor("lineage")
MARK = re.compile(r"\(sensitive [0-9a-f]{16}\)")
CANARY = "canary-7f3a9"
LISTED = list(
    csv.DictReader(
        (Path(__file__).with_name("secret_names.tsv")).read_text("utf-8").splitlines(),
        delimiter="\t",
    )
)
SECRETS = sorted({row["name"] for row in LISTED if row["kind"] == "secret"})
OTHERS = sorted({row["name"] for row in LISTED if row["kind"] != "secret"})
NOISE = hashlib.shake_256(b"noise").digest(96)
BASE64 = base64.b64encode(NOISE).decode()
URLSAFE = base64.urlsafe_b64encode(NOISE).decode()
LETTERS = re.sub(r"\W", "", BASE64)


def shown(value: Any, redactor: Redactor = REDACTOR) -> Any:
    """Redact a value, each stand-in written as `***`."""
    return json.loads(MARK.sub("***", json.dumps(redactor.redact(value))))


def camel(name: str) -> str:
    """A name as fields are spelt."""
    first, *rest = re.split(r"[-_]", name.lower())
    return first + "".join(part.capitalize() for part in rest)


def test_there_are_enough_names_to_mean_something() -> None:
    """Two public lists, of which each name is said what it is."""
    assert {row["source"] for row in LISTED} == {"gitleaks", "github"}
    assert (len(LISTED), len(SECRETS), len(OTHERS)) == (446, 416, 30)


@pytest.mark.parametrize("name", SECRETS)
def test_no_value_under_a_name_of_a_public_list_leaks(name: str) -> None:
    """However it is spelt, and wherever names stand."""
    upper = name.upper().replace("-", "_")
    places = [
        {"env": [{"name": upper, "value": CANARY}]},
        {upper: CANARY, name: CANARY, camel(name): CANARY},
        {"args": [f"--{name.lower().replace('_', '-')}", CANARY, f"--{name}={CANARY}"]},
        {"command": ["sh", "-c", f"export {upper}={CANARY}; serve --{name} {CANARY}"]},
        {"data": {"settings.yaml": f"{name}: {CANARY}\n", ".env": f"A=1\n{upper}={CANARY}\n"}},
    ]
    assert CANARY not in json.dumps(REDACTOR.redact(places))


@pytest.mark.parametrize(
    "name",
    [
        *("KAGGLE_KEY", "AZURE_STORAGE_KEY", "AIRFLOW__CORE__FERNET_KEY", "SECRET_KEY_BASE"),
        *("MASTER_KEY", "TOKENS", "API_KEYS", "CREDS", "DB_PW", "SLACK_WEBHOOK_URL", "sshpass"),
        *("GOOGLE_CREDENTIALS_JSON", "AWS_ACCESS_KEY_ID", "DEPLOY_KEY_B64", "DB_PASSWORD_OLD"),
        *("TS_AUTHKEY", "twitteroauthaccesssecret", "HF_TOKENS", "redisPass", "AUTH_HEADER"),
    ],
)
def test_such_names_hide_a_value(name: str) -> None:
    """Plurals, suffixes, short forms, and words that are written together."""
    assert shown({"name": name, "value": CANARY}) == {"name": name, "value": "***"}


JOINED = [
    *(
        "SSHKEY",
        "SSHKEYS",
        "sshkey",
        "APIKEY",
        "AUTHTOKEN",
        "AUTHTOKENS",
        "ACCESSKEY",
        "DBPASSWORD",
    ),
    *("PRIVATEKEY", "SSHPRIVATEKEY", "RSAPRIVATEKEY", "PRIVKEY", "DEPLOYKEY", "SESSIONKEY"),
    *("ACMESIGNINGKEY", "ACCESSKEYID", "WANDBKEY", "JWTKEY", "TLSKEY", "GPGKEY", "MYSECRETS"),
    *("CLIENTSECRETS", "DBCREDS", "DBPWD", "MYSQLPWD", "DBPW", "DBPASS", "SSHKEY_BASE64"),
    *("GHTOKENS", "SASTOKENS", "DOCKERAUTH", "BASICAUTH", "GITHUBOAUTH", "PRIVATEKEYPEM"),
    *("SSHKEYPEM", "SSHKEYBASE64", "SSHKEYSOLD", "DBPASSWORDOLD", "DBPASSWORDSBACKUP"),
]


@pytest.mark.parametrize("name", JOINED)
def test_a_name_without_separators_means_what_its_words_do(name: str) -> None:
    """Whoever writes SSHKEY means the SSH_KEY."""
    assert shown({"name": name, "value": CANARY}) == {"name": name, "value": "***"}
    assert shown(f"export {name}={CANARY}") == f"export {name}=***"


@pytest.mark.parametrize(
    "name",
    [
        *("MONKEY", "TURNKEY", "KEYBOARD", "TOKENIZER", "TOKENIZERS", "DONKEY", "HOTKEY", "TURKEY"),
        *("WHISKEY", "HOCKEY", "JOCKEY", "SORTKEY", "PRIMARYKEY", "FOREIGNKEY", "PUBLICKEY"),
        *(
            "PUBKEY",
            "CACHEKEY",
            "PARTITIONKEY",
            "ROUTINGKEY",
            "TOPOLOGYKEY",
            "KEYNOTE",
            "MAXTOKENS",
        ),
        *("SACRED", "SECRETARY", "COMPASS", "BYPASS", "AUTHOR", "FORMAT", "KEY"),
        *("MONKEYOLD", "KEYBASE", "PUBLICKEYPEM", "CACHEKEYOLD", "THRESHOLD", "DATABASE"),
    ],
)
def test_a_word_that_only_ends_or_begins_alike_hides_nothing(name: str) -> None:
    """A plan that hides such values is no plan."""
    assert shown({"name": name, "value": CANARY}) == {"name": name, "value": CANARY}


ORDINARY = [
    ("BATCH_SIZE", "64"),
    ("MAX_TOKENS", "512"),
    ("maxTokens", 512),
    ("MAX_NEW_TOKENS", "unlimited"),
    ("TOKENIZER", "org/tokenizer-v2"),
    ("TOKENIZERS_PARALLELISM", "false"),
    ("PAD_TOKEN", "<pad>"),
    ("eos_token", "</s>"),
    ("STOP_TOKENS", "</s>,<eos>"),
    ("NUM_TOKENS_PER_BATCH", "4096"),
    ("TOKENS", "1000000"),
    ("SORT_KEY", "created_at"),
    ("PRIMARY_KEY", "id"),
    ("CACHE_KEY", "llama-7b-v2"),
    ("PUBLIC_KEY", "abc123"),
    ("topologyKey", "topology.kubernetes.io/zone"),
    ("HASH_KEYS", "16"),
    ("GPU_KEY", "nvidia.com/gpu"),
    ("SSH_KEY", "/etc/ssh/keys/id_ed25519"),
    ("GOOGLE_APPLICATION_CREDENTIALS", "/var/secrets/google/key.json"),
    ("PASSWORD_FILE", "/run/secrets/db"),
    ("TOKEN_PATH", "/var/run/token"),
    ("USE_AUTH", "true"),
    ("REQUIRE_PASSWORD", "no"),
    ("DISABLE_IMPLICIT_TOKEN", "1"),
    ("SECRET_NAME", "registry-credentials"),
    ("authSecret", "ngc-api"),
    ("KEYBOARD", "us"),
    ("MONKEY", "see"),
    ("COMPASS", "north"),
    ("TOKEN", "$(HF_TOKEN)"),
    ("API_KEY", "${API_KEY:-$OTHER}"),
    ("COMMIT", "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3"),
    ("RUN_ID", "1b4e28ba-2fa1-11d2-883f-0016d3cca427"),
    ("CHECKSUM", "sha256:" + "0123456789abcdef" * 4),
    ("INTEGRITY", "sha512-" + BASE64[:88]),
    ("IMAGE", "registry.example.com/team/model@sha256:" + "ab12cd34" * 8),
    ("MODEL", "TheBloke/Mixtral-8x7B-Instruct-v0.1-GPTQ"),
    ("MODEL", "Qwen2.5-Coder-32B-Instruct-GPTQ-Int4"),
    ("GPU", "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb"),
    ("CHECKPOINT", "s3://models/llama3/step-00012000/model-00001-of-00030.safetensors"),
    ("CLASS", "LlamaForCausalLMWithValueHead2Tower"),
    ("JOB", "sk-learn-nightly-20240101123000"),
    ("HOST_KEY", "ssh-ed25519 " + "AAAAC3NzaC1lZDI1NTE5AAAAI" + LETTERS[:43] + " user@host"),
    ("DATABASE", "postgres://db.example.com:5432/models?sslmode=require"),
    ("HOOK", "https://ci.example.com/webhook"),
    ("NCCL_IB_HCA", "mlx5_0:1,mlx5_1:1"),
    ("JAVA_OPTS", "-Xmx4g -XX:+UseG1GC"),
    ("DATE", "2026-11-20T09:00:00.000+00:00"),
]


@pytest.mark.parametrize(("name", "value"), ORDINARY)
def test_what_reviewers_have_to_see_is_shown(name: str, value: Any) -> None:
    """Numbers, booleans, paths, images, plain words, digests, UUIDs, commits, and references."""
    if name == "HOST_KEY":
        name = "KNOWN_HOST"
    for place in ({"name": name, "value": value}, {name: value}):
        assert shown(place) == place


MARKED = [
    *("ghp_" + "a" * 36, "github_pat_" + LETTERS[:40], "glpat-" + "x" * 20, "hf_" + "b" * 34),
    *("sk-" + LETTERS[:40], "sk-proj-" + LETTERS[:40], "sk-ant-api03-" + URLSAFE[:90] + "AA"),
    *("nvapi-" + URLSAFE[:64], "xoxb-1234-5678-abcdef", "xapp-1-A0-12-abcdef", "r8_" + "c" * 37),
    *("AKIAIOSFODNN7EXAMPLE", "ASIA" + "B" * 16, "AIza" + URLSAFE[:35], "ya29." + URLSAFE[:60]),
    *("dop_v1_" + "0a" * 32, "dapi" + "0b" * 16, "npm_" + LETTERS[:36], "pypi-AgEI" + LETTERS),
    *("sk_live_" + LETTERS[:24], "SG." + URLSAFE[:22] + "." + URLSAFE[:43], "hvs." + URLSAFE[:90]),
    *(
        "shpat_" + "0c" * 16,
        "pul-" + "0d" * 20,
        "lin_api_" + LETTERS[:40],
        "1234567890:AA" + URLSAFE[:33],
    ),
    *("AGE-SECRET-KEY-1QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", "gsk_" + LETTERS[:52]),
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + URLSAFE[:43],
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----",
    *(LETTERS[:40], BASE64[:44], URLSAFE[:43], "k3j9x2m5" * 4),
]


@pytest.mark.parametrize("secret", MARKED)
def test_a_value_that_is_a_secret_by_its_form_is_hidden(secret: str) -> None:
    """Under any name, alone, in a command, and in a text that somebody else wrote."""
    assert shown({"name": "ALERTS", "value": secret}) == {"name": "ALERTS", "value": "***"}
    assert shown(f'serve --model x "{secret}" y') == 'serve --model x "***" y'
    assert secret not in blank(f"cannot start with {secret}: refused")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("curl -u u:X https://h/", "curl -u u:*** https://h/"),
        ("curl --user 'admin:a b' x", "curl --user 'admin:***' x"),
        ("docker run -u 1000:1000 x", "docker run -u 1000:1000 x"),
        ("docker login -u u -p X r", "docker login -u u -p *** r"),
        ("sshpass -p X ssh h", "sshpass -p *** ssh h"),
        ("mysql -h db -pX m", "mysql -h db -p*** m"),
        ("mysql -h db -p m", "mysql -h db -p m"),
        ("redis-cli -a X get k", "redis-cli -a *** get k"),
        ("serve --wandb-key X --port 1", "serve --wandb-key *** --port 1"),
        ("keys = table.keys()", "keys = table.keys()"),
        ("cache_keys: tokens.ids", "cache_keys: tokens.ids"),
        (
            "https://h/o?X-Amz-Date=1&X-Amz-Signature=ab",
            "https://h/o?X-Amz-Date=1&X-Amz-Signature=***",
        ),
        ("https://h/o?sv=2022&sp=r&sig=a%2Bb&se=1", "https://h/o?sv=2022&sp=r&sig=***&se=1"),
        ("sv=2022&sp=r&sig=a%2Bb", "sv=2022&sp=r&sig=***"),
        ("https://h/o?X-Goog-Signature=ab", "https://h/o?X-Goog-Signature=***"),
        ("https://f.azurewebsites.net/api/x?code=ab", "https://f.azurewebsites.net/api/x?code=***"),
        ("https://hooks.slack.com/services/T0/B0/x", "https://hooks.slack.com/***"),
        ("https://discord.com/api/webhooks/1/x", "https://discord.com/api/webhooks/***"),
        ("https://o.webhook.office.com/webhookb2/x/y", "https://o.webhook.office.com/***"),
        ("https://mattermost.example.com/hooks/x", "https://mattermost.example.com/hooks/***"),
        ("tool -p X --db-password Y", "tool -p *** --db-password ***"),
        ("tool --db-password Y -p 'X' -v", "tool --db-password *** -p '***' -v"),
        ("tool -p=p --password Y", "tool -p=*** --password ***"),
        ("ssh -p 2222 h --db-password Y", "ssh -p 2222 h --db-password ***"),
        ("docker run -p 80:80 r --password Y", "docker run -p 80:80 r --password ***"),
        ("mkdir -p /a/b c --password Y", "mkdir -p /a/b c --password ***"),
        ("mkdir -p x && tool --password Y", "mkdir -p x && tool --password ***"),
        ("tool -p X --passive on", "tool -p X --passive on"),
        ("machine h login u password X", "machine h login u password ***"),
        ("machine h\n  login u\n  password X\n", "machine h\n  login u\n  password ***\n"),
        ("machine h password X login u", "machine h password *** login u"),
        (
            r"printf 'machine h\nlogin u\npassword X\n'",
            r"printf 'machine h\nlogin u\npassword ***\n'",
        ),
        (
            "machine a login u password X machine b login v account w password Y",
            "machine a login u password *** machine b login v account w password ***",
        ),
        ("default login u password X", "default login u password ***"),
        ("machine h login u password $PW", "machine h login u password $PW"),
        ("the default password is known", "the default password is known"),
        ("login with password failed", "login with password failed"),
        ("apikey => X", "apikey => ***"),
        ("'apikey' => 'X', 'size' => 1", "'apikey' => '***', 'size' => 1"),
        ('api_key => "X", size => 1', "api_key => ***, size => 1"),
        ("password := X", "password := ***"),
        ("cache_keys => tokens.ids", "cache_keys => tokens.ids"),
        ("redis://:X@h:6379/0", "redis://:***@h:6379/0"),
        ("AccountName=x;AccountKey=a==;Suffix=y", "AccountName=x;AccountKey=***;Suffix=y"),
    ],
)
def test_what_a_command_or_an_address_gives_away_is_hidden(text: str, expected: str) -> None:
    """And nothing else of it."""
    assert shown(text) == expected


JSON_TEXTS = [
    ('{"password": "x", "user": "bob"}', '{"password": "***", "user": "bob"}'),
    ('{"password":"x","user":"bob"}', '{"password":"***","user":"bob"}'),
    ('{"a": {"tokens": ["p", "q"]}, "n": 1}', '{"a": {"tokens": ["***", "***"]}, "n": 1}'),
    ('{"secret": [["x"], []], "n": 1}', '{"secret": [["***"], []], "n": 1}'),
    ('{"secrets": [{"a": "b", "token": "x"}]}', '{"secrets": [{"a": "b", "token": "***"}]}'),
    ('{"token": "a,\\"b", "n": 1}', '{"token": "***", "n": 1}'),
    ('{"password": null, "n": 1}', '{"password": null, "n": 1}'),
    ('{"password": 1234, "n": 1}', '{"password": ***, "n": 1}'),
    ("{'password': 'x', 'user': 'bob'}", "{'password': '***', 'user': 'bob'}"),
    ('{password: "x", user: bob}', "{password: ***, user: bob}"),
    (r'curl -d "{\"token\": \"x\", \"n\": 1}" h', r'curl -d "{\"token\": \"***\", \"n\": 1}" h'),
]


@pytest.mark.parametrize(("text", "expected"), JSON_TEXTS)
def test_of_json_in_a_text_only_the_values_are_hidden(text: str, expected: str) -> None:
    """Its commas and quotes are no secret, and whoever reads the rest needs them."""
    assert shown(text) == expected


QUOTED = [
    (
        "{a}Authorization: Bearer X{a} -H {a}X-Api-Key: Y{a} h",
        "{a}Authorization: ***{a} -H {a}X-Api-Key: ***{a} h",
    ),
    (
        "{a}Authorization: Token X{a} -H {a}Private-Token: Y{a}",
        "{a}Authorization: ***{a} -H {a}Private-Token: ***{a}",
    ),
    (
        "{a}X-Api-Key: X{a} -H {a}Authorization: Basic Y{a}",
        "{a}X-Api-Key: ***{a} -H {a}Authorization: ***{a}",
    ),
    (
        "{a}Cookie: a=X; b=Y{a} -H {a}Accept: text/html{a} h",
        "{a}Cookie: ***{a} -H {a}Accept: text/html{a} h",
    ),
    (
        "{a}user=bob&password=X{a} -H {a}X-Api-Key: Y{a}",
        "{a}user=bob&password=***{a} -H {a}X-Api-Key: ***{a}",
    ),
    ("{a}X-Api-Key:{a} -H {a}Token: Y{a} h", "{a}X-Api-Key:{a} -H {a}Token: ***{a} h"),
    ("{a}export A=1 TOKEN=X{a}; BATCH_SIZE=64", "{a}export A=1 TOKEN=***{a}; BATCH_SIZE=64"),
]


@pytest.mark.parametrize("quote", ["'", '"', '\\"', "\\'"])
@pytest.mark.parametrize(("text", "expected"), QUOTED)
def test_a_closing_quote_ends_a_value(text: str, expected: str, quote: str) -> None:
    """What a command has behind it is another argument, with a name and a value of its own."""
    assert shown(text.replace("{a}", quote)) == expected.replace("{a}", quote)


XML = [
    ("<password>X</password>", "<password>***</password>"),
    (
        "<a><Password>\n X y \n</Password><n>1</n></a>",
        "<a><Password>\n *** \n</Password><n>1</n></a>",
    ),
    ('<db:password enc="no">X</db:password>', '<db:password enc="no">***</db:password>'),
    ("<apiKey><![CDATA[X]]></apiKey>", "<apiKey><![CDATA[***]]></apiKey>"),
    ("<tokens><t>X</t><t>Y</t></tokens><n>1</n>", "<tokens><t>***</t><t>***</t></tokens><n>1</n>"),
    (
        "<credentials><user>bob</user><data>X</data></credentials>",
        "<credentials><user>bob</user><data>***</data></credentials>",
    ),
    ('<add key="ApiKey" value="X"/>', '<add key="ApiKey" value="***"/>'),
    (
        "<add name='DB_PASSWORD' scope='a' value='X'/>",
        "<add name='DB_PASSWORD' scope='a' value='***'/>",
    ),
    ('<property name="password">X</property>', '<property name="password">***</property>'),
    ("<key>ApiKey</key>\n<string>X</string>", "<key>ApiKey</key>\n<string>***</string>"),
    ("<name>fs.secret.key</name><value>X</value>", "<name>fs.secret.key</name><value>***</value>"),
    (r'{"xml": "<token a=\"b\">X</token>"}', r'{"xml": "<token a=\"b\">***</token>"}'),
]


@pytest.mark.parametrize(("text", "expected"), XML)
def test_of_xml_in_a_text_only_the_values_are_hidden(text: str, expected: str) -> None:
    """Of elements, of attributes, and of what stands beside its name; twice is once."""
    assert shown(text) == expected
    once = REDACTOR.redact(text)
    assert REDACTOR.redact(once) == once
    assert renew(once, REDACTOR, plain=text) == once


@pytest.mark.parametrize(
    "text",
    [
        "usage: serve <token> --port 1 <model>",
        "List<Token> tokens; Map<String, Secret> x;",
        "<tokens>512</tokens><key>name</key><model>a</model>",
        '<secret name="db"><key>a</key></secret>',
        '<add key="BatchSize" value="64"/><password></password><password/>',
        "<password>${DB_PASSWORD}</password><tokenFile>/run/token</tokenFile>",
        "a < password > b",
    ],
)
def test_what_only_looks_like_a_secret_in_xml_is_shown(text: str) -> None:
    """Placeholders of a usage, types of a program, numbers, names and references."""
    assert shown(text) == text


STRUCTURES = [
    ("tokens: [a1, b2]\nBATCH_SIZE: 64", "tokens: [***, ***]\nBATCH_SIZE: 64"),
    ("tokens:\n  - a1\n  - b2\nsize: 1", "tokens:\n  - ***\n  - ***\nsize: 1"),
    ("tokens:\n- a1\n- 'b 2'\nsize: 1", "tokens:\n- ***\n- '***'\nsize: 1"),
    ("password: |\n  a\n\n  b\nsize: 1", "password: |\n  ***\nsize: 1"),
    ("password: >-\n  a b\nsize: 1", "password: >-\n  ***\nsize: 1"),
    ("password:\n  a b\nsize: 1", "password:\n  ***\nsize: 1"),
    ("password:\nsize: 1", "password:\nsize: 1"),
    ("password:\n  user: bob\n  data: x\nn: 1", "password:\n  user: bob\n  data: ***\nn: 1"),
    ("- tokens:\n    - {t: a1}\n- size: 1", "- tokens:\n    - {t: ***}\n- size: 1"),
    ('{"password":{"value":"x"},"n":1}', '{"password":{"value":"***"},"n":1}'),
    ('{"api_key":{"tokens":[{"a":"x"}]}}', '{"api_key":{"tokens":[{"a":"***"}]}}'),
    ('{"tokens": [{"t": "a b"}], "n": "x"}', '{"tokens": [{"t": "***"}], "n": "x"}'),
    (
        '{"credentials": {"user": "bob", "data": "x"}, "n": "y"}',
        '{"credentials": {"user": "bob", "data": "***"}, "n": "y"}',
    ),
    ('[{"name": "password", "value": "x"}]', '[{"name": "password", "value": "***"}]'),
    (
        "- name: DB_PASSWORD\n  value: a b\n- name: n",
        "- name: DB_PASSWORD\n  value: ***\n- name: n",
    ),
    (
        "- name: TOKEN\n  value: |\n    a\n- name: n",
        "- name: TOKEN\n  value: |\n    ***\n- name: n",
    ),
    ("password: a b c  # why\nsize: 1", "password: ***  # why\nsize: 1"),
    ("password = a b\nsize = 1", "password = ***\nsize = 1"),
]


@pytest.mark.parametrize(("text", "expected"), STRUCTURES)
def test_a_structure_in_a_text_is_hidden_value_by_value(text: str, expected: str) -> None:
    """Lists, objects, blocks, pairs and lines; what follows stays readable, and twice is once."""
    assert shown(text) == expected
    once = REDACTOR.redact(text)
    assert REDACTOR.redact(once) == once
    assert renew(once, REDACTOR, plain=text) == once


@pytest.mark.parametrize(
    "text",
    [
        "- name: BATCH_SIZE\n  value: 64\n",
        '[{"name": "BATCH_SIZE", "value": "64"}]',
        "auth:\n  enabled: true\n  realm: staff\n  url: https://sso/\n",
        "secret:\n  secretName: db\n  items:\n  - key: a\n    path: b\n",
        "tokens:\n  - 512\n  - 1024\n",
        "- name: HF_TOKEN\n  valueFrom:\n    secretKeyRef: {name: hf, key: token}\n",
        "env:\n- name: SIZE\n  value: 1\n- name: TOKEN_PATH\n  value: some where\n",
    ],
)
def test_a_structure_of_settings_is_shown(text: str) -> None:
    """Names, references, numbers and what a group of settings has."""
    assert shown(text) == text


NAMED = st.sampled_from(["password", "api_key", "tokens", "user", "size"])
PLAIN = st.sampled_from(["", "abc", "a b", 'q"q', "it's", "x,y}", "[z]", "tab\t", "é"]) | st.none()


@given(
    st.recursive(
        PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMED, inner, max_size=4)
    ),
    st.sampled_from([(",", ":"), (", ", ": ")]),
)
def test_json_in_a_text_stays_json(document: Any, separators: tuple[str, str]) -> None:
    """With the same shape; and what is hidden in it once is not hidden again."""
    text = json.dumps(document, separators=separators)
    redacted = REDACTOR.redact(text)
    assert _shape(json.loads(redacted)) == _shape(document)
    assert REDACTOR.redact(redacted) == redacted
    assert renew(redacted, REDACTOR, plain=text) == redacted


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    return [_shape(item) for item in value] if isinstance(value, list) else type(value)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["curl", "-u", "u:X"], ["curl", "-u", "u:***"]),
        (["docker", "run", "--user", "1000:1000"], ["docker", "run", "--user", "1000:1000"]),
        (["docker", "login", "-p", "X"], ["docker", "login", "-p", "***"]),
        (["docker", "run", "-p", "80:80"], ["docker", "run", "-p", "80:80"]),
        (["/usr/bin/mysql", "-pX"], ["/usr/bin/mysql", "-p***"]),
        (["sshpass", "-p", "$PASS"], ["sshpass", "-p", "$PASS"]),
        (["tool", "-p", "X", "--db-password", "Y"], ["tool", "-p", "***", "--db-password", "***"]),
        (["tool", "--password=Y", "-p", "8080"], ["tool", "--password=***", "-p", "8080"]),
        (["tool", "-p", "X", "--user", "u"], ["tool", "-p", "X", "--user", "u"]),
        (
            ["serve", "--api-key", "X", "--sort-key", "id"],
            ["serve", "--api-key", "***", "--sort-key", "id"],
        ),
        (["serve", "--tokens", "100"], ["serve", "--tokens", "100"]),
    ],
)
def test_an_argument_is_hidden_where_its_flag_says_so(
    arguments: list[str], expected: list[str]
) -> None:
    """Also where a program's flag is too short to say it."""
    assert shown({"args": arguments}) == {"args": expected}


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def test_hardly_anything_of_the_examples_is_hidden() -> None:
    """At most one value in a hundred; there is no secret in any of them."""
    documents = [
        document
        for folder in ("examples/workloads", "tests/docs/workloads")
        for path in sorted((ROOT / folder).rglob("*.y*ml"))
        for document in yaml.safe_load_all(path.read_text("utf-8"))
        # A manifest in base64 is read before anything is stored or shown of it.
        if isinstance(document, dict) and "manifestBase64Encoded" not in document
    ]
    values = list(_leaves(documents))
    hidden = [leaf for leaf in _leaves(REDACTOR.redact(documents)) if is_redacted(leaf)]
    assert len(values) > 500
    assert len(hidden) * 100 <= len(values), hidden


RULES = RedactionRules(
    redact=("MY_KEY_*", "pin"), reveal=("MODEL_KEY", "*_dataset_token", "my_key_open")
)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("MY_KEY_A", NameKind.HIDDEN),
        ("my_key_b", NameKind.HIDDEN),
        ("--my-key-c", NameKind.HIDDEN),
        ("my_key_open", NameKind.HIDDEN),
        ("pin", NameKind.HIDDEN),
        ("spinner", NameKind.ORDINARY),
        ("MODEL_KEY", NameKind.SHOWN),
        ("PUBLIC_DATASET_TOKEN", NameKind.SHOWN),
        ("OTHER_TOKEN", NameKind.CERTAIN),
    ],
)
def test_an_owner_decides_about_names(name: str, kind: NameKind) -> None:
    """`redact` wins over `reveal`, and both over what the program knows."""
    assert RULES.kind_of(name) is kind


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"name": "MY_KEY_A", "value": "5"}, {"name": "MY_KEY_A", "value": "***"}),
        ({"door": {"pin": 1234}}, {"door": {"pin": "***"}}),
        ({"door": {"pin": ["a", {"b": "c"}]}}, {"door": {"pin": ["***", {"b": "***"}]}}),
        (["--my-key-x", "/a/path"], ["--my-key-x", "***"]),
        ("export MY_KEY_X=true", "export MY_KEY_X=***"),
        ({"name": "MODEL_KEY", "value": "abc"}, {"name": "MODEL_KEY", "value": "abc"}),
        ({"MODEL_KEY": LETTERS[:40]}, {"MODEL_KEY": LETTERS[:40]}),
        ({"MODEL_KEY": "hf_" + "b" * 34}, {"MODEL_KEY": "***"}),
        ("serve --model-key abc", "serve --model-key abc"),
    ],
)
def test_what_an_owner_says_holds_everywhere(value: Any, expected: Any) -> None:
    """What is hidden is hidden whatever it is; what is shown may still be a token."""
    assert shown(value, Redactor("lineage", RULES)) == expected


def test_a_glob_without_letters_says_nothing() -> None:
    """It would hide, or show, everything."""
    assert [glob for glob in ("*", "?*", "[A-Z]*", "A*", "*_?x") if not literals_of(glob)] == [
        *("*", "?*", "[A-Z]*")
    ]


SPEC = {
    "env": [{"name": "MODEL_KEY", "value": "abc"}, {"name": "SIZE", "value": 5}],
    "args": ["serve", "--model-key", "abc", "--pin", "77", "run --model-key abc --pin 77 -v"],
}


@given(
    st.sampled_from([BUILT_IN, RULES, RedactionRules(redact=("SIZE", "--v"))]),
    st.sampled_from([BUILT_IN, RULES, RedactionRules(redact=("SIZE", "model-key"))]),
)
def test_a_record_is_read_as_todays_rules_would_have_written_it(
    then: RedactionRules, now: RedactionRules
) -> None:
    """A mark and a text are equal if the text's mark under the same key is that mark."""
    before, after = Redactor("lineage", then), Redactor("lineage", now)
    assert renew(before.redact(SPEC), after, plain=SPEC) == after.redact(SPEC)


def test_a_mark_of_another_text_stays_one() -> None:
    """What was recorded is not what is there now; nobody knows what it was."""
    before = REDACTOR.redact({"args": "--api-key old -v"})
    assert (
        renew(before, Redactor("lineage", RedactionRules(reveal=("api-key",))), plain=SPEC)
        == before
    )


@given(json_values, st.sampled_from([*MARKED, "https://u:p@h/", "curl -u u:X h", "sig=abc"]))
def test_a_hint_is_never_missing(value: Any, secret: str) -> None:
    """What has no hint has nothing to hide: a document is not searched in vain, nor too little."""
    document = {"a": value, "b": [secret]}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert SecretHints().may_hold_secret(text)


def test_the_version_names_the_rules() -> None:
    """A state remembers by which rules it was written: raise VERSION with every change of them."""
    samples = [[{"name": name, "value": "x-1"}, name] for name, _ in ORDINARY] + [
        *({"name": name, "value": CANARY} for name in [*SECRETS, *OTHERS]),
        *MARKED,
        *({"name": name, "value": CANARY} for name in JOINED),
        *(text for text, _ in JSON_TEXTS),
        *(text for text, _ in [*STRUCTURES, *XML]),
        *(text.replace("{a}", "'") for text, _ in QUOTED),
    ]
    seen = hashlib.sha256(json.dumps(REDACTOR.redact(samples)).encode()).hexdigest()[:12]
    assert (BUILT_IN.fingerprint[7:19], seen) == ("990b8549a268", "16db761f90e4")


def test_a_name_that_is_sure_leaves_less_open() -> None:
    """A number may be a password, but no storage key."""
    assert is_open("512", surely=False)
    assert not is_open("512", surely=True)
    assert kind_of_name("HASH_KEYS") is NameKind.LIKELY
    assert kind_of_name("DB_PASSWORD") is NameKind.CERTAIN
