"""Responses that a rule puts in the place of the API's own, and what a rule may know beforehand."""

from __future__ import annotations

import json
from contextlib import suppress
from email.utils import formatdate

from reconciler.sandbox.faults.rules import Fault, FaultRule, Page
from reconciler.sandbox.http import (
    HTML_TYPE,
    Header,
    Refusal,
    SandboxResponse,
    error_response,
    json_response,
)
from reconciler.sandbox.world.manifests import decode_manifest

_HTML = b"<html><head><title>%d</title></head><body><h1>%d</h1><p>the gateway</p></body></html>"


def peek(body: bytes) -> tuple[str | None, str | None, str | None]:
    """Project, name and kind of a create request that has not been checked yet."""
    # Rules are asked before the request is checked, so anything may be in there.
    try:
        request = json.loads(body)
        metadata, kind = request["metadata"], None
        # The name is readable even where the manifest is not.
        with suppress(Refusal):
            encoded = request.get("manifestBase64Encoded")
            manifest = decode_manifest(encoded) if isinstance(encoded, str) else None
            kind = (manifest or request.get("manifest") or {}).get("kind")
        texts = metadata.get("projectId"), metadata.get("name"), kind
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, None, None
    project, name, kind = (text if isinstance(text, str) else None for text in texts)
    return project, name, kind


def inject(rule: FaultRule, now: float) -> SandboxResponse:
    """Build the response that a rule puts in the place of the API's own."""
    if rule.fault is Fault.REDIRECT:
        # 307 keeps method and body: a client that follows would repeat its create elsewhere.
        location = (b"location", rule.note.encode())
        return SandboxResponse(status=307, body=b"", headers=(location,))
    # What gateways answer who have too much at once, and who count.
    default = {Fault.CAP: 503, Fault.RATE: 429}.get(rule.fault, int(rule.amount))
    status = rule.status or default
    retry: tuple[Header, ...] = ()
    if rule.retry_after is not None:
        # HTTP allows both forms, and clients tend to understand only one of them.
        seconds, date = str(int(rule.retry_after)), formatdate(now + rule.retry_after, usegmt=True)
        retry = ((b"retry-after", (date if rule.retry_date else seconds).encode()),)
    if rule.page is Page.OAUTH:
        return json_response(
            status,
            {
                "error": "server_error",
                "error_description": f"injected by a fault rule: {rule.text}",
            },
            headers=retry,
        )
    if rule.page is Page.JSON:
        return error_response(status, "injected by a fault rule", details=rule.text, headers=retry)
    if rule.page is Page.EMPTY:
        return SandboxResponse(status=status, body=b"", headers=retry)
    html = _HTML % (status, status)
    return SandboxResponse(status=status, body=html, headers=(HTML_TYPE, *retry))
