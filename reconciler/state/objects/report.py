"""What can be told of the storage of a state, and of this account in it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from reconciler.core.states.inspection import StateFlaw, StorageReport
from reconciler.core.states.places import ObjectPlace
from reconciler.errors import StateError
from reconciler.state.objects.bucket import Bucket, endpoint_of
from reconciler.state.objects.honesty import prove_honest
from reconciler.state.objects.segments import LEASE
from reconciler.state.shared import timings

_ROUND_TRIPS = 5
_CLOUDS = {"s3": "Amazon S3", "gs": "Google Cloud Storage", "az": "Azure Blob Storage"}


def report_storage(place: ObjectPlace) -> StorageReport:
    """Look at the bucket of a state; raises UnreachableError, StateError."""
    bucket, seconds = Bucket(place, timings.DEFAULT), []
    for _ in range(_ROUND_TRIPS):
        began = time.perf_counter()
        bucket.get(LEASE)
        seconds.append(time.perf_counter() - began)
    flaws = list(_find_flaws(place))
    try:
        prove_honest(bucket)
        may = "may read and write; conditional writes are kept"
    except StateError as error:
        may = "does not prove that it may write"
        flaws.append(StateFlaw(message=error.message, hint=error.hint))
    endpoint = urlsplit(endpoint_of(place))
    parts = [
        endpoint.netloc or _CLOUDS[place.scheme],
        _way(endpoint),
        f"this account {may}",
        f"round trip {statistics.median(seconds) * 1000:.1f} ms",
    ]
    return StorageReport(facts="; ".join(parts), flaws=tuple(flaws))


def _find_flaws(place: ObjectPlace) -> Iterator[StateFlaw]:
    endpoint = urlsplit(endpoint_of(place))
    if endpoint.scheme == "http" and not _is_this_machine(endpoint.hostname or ""):
        yield StateFlaw(
            message=f"{endpoint.netloc} is asked without TLS: others can read and change the state",
            hint="give the endpoint with https://",
        )


def _way(endpoint: SplitResult) -> str:
    if endpoint.scheme != "http":
        return "TLS"
    return "on this machine" if _is_this_machine(endpoint.hostname or "") else "without TLS"


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
