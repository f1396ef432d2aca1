"""Documents that stay text are the values that they were."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.digest import canonical, digest
from reconciler.core.redact import Redactor
from reconciler.core.stored_json import StoredJson, plain

texts = st.text() | st.sampled_from(["\\u0041", "é", "\ud800", "\x7f", '"', "password=hunter22"])
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(texts, values, max_size=4)


def stored(document: Any, cut: int = 0) -> StoredJson:
    """As a state holds it, its text in two parts."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return StoredJson(text[:cut], text[cut:])


@given(documents, st.integers(0, 40))
def test_a_stored_document_is_the_document(document: dict[str, Any], cut: int) -> None:
    """Wherever its text is cut, it has the keys, the equality and the digest of what it was."""
    back = stored(document, cut)
    assert dict(back) == document
    assert StoredJson.of(document).text == back.text
    assert (back == document, document == back) == (True, True)
    assert canonical(back) == canonical(document)
    assert digest({"a": [back]}) == digest({"a": [document]})
    assert json.dumps({"a": back}, default=plain, sort_keys=True) == json.dumps(
        {"a": document}, sort_keys=True
    )
    assert Redactor("key").redact(back) == Redactor("key").redact(document)


@given(documents, texts, values)
def test_a_member_is_changed_in_the_text(document: dict[str, Any], name: str, value: Any) -> None:
    """The text is that of the changed document, whether or not it had the member before."""
    seen = []

    def change(before: Any) -> Any:
        seen.append(before)
        return value

    for member in (name, *document):
        changed = stored(document).with_member(member, change)
        assert changed.text == stored({**document, member: value}).text
        assert seen.pop() == document.get(member)


@given(documents, documents)
def test_two_stored_documents_are_equal_as_their_values_are(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    """Also where one value has two spellings, as 1 and 1.0."""
    assert (stored(one) == stored(other)) is (one == other)
    assert stored({"a": 1}) == stored({"a": 1.0})


@pytest.mark.parametrize("text", ["[1]", "1", "null", "{", ""])
def test_a_text_that_is_no_object_is_no_document(text: str) -> None:
    """Whoever looks into it is told so."""
    with pytest.raises((TypeError, ValueError)):
        dict(StoredJson(text))


def test_an_encoder_is_given_documents_only() -> None:
    """Anything else that JSON does not know stays an error."""
    with pytest.raises(TypeError, match="type set is no JSON"):
        json.dumps({1}, default=plain)


@given(documents, documents)
def test_documents_are_joined_as_texts(one: dict[str, Any], other: dict[str, Any]) -> None:
    """The whole is stored as if it had been written at once."""
    joined = StoredJson.joined({"b": stored(one), "a": stored(other, 3)})
    assert joined.text == StoredJson.of({"a": other, "b": one}).text
