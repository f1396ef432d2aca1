"""The lists of the v1 API: filters, sorting and pages over workloads, types and projects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs

from reconciler.sandbox.http import Refusal, timestamp
from reconciler.sandbox.world.kinds import PRIORITIES, is_preemptible
from reconciler.sandbox.world.workload import DEPARTMENT_ID, DEPARTMENT_NAME, Phase, Workload

T = TypeVar("T")
Field = Callable[[T], str]

_CONDITION = re.compile(r"(\w+)(==|!=|<=|>=|=@|!@|=\^|=\$)(.*)", re.DOTALL)
_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "==": lambda have, want: have == want,
    "!=": lambda have, want: have != want,
    "<=": lambda have, want: have <= want,
    ">=": lambda have, want: have >= want,
    "=@": lambda have, want: want in have,
    "!@": lambda have, want: want not in have,
    "=^": lambda have, want: have.startswith(want),
    "=$": lambda have, want: have.endswith(want),
}
_LIMIT_DEFAULT = 50
_LIMIT_MAX = 500
# The v1 API words the phase of a workload in its own vocabulary.
_V1_PHASES = {
    Phase.QUEUED: "Creating",
    Phase.APPLYING: "Initializing",
    Phase.SYNCED: "Running",
    Phase.FAILED: "Failed",
    Phase.DELETING: "Deleting",
    Phase.DELETED: "Terminating",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One item of `filterBy`: field, operator, value."""

    field: str
    operator: str
    value: str

    def holds(self, have: str) -> bool:
        """Whether a field's value satisfies the condition."""
        return _OPERATORS[self.operator](have, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The query parameters of a list, checked; raises Refusal (400) while being read."""

    conditions: tuple[Condition, ...] = ()
    limit: int = _LIMIT_DEFAULT
    offset: int = 0
    sort_by: str | None = None
    descending: bool = False
    deleted: bool = False
    search: str = ""

    def wants(self, field: str) -> str | None:
        """The value that the query pins a field to, if it does."""
        for condition in self.conditions:
            if condition.field == field and condition.operator == "==":
                return condition.value
        return None

    def select(self, rows: Iterable[T], fields: Mapping[str, Field[T]]) -> list[T]:
        """The rows that satisfy every condition, sorted if asked."""
        known = [(_known(c.field, fields), c) for c in self.conditions]
        chosen = [row for row in rows if all(c.holds(read(row)) for read, c in known)]
        if self.search:
            chosen = [row for row in chosen if self.search in fields["name"](row)]
        if self.sort_by is not None:
            chosen.sort(key=_known(self.sort_by, fields), reverse=self.descending)
        return chosen

    def page(self, key: str, rows: Sequence[T], write: Callable[[T], Any]) -> dict[str, Any]:
        """One page of the rows, and where the next one starts unless this is the last."""
        end = self.offset + self.limit
        page: dict[str, Any] = {key: [write(row) for row in rows[self.offset : end]]}
        if end < len(rows):
            page["next"] = end
        return page


WORKLOAD_FIELDS: dict[str, Field[Workload]] = {
    "name": lambda w: w.name,
    "type": lambda w: w.kind,
    "projectId": lambda w: w.project_id,
    "projectName": lambda w: w.project_name,
    "departmentId": lambda _: DEPARTMENT_ID,
    "departmentName": lambda _: DEPARTMENT_NAME,
    "category": lambda w: w.category or "",
    "priorityClassName": lambda w: w.priority or "",
    "submittedBy": lambda w: w.created_by,
    "createdAt": lambda w: timestamp(w.created_at),
}


def read_query(text: str) -> Query:
    """Read the query string of a list; raises Refusal (400)."""
    given = {key: values[-1] for key, values in parse_qs(text, keep_blank_values=True).items()}
    order = given.get("sortOrder", "asc")
    if order not in ("asc", "desc"):
        raise Refusal(400, "sortOrder must be asc or desc")
    deleted = given.get("deleted", "false")
    if deleted not in ("true", "false"):
        raise Refusal(400, "deleted must be true or false")
    return Query(
        conditions=tuple(_read_conditions(given.get("filterBy", ""))),
        limit=_read_number(given, "limit", _LIMIT_DEFAULT, 1, _LIMIT_MAX),
        offset=_read_number(given, "offset", 0, 0, None),
        sort_by=given.get("sortBy"),
        descending=order == "desc",
        deleted=deleted == "true",
        search=given.get("search", ""),
    )


def write_workload(workload: Workload, now: float, cluster_id: str) -> dict[str, Any]:
    """Word a workload as an item of `GET /api/v1/workloads`, which carries no manifest."""
    phase = workload.phase(now)
    gone_at = workload.delete_settles_at if phase is Phase.DELETED else None
    return {
        "id": workload.id,
        "name": workload.name,
        "type": workload.kind,
        "projectId": workload.project_id,
        "projectName": workload.project_name,
        "departmentId": DEPARTMENT_ID,
        "departmentName": DEPARTMENT_NAME,
        "clusterId": cluster_id,
        "namespace": f"runai-{workload.project_name}",
        "phase": _V1_PHASES[phase],
        "category": workload.category,
        "priority": None if workload.priority is None else PRIORITIES[workload.priority],
        "priorityClassName": workload.priority,
        "preemptible": is_preemptible(workload.category),
        "source": "Control-plane",
        "sourceApi": "WorkloadsV2",
        "actionsSupport": {"delete": True, "suspend": False},
        "submittedBy": workload.created_by,
        "createdAt": timestamp(workload.created_at),
        "deletedAt": None if gone_at is None else timestamp(gone_at),
    }


def _read_conditions(text: str) -> Iterable[Condition]:
    for item in filter(None, text.split(",")):
        match = _CONDITION.fullmatch(item)
        if match is None:
            raise Refusal(400, f"filterBy item '{item}' is not <field><operator><value>")
        field, operator, value = match.groups()
        yield Condition(field=field, operator=operator, value=value)


def _read_number(given: dict[str, str], key: str, default: int, low: int, high: int | None) -> int:
    text = given.get(key)
    if text is None:
        return default
    fits = text.isascii() and text.isdigit() and len(text) < 10
    if not fits or int(text) < low or (high is not None and int(text) > high):
        span = f"at least {low}" if high is None else f"between {low} and {high}"
        raise Refusal(400, f"{key} must be {span}")
    return int(text)


def _known(field: str, fields: Mapping[str, Field[T]]) -> Field[T]:
    if field not in fields:
        raise Refusal(400, f"'{field}' is not a field of this list")
    return fields[field]
