"""How an action ended, and the names under which that is published."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from reconciler.values import dataclass

# The API has no code for it: the documented messages and those of Kubernetes have the word.
_QUOTA = re.compile(r"\bquotas?\b", re.IGNORECASE)
ADOPTED, RECORDED = "adopted", "recorded"


class Cause(StrEnum):
    """Who or what made an action fail."""

    SERVER = "refused-by-server"
    DENIED = "permission-denied"
    QUOTA = "over-quota"
    NAME_TAKEN = "name-taken"
    CLUSTER = "refused-by-cluster"
    FAILED_LATER = "failed-in-cluster"
    HELD = "held"
    OUTDATED = "not-as-approved"
    GIVEN_UP = "deletion-given-up"
    UNPROVEN = "absence-unproven"
    EXPIRED = "expired"
    OTHER = "other"


def cause_of_refusal(message: str) -> Cause:
    """Whether a refusal of the server is about a quota, in its own words, or about the spec."""
    return Cause.QUOTA if _QUOTA.search(message) else Cause.SERVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """Done, and durable in the state.

    `counted_as` names its count in the summary where that is not the one of its action: ADOPTED
    where an earlier run had made the workload, RECORDED where nothing was to be done.
    """

    id: str | None = None
    detail: str = ""
    counted_as: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unsuccessful:
    """Why it was not done, in the server's words where it sent any.

    `down` says that a declared workload which once ran is not known to run any more; `deleted` is
    the id that this run deleted to make room for it, None where an earlier run had.
    """

    message: str
    hint: str = ""
    deleted: str | None = None
    down: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(_Unsuccessful):
    """Not carried out, and known not to have been."""

    id: str | None = None
    cause: Cause = Cause.OTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped(_Unsuccessful):
    """Never begun, or not gone on with after its delete.

    The run ended, a lower wave failed, or a flag or setting holds back what is due.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class InDoubt(_Unsuccessful):
    """The server may or may not have the workload, and no evidence settles it yet."""


Unsuccessful = Failed | Skipped | InDoubt
Outcome = Succeeded | Unsuccessful


class OutcomeNames(NamedTuple):
    """What an outcome is called: for people and in the history, in streams, in metrics."""

    word: str
    event: str
    result: str


NAMES: Mapping[type[Outcome], OutcomeNames] = {
    Succeeded: OutcomeNames("done", "action_succeeded", "succeeded"),
    Failed: OutcomeNames("failed", "action_failed", "failed"),
    Skipped: OutcomeNames("skipped", "action_skipped", "skipped"),
    InDoubt: OutcomeNames("in doubt", "in_doubt", "in_doubt"),
}

_DONE = {
    "create": "created",
    "replace": "replaced",
    "update": "updated",
    "delete": "deleted",
    "adopt": ADOPTED,
    "forget": "forgotten",
    "resolve": ADOPTED,
    "record": RECORDED,
}


def message_of(outcome: Outcome) -> str:
    """What is said about it: a success may say nothing."""
    return outcome.detail if isinstance(outcome, Succeeded) else outcome.message


def count_of(action: str, outcome: Outcome) -> str:
    """The count of the summary that an action of this kind is in."""
    if isinstance(outcome, Succeeded):
        return outcome.counted_as or _DONE[action]
    return NAMES[type(outcome)].result
