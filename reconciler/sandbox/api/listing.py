"""The lists of the v1 API: filters, sorting and pages over workloads, types and projects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs

from reconciler.sandbox.http import Refusal

T = TypeVar("T")
# None is a field that a row does not have; it satisfies "is not" only.
Field = Callable[[T], str | float | None]

_CONDITION = re.compile(r"(\w+)(==|!=|<=|>=|=@|!@|=\^|=\$)(.*)", re.DOTALL)
# Time stamps of one format and zone sort as their text does; numbers are compared as numbers.
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda actual, value: actual == value,
    "!=": lambda actual, value: actual != value,
    "<=": lambda actual, value: actual <= value,
    ">=": lambda actual, value: actual >= value,
    "=@": lambda actual, value: str(value) in str(actual),
    "!@": lambda actual, value: str(value) not in str(actual),
    "=^": lambda actual, value: str(actual).startswith(str(value)),
    "=$": lambda actual, value: str(actual).endswith(str(value)),
}
_LIMIT_DEFAULT = 50
_LIMIT_MAX = 500
_INT32_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One item of `filterBy`: field, operator, value."""

    field: str
    operator: str
    value: str

    def holds(self, actual: str | float | None) -> bool:
        """Whether a field's value satisfies the condition; raises Refusal (400) for no number."""
        if actual is None:
            return self.operator in ("!=", "!@")
        if isinstance(actual, str):
            return _OPERATORS[self.operator](actual, self.value)
        try:
            number = float(self.value)
        except ValueError:
            raise Refusal(400, f"'{self.value}' is not a number, as {self.field} is") from None
        return _OPERATORS[self.operator](actual, number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The query parameters of a list, checked; raises Refusal (400) while being read."""

    conditions: tuple[Condition, ...] = ()
    limit: int = _LIMIT_DEFAULT
    offset: int = 0
    sort_by: str | None = None
    descending: bool = False
    has_order: bool = False
    deleted: bool = False
    search: str = ""

    def pinned(self, field: str) -> str | None:
        """The value that the query pins a field to, if it does."""
        for condition in self.conditions:
            if condition.field == field and condition.operator == "==":
                return condition.value
        return None

    def select(self, rows: Iterable[T], fields: Mapping[str, Field[T]]) -> list[T]:
        """The rows that satisfy every condition, sorted if asked."""
        checks = [(_find_field(c.field, fields), c) for c in self.conditions]
        selected = [row for row in rows if all(c.holds(read(row)) for read, c in checks)]
        if self.search:
            selected = [row for row in selected if self.search in str(fields["name"](row))]
        if self.sort_by is not None:
            read = _find_field(self.sort_by, fields)

            def key(row: T) -> tuple[bool, Any]:
                # What a row does not have comes first; all others are of one type.
                value = read(row)
                return value is not None, 0 if value is None else value

            selected.sort(key=key, reverse=self.descending)
        return selected

    def page(self, key: str, rows: Sequence[T], write: Callable[[T], Any]) -> dict[str, Any]:
        """One page of the rows, and where the next one starts unless this is the last."""
        end = self.offset + self.limit
        page: dict[str, Any] = {key: [write(row) for row in rows[self.offset : end]]}
        if end < len(rows):
            # An offset, not a cursor: what is created between two pages shifts the second.
            page["next"] = end
        return page


def read_query(text: str) -> Query:
    """Read the query string of a list; raises Refusal (400)."""
    # Parameters that no list knows are ignored, as the real server ignores them.
    parameters = {key: values[-1] for key, values in parse_qs(text, keep_blank_values=True).items()}
    order = parameters.get("sortOrder", "asc")
    if order not in ("asc", "desc"):
        raise Refusal(400, "sortOrder must be asc or desc")
    deleted = parameters.get("deleted", "false")
    if deleted not in ("true", "false"):
        raise Refusal(400, "deleted must be true or false")
    conditions = []
    # One comma-joined parameter (the document's explode: false), its items joined by "and".
    for item in parameters["filterBy"].split(",") if "filterBy" in parameters else ():
        match = _CONDITION.fullmatch(item)
        if match is None:
            raise Refusal(400, f"filterBy item '{item}' is not <field><operator><value>")
        field, operator, value = match.groups()
        conditions.append(Condition(field=field, operator=operator, value=value))
    return Query(
        conditions=tuple(conditions),
        limit=_read_number(parameters, "limit", _LIMIT_DEFAULT, 1, _LIMIT_MAX),
        offset=_read_number(parameters, "offset", 0, 0, None),
        sort_by=parameters.get("sortBy"),
        descending=order == "desc",
        has_order="sortOrder" in parameters,
        deleted=deleted == "true",
        search=parameters.get("search", ""),
    )


def _read_number(
    parameters: dict[str, str], key: str, default: int, low: int, high: int | None
) -> int:
    text = parameters.get(key)
    if text is None:
        return default
    # A length first: int() takes quadratic time for a number of a million digits.
    fits = text.isascii() and text.isdigit() and len(text) <= 10
    if not fits or int(text) < low or int(text) > (_INT32_MAX if high is None else high):
        span = f"at least {low}" if high is None else f"between {low} and {high}"
        raise Refusal(400, f"{key} must be {span}")
    return int(text)


def _find_field(field: str, fields: Mapping[str, Field[T]]) -> Field[T]:
    if field not in fields:
        raise Refusal(400, f"'{field}' is not a field of this list")
    return fields[field]
