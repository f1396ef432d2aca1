"""The pages of the v1 list: their requests, their responses, and the order of their ids."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from reconciler.api.urls import LIST_PATH
from reconciler.api.wire.classification import classify_response, result_fields, unreadable_response
from reconciler.api.wire.exchange import Call, RawResponse
from reconciler.api.wire.payloads import ListItem, ListPage, WireError, read_page
from reconciler.core.protocol.api_results import ApiResult, Listed

PAGE_SIZE = "500"
# Pages without an order may show one row twice and another one never.
BY_NAME = {"sortBy": "name", "sortOrder": "asc"}
# What stands for itself in a filter, which has no way to quote.
_FILTERABLE = re.compile(r"[A-Za-z0-9._-]+")
NO_LIST = (404, 405, 501)


def is_filterable(text: str) -> bool:
    """Whether a text can be written as the value of a list filter."""
    return _FILTERABLE.fullmatch(text) is not None


def list_call(filter_by: str, offset: int, order: Mapping[str, str]) -> Call:
    """The request for the page that begins at an offset."""
    params = {"filterBy": filter_by, "limit": PAGE_SIZE, **order}
    if offset:
        params["offset"] = str(offset)
    return Call(method="GET", path=LIST_PATH, params=params)


def read_list_page(response: RawResponse) -> ListPage | ApiResult:
    """The page, or the result of a response that is none."""
    if response.status in NO_LIST:
        return Listed(ids=(), trusted=False, **result_fields(response))
    refusal = classify_response(response)
    if refusal is not None:
        return refusal
    try:
        return read_page(response.data)
    except WireError as error:
        return unreadable_response(response, str(error))


def ids_in_order(items: Sequence[ListItem]) -> tuple[str, ...]:
    """The ids of a list, each once."""
    # A native workload may have the same name: those that can be ours come first.
    ordered = sorted(items, key=lambda item: item.source_api not in (None, "WorkloadsV2"))
    return tuple(dict.fromkeys(item.id for item in ordered))
