"""What a rule puts in the place of an answer, and what it may know of a request beforehand."""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import Any

from reconciler.sandbox.faults.rules import Fault, FaultRule, Page
from reconciler.sandbox.http import HTML_TYPE, Header, Refusal, SandboxResponse, error
from reconciler.sandbox.world.manifests import decode_manifest

_HTML = b"<html><head><title>%d</title></head><body><h1>%d</h1><p>the gateway</p></body></html>"


def peek(body: bytes) -> tuple[str | None, str | None, str | None]:
    """Project, name and kind of a create request that has not been checked yet."""
    try:
        request = json.loads(body)
        metadata = request["metadata"]
        kind = _peek_kind(request)
        found: list[Any] = [metadata.get("projectId"), metadata.get("name"), kind]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None, None, None
    project, name, kind = (text if isinstance(text, str) else None for text in found)
    return project, name, kind


def _peek_kind(request: dict[str, Any]) -> Any:
    if isinstance(encoded := request.get("manifestBase64Encoded"), str):
        try:
            return decode_manifest(encoded).get("kind")
        except Refusal:
            return None
    return (request.get("manifest") or {}).get("kind")


def inject(rule: FaultRule, now: float) -> SandboxResponse:
    """Word an answer that a rule puts in the place of the API's own."""
    if rule.fault is Fault.REDIRECT:
        location = (b"location", rule.note.encode())
        return SandboxResponse(status=307, body=b"", headers=(location,))
    default = {Fault.CAP: 503, Fault.RATE: 429}.get(rule.fault, int(rule.amount))
    status = rule.status or default
    retry = _retry_after(rule, now)
    if rule.page is Page.JSON:
        return error(status, "injected by a fault rule", details=rule.text, headers=retry)
    if rule.page is Page.EMPTY:
        return SandboxResponse(status=status, body=b"", headers=retry)
    return SandboxResponse(
        status=status, body=_HTML % (status, status), headers=(HTML_TYPE, *retry)
    )


def _retry_after(rule: FaultRule, now: float) -> tuple[Header, ...]:
    if rule.retry_after is None:
        return ()
    value = (
        formatdate(now + rule.retry_after, usegmt=True)
        if rule.retry_date
        else str(int(rule.retry_after))
    )
    return ((b"retry-after", value.encode()),)
