"""What a name says about its value: `HF_TOKEN` holds a secret, `MAX_TOKENS` a number."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache


class NameKind(Enum):
    """How much of its value may be shown.

    Of a LIKELY one whatever is a number, a path or a label: `KAGGLE_KEY` and `HASH_KEYS` are alike.
    HIDDEN and SHOWN are what the owner of a repository decides.
    """

    ORDINARY = "ordinary"
    LIKELY = "likely"
    CERTAIN = "certain"
    HIDDEN = "hidden"
    SHOWN = "shown"


LAST_WORDS = (
    *("auth", "authorization", "bearer", "cookie", "cookies", "cred", "creds", "jwt", "oauth"),
    *("mnemonic", "pass", "passcode", "passcodes", "pat", "pats", "pepper", "pw", "pwd", "pwds"),
    *("salt", "sas", "webhook", "webhooks"),
)
_SECRET_KEYS = frozenset(
    {
        *("access", "account", "api", "auth", "decryption", "deploy", "encryption", "fernet"),
        *("license", "master", "private", "secret", "session", "signing", "storage"),
    }
)
# Also at the end of a longer word: PGPASSWORD, clientsecret, ACMEAPIKEY.
ENDINGS = (
    *("credential", "credentials", "passphrase", "passphrases", "passwd", "password", "passwords"),
    *("secret", "token"),
    *(f"{first}{last}" for first in sorted(_SECRET_KEYS) for last in ("key", "keys")),
)
GROUPS = (
    *(("access", "key", "id"), ("account", "sid"), ("api", "key", "id"), ("auth", "header")),
    *(("connection", "string"), ("private", "key", "id"), ("secret", "id")),
    *(("webhook", "uri"), ("webhook", "url")),
)
LIKELY_WORDS = ("kubeconfig", "secrets", "tokens")
# What may stand behind the word that decides: SECRET_KEY_BASE, DEPLOY_KEY_B64, DB_PASSWORD_OLD.
SUFFIXES = (
    *("b", "backup", "base", "current", "dev", "encoded", "encrypted", "hash", "identifiable"),
    *("json", "new", "next", "old", "pem", "plain", "plaintext", "previous", "primary", "prod"),
    *(
        "production",
        "raw",
        "routable",
        "sandbox",
        "secondary",
        "stage",
        "staging",
        "string",
        "test",
        "v",
    ),
    *("value", "yaml"),
)
# Names of rows, fields and labels end in KEY as well, and halves of a pair that everybody may see.
_OPEN_KEYS = frozenset(
    {
        *("annotation", "bucket", "cache", "column", "composite", "config", "configmap", "dedup"),
        *("event", "field", "foreign", "group", "idempotency", "index", "item", "join", "label"),
        *("list", "lookup", "map", "merge", "message", "metric", "natural", "node", "object"),
        *("order", "partition", "primary", "pub", "public", "publishable", "range", "record"),
        *("registry", "route", "routing", "row", "schema", "selector", "shard", "sort", "state"),
        *("tag", "topology", "translation", "unique"),
    }
)
# What language models call tokens, and how tokens are counted.
_OPEN_TOKENS = frozenset(
    {
        *("audio", "avg", "bos", "cls", "count", "eos", "eot", "image", "mask", "max", "mean"),
        *("min", "n", "num", "number", "pad", "per", "sep", "special", "stop", "total", "unk"),
        *("video",),
    }
)
_COUNTED_TOKENS = frozenset(
    {
        *("batched", "chunk", "completion", "context", "decode", "draft", "extra", "generated"),
        *("input", "new", "output", "prefill", "prompt", "reserved", "speculative", "train"),
    }
)
# Of what names are made that are written without separators: SSHKEY is an SSH_KEY, MONKEY is none.
_JOINED_LAST = (
    *("keys", "keyid", "key", "creds", "cred", "pass", "pwds", "pwd", "pw", "secrets", "tokens"),
    *("oauth", "auth"),
)
_JOINED_FIRST = _SECRET_KEYS | {
    *(
        "admin",
        "aes",
        "app",
        "aws",
        "azure",
        "basic",
        "bearer",
        "bot",
        "client",
        "crypt",
        "crypto",
        "db",
        "docker",
        "gh",
        "sas",
    ),
    *("dkim", "ec", "ecdsa", "elastic", "enc", "gcp", "gcs", "git", "github", "gitlab", "google"),
    *("gpg", "grafana", "hf", "hmac", "host", "jwt", "kafka", "kms", "ldap", "login", "mail"),
    *("minio", "mongo", "my", "mysql", "ngc", "nvidia", "oauth", "openai", "oss", "pg", "pgp"),
    *("postgres", "priv", "rabbitmq", "redis", "registry", "root", "rsa", "sec", "server"),
    *("service", "slack", "smtp", "sql", "ssh", "ssl", "sudo", "telegram", "tls", "user"),
    *("vault", "vpn", "wandb", "webhook", "wireguard"),
}
# Suffixes that are long enough not to be the end of a word; `base` is left of `BASE64`.
_JOINED_SUFFIXES = ("backup", "base", "encoded", "json", "old", "pem", "plaintext", "previous")
_LONGEST_JOINED = max(map(len, _JOINED_FIRST))
_OPEN_SECRETS = frozenset({"existing", "pull"})
# Fields of Kubernetes' own, and of operators, that name a Secret.
_OPEN_FIELDS = frozenset({"authSecret"})
# The names of others in lower case; `hints.py` passes these over.
_OPEN_WORDS = frozenset(
    {"imagepullsecret", "imagepullsecrets", "maxtoken", "maxtokens", "topologykey"}
)
_WORDS_IN_PASS = re.compile(
    r"(?:all|band|by|com|encom|high|low|multi|over|single|sur|tres|under)pass$"
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def _split_joined(word: str) -> list[str]:
    """The words that a joined word is made of (`sshkey`); the word itself for any other."""
    last = next((last for last in _JOINED_LAST if word.endswith(last)), "")
    if not last:
        return _split_suffix(word)
    parts, remaining = [last] if last != "keyid" else ["key", "id"], word.removesuffix(last)
    while remaining:
        # From the end, the longest first: `oauth` is one word, and not an `auth` after an `o`.
        for size in range(min(_LONGEST_JOINED, len(remaining)), 0, -1):
            if remaining[-size:] in _JOINED_FIRST:
                parts.insert(0, remaining[-size:])
                remaining = remaining[:-size]
                break
        else:
            return [word]
    return parts


def _split_suffix(word: str) -> list[str]:
    """The words of a joined word that ends in a suffix (`sshkeypem`); else the word itself."""
    for suffix in _JOINED_SUFFIXES:
        if word.endswith(suffix):
            parts = _split_joined(word.removesuffix(suffix))
            is_known = len(parts) > 1 or parts[0].endswith(ENDINGS)
            return [*parts, suffix] if is_known else [word]
    return [word]


# The same few hundred names come up again and again.
@lru_cache(maxsize=8192)
def kind_of_name(name: str) -> NameKind:
    """What a name says by its last words, however it is spelt; never HIDDEN or SHOWN."""
    parts = [part for word in _WORD.findall(name) for part in _split_joined(word.lower())]
    while len(parts) > 1 and parts[-1] in SUFFIXES and tuple(parts[-2:]) not in GROUPS:
        parts.pop()
    if not parts or parts[-1] in _OPEN_WORDS or name in _OPEN_FIELDS:
        return NameKind.ORDINARY
    # The exceptions go first: they end with the same words as names of secrets.
    last, before = parts[-1], parts[-2] if len(parts) > 1 else ""
    if last in ("token", "tokens") and (
        before in _OPEN_TOKENS or (last == "tokens" and before in _COUNTED_TOKENS)
    ):
        return NameKind.ORDINARY
    if last in ("secret", "secrets") and before in _OPEN_SECRETS:
        return NameKind.ORDINARY
    if last in LAST_WORDS or last.endswith(ENDINGS):
        return NameKind.CERTAIN
    if tuple(parts[-2:]) in GROUPS or tuple(parts[-3:]) in GROUPS:
        return NameKind.CERTAIN
    if last in ("key", "keys") and before and before not in _OPEN_KEYS:
        return NameKind.CERTAIN if before in _SECRET_KEYS else NameKind.LIKELY
    if last in LIKELY_WORDS or (last.endswith("pass") and not _WORDS_IN_PASS.fullmatch(last)):
        return NameKind.LIKELY
    return NameKind.ORDINARY
