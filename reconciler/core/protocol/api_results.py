"""What a control plane can answer to one request, as values; nothing here raises."""

from __future__ import annotations

from enum import StrEnum

from reconciler.core.model import Remote
from reconciler.core.protocol.capabilities import CanUpdate
from reconciler.core.protocol.live import (
    LiveWorkload,
    Occurrence,
    ServerCluster,
    ServerProject,
    WorkloadType,
)
from reconciler.values import dataclass

# The status of a refusal for want of rights.
FORBIDDEN = 403
NO_SUCH_CALL = frozenset({405, 501})
# An id that no workload has: asking for it shows whether anyone answers, and lets us in.
NOBODY = "00000000-0000-0000-0000-000000000000"


class Method(StrEnum):
    """The calls of the API that act on one workload."""

    POST = "POST"
    GET = "GET"
    PUT = "PUT"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiResult:
    """What every answer carries: the server's words, its request id and its clock (RFC 3339)."""

    message: str = ""
    request_id: str = ""
    date: str | None = None

    @property
    def description(self) -> str:
        """The server's words for people; the kind of the result where it sent none."""
        return self.message or type(self).__name__


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(ApiResult):
    """A 2xx with a readable workload: created, read or being deleted."""

    remote: Remote


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged(ApiResult):
    """A 2xx without a body to a DELETE: it was taken, and nothing is said of the workload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed(ApiResult):
    """The live workloads that a list shows under one name, and whether the list can be believed.

    `trusted` is False when the server has no list or answered it with something else. `counted` is
    how many there are by the server's own count, where it has one; `repeated` says that one came
    twice, so that others may have slipped between two pages.
    """

    ids: tuple[str, ...]
    trusted: bool = True
    counted: int | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadPage(ApiResult):
    """One page of a project's workloads; `next` is the offset of the following one."""

    workloads: tuple[LiveWorkload, ...]
    next: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadCount(ApiResult):
    """How many workloads a list has, by the server's own count."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Described(ApiResult):
    """One workload with the reasons why it is pending."""

    workload: LiveWorkload


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrences(ApiResult):
    """The latest of what happened to one workload, the newest first."""

    occurrences: tuple[Occurrence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPage(ApiResult):
    """One page of the projects, with their quotas; `next` is the offset of the following one."""

    projects: tuple[ServerProject, ...]
    next: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterList(ApiResult):
    """The clusters by name."""

    clusters: tuple[ServerCluster, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeList(ApiResult):
    """The kinds of workloads that the server takes."""

    types: tuple[WorkloadType, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotShown(ApiResult):
    """The server does not let us look: no rights, no such call, or a page in its place.

    It proves nothing about any workload. `status` is None where nothing was sent.
    """

    status: int | None = None

    @property
    def is_forbidden(self) -> bool:
        """Whether it is for want of rights."""
        return self.status == FORBIDDEN


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunPassed(ApiResult):
    """A 2xx to a create that was to be checked only; `id` is the one that it names, if any.

    It may be that of a workload: servers of 2.23 ignore that only a check was asked for.
    """

    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterVersions(ApiResult):
    """The versions of the clusters, as the server names them; none where it has no such list."""

    versions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(ApiResult):
    """A definite no: the request was understood and not carried out.

    `own` says that it came in the API's own envelope, and not from something on the way to it.
    """

    status: int
    own: bool = False

    @property
    def is_no_such_call(self) -> bool:
        """Whether the server says that it does not have this call at all (405, 501)."""
        return self.own and self.status in NO_SUCH_CALL

    @property
    def is_redirect(self) -> bool:
        """Whether it says nothing of the request, only that another server is to be asked."""
        return self.status < 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict(ApiResult):
    """409: a workload of that name lives in the project, perhaps our own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound(ApiResult):
    """404; `trusted` when it came as the API's own JSON error and not from something between."""

    trusted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TooManyRequests(ApiResult):
    """429 in JSON: not carried out. `retry_after` in seconds, where the server asked for it."""

    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable(ApiResult):
    """502, 503 or 504, in any form; a proxy may have said it after the server acted.

    `retry_after` in seconds. A 429 that is not the API's own is one too: only the API can say that
    it did nothing.
    """

    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unauthorised(ApiResult):
    """The credentials are not accepted, not even with a fresh token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent(ApiResult):
    """The request certainly did not reach the server (name, connection, TLS handshake, no token).

    `answered` says that something did answer there, and gave no token for it; `permanent` that
    sending it again cannot help.
    """

    permanent: bool = False
    answered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguous(ApiResult):
    """Nobody can tell whether the server acted: lost, late, cut short, unreadable, 500."""

    status: int | None = None


def is_from_elsewhere(answer: ApiResult) -> bool:
    """Whether this was answered by something that is not the API, and not in its place either.

    What stands before the API says that it is away with 5xx; with these it speaks for itself.
    """
    match answer:
        case NotFound(trusted=False) | NotSent(answered=True, permanent=True):
            return True
        case Refused(status=status) | Ambiguous(status=int(status)):
            return status < 400
        case _:
            return False


def can_update_by(answer: ApiResult) -> CanUpdate:
    """What the answer to an update of a workload that nobody has says of the server.

    Only the API's own word counts. A page, a lack of rights or of patience come from something on
    the way, or say nothing of the call.
    """
    match answer:
        case NotFound(trusted=True) | Refused(status=400):
            return CanUpdate.YES
        case Refused(is_no_such_call=True):
            return CanUpdate.NO
        case _:
            return CanUpdate.UNKNOWN
