"""Secrets within addresses: logins, signatures, and web hooks."""

from __future__ import annotations

import re
from collections.abc import Callable

_USERINFO = re.compile(r"(?<=://)([^/\s:@]*:)([^/\s]+)(?=@)")
# An http address has no use for a name without a password: it is an access token.
_TOKEN_LOGIN = re.compile(r"(?<=http://|ttps://)([^/\s:@]+)(?=@)")
# What signs an address of S3, GCS, Azure, CloudFront or Azure Functions; the others of its
# parameters have names that say so themselves.
_SIGNATURE = re.compile(
    r"((?:(?:^|[?&;\s\"'])(?:sig|(?:x-(?:amz|goog)-)?signature|x-(?:amz|goog)-credential)"
    r"|[?&]code)=)([^\s&;\"'<>()]+)",
    re.IGNORECASE,
)
# The host says so, or a part of the path; what follows is the secret.
_WEBHOOK = re.compile(
    r"(https?://(?:(?:hooks?|webhooks?)\.[^/\s\"']+|[^/\s\"']*\.webhook\.[^/\s\"']+"
    r"|[^/\s\"']+(?:/[^/\s\"'?#]+)*?/(?:hooks?|webhooks?|webhookb2))/)([^\s\"'?#<>()]+)",
    re.IGNORECASE,
)


def hide_in_addresses(text: str, hide: Callable[[str], str]) -> str:
    """Hide the secrets within the addresses in a text."""
    if "://" in text:
        text = _USERINFO.sub(lambda m: m[1] + hide(m[2]), text)
        text = _TOKEN_LOGIN.sub(lambda m: hide(m[1]), text)
        text = _WEBHOOK.sub(lambda m: m[1] + hide(m[2]), text)
    return _SIGNATURE.sub(lambda m: m[1] + hide(m[2]), text)
