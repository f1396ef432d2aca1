"""What may be sent again: one table over method and response, read by the dispatcher."""

from __future__ import annotations

from reconciler.core.protocol.api_results import (
    Accepted,
    Acknowledged,
    Ambiguous,
    ApiResult,
    ClusterList,
    ClusterVersions,
    Conflict,
    Described,
    DryRunPassed,
    Listed,
    Method,
    NotFound,
    NotSent,
    NotShown,
    Occurrences,
    ProjectPage,
    Refused,
    TooManyRequests,
    TypeList,
    Unauthorised,
    Unavailable,
    WorkloadCount,
    WorkloadPage,
)
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """What a response to one method means for the next attempt.

    `limit` bounds the unclear responses to one operation (None: until the deadline); `ambiguous`
    says that the server may have acted; `base` is the first back-off in seconds.
    """

    retry: bool
    limit: int | None = None
    ambiguous: bool = False
    base: float = 0.25


FINAL = RetryRule(retry=False)
AGAIN = RetryRule(retry=True)
SLOWER = RetryRule(retry=True, base=1.0)
# A POST without a response may have been carried out; after this many it is looked up instead.
AMBIGUOUS_SENDS = 3
# The name of a server that was never reached in this run is rather misspelt than restarting.
UNREACHED_SENDS = 4

RULES: dict[tuple[Method, type[ApiResult]], RetryRule] = {
    (Method.POST, Accepted): FINAL,
    (Method.POST, DryRunPassed): FINAL,
    (Method.POST, Refused): FINAL,
    (Method.POST, Conflict): FINAL,
    (Method.POST, NotFound): FINAL,
    (Method.POST, Unauthorised): FINAL,
    (Method.POST, NotSent): AGAIN,
    (Method.POST, TooManyRequests): SLOWER,
    (Method.POST, Unavailable): RetryRule(retry=True, ambiguous=True),
    (Method.POST, Ambiguous): RetryRule(retry=True, limit=AMBIGUOUS_SENDS, ambiguous=True),
    (Method.GET, Accepted): FINAL,
    (Method.GET, Listed): FINAL,
    (Method.GET, ClusterVersions): FINAL,
    (Method.GET, WorkloadPage): FINAL,
    (Method.GET, WorkloadCount): FINAL,
    (Method.GET, Described): FINAL,
    (Method.GET, Occurrences): FINAL,
    (Method.GET, ProjectPage): FINAL,
    (Method.GET, ClusterList): FINAL,
    (Method.GET, TypeList): FINAL,
    (Method.GET, NotShown): FINAL,
    (Method.GET, Refused): FINAL,
    (Method.GET, Conflict): FINAL,
    (Method.GET, NotFound): FINAL,
    (Method.GET, Unauthorised): FINAL,
    (Method.GET, NotSent): AGAIN,
    (Method.GET, TooManyRequests): SLOWER,
    (Method.GET, Unavailable): AGAIN,
    (Method.GET, Ambiguous): AGAIN,
    (Method.PUT, Accepted): FINAL,
    (Method.PUT, Refused): FINAL,
    (Method.PUT, Conflict): FINAL,
    (Method.PUT, NotFound): FINAL,
    (Method.PUT, Unauthorised): FINAL,
    (Method.PUT, NotSent): AGAIN,
    (Method.PUT, TooManyRequests): SLOWER,
    # An update without a response may be in force, and a repeat has no 409 to stop it: so the
    # workload is read before the update is sent again.
    (Method.PUT, Unavailable): RetryRule(retry=False, ambiguous=True),
    (Method.PUT, Ambiguous): RetryRule(retry=False, ambiguous=True),
    (Method.DELETE, Accepted): FINAL,
    (Method.DELETE, Acknowledged): FINAL,
    (Method.DELETE, Refused): FINAL,
    (Method.DELETE, NotFound): FINAL,
    (Method.DELETE, Unauthorised): FINAL,
    (Method.DELETE, NotSent): AGAIN,
    (Method.DELETE, TooManyRequests): SLOWER,
    (Method.DELETE, Unavailable): RetryRule(retry=True, ambiguous=True),
    (Method.DELETE, Ambiguous): RetryRule(retry=True, ambiguous=True),
    (Method.DELETE, Conflict): AGAIN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SendCounts:
    """The sends of one operation so far, and how many of them ended in which way."""

    sends: int = 0
    unclear: int = 0
    unsent: int = 0
    ambiguous: bool = False

    def after(self, method: Method, answer: ApiResult) -> SendCounts:
        """The counts with one more response."""
        return SendCounts(
            sends=self.sends + 1,
            unclear=self.unclear + isinstance(answer, Ambiguous),
            unsent=self.unsent + isinstance(answer, NotSent),
            ambiguous=self.ambiguous or RULES[method, type(answer)].ambiguous,
        )


# Of an operation that has not been sent yet.
NO_SENDS = SendCounts()


def is_final(method: Method, answer: ApiResult) -> bool:
    """Whether a response ends the operation, however often it was sent."""
    return not RULES[method, type(answer)].retry


def may_retry(method: Method, answer: ApiResult, tries: SendCounts, *, reached: bool) -> bool:
    """Whether the same request may be sent again; `tries` already counts this response.

    `reached` says whether the server has sent any response in this run.
    """
    rule = RULES[method, type(answer)]
    if isinstance(answer, NotSent):
        return not answer.permanent and (reached or tries.unsent < UNREACHED_SENDS)
    return rule.retry and (rule.limit is None or tries.unclear < rule.limit)


def asked_pause(answer: ApiResult) -> float | None:
    """Seconds that the server asked everyone to wait, if it did (Retry-After on 429 and 503)."""
    return answer.retry_after if isinstance(answer, TooManyRequests | Unavailable) else None
