"""A JSON object that stays text until somebody looks into it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final


class StoredJson(Mapping[str, Any]):
    """An object as a state holds it: keys sorted, no spaces, ASCII.

    A decoded document takes five times the memory of its text, and a run looks into few of the
    thousands that it reads. It is a value, and equal to any mapping with the same content. `tail`
    is what follows `head`, which several documents may share.
    """

    __slots__ = ("head", "tail")

    def __init__(self, head: str, tail: str = "") -> None:
        self.head = head
        self.tail = tail

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> StoredJson:
        """A document as text, so that the values that it is made of can be forgotten."""
        return cls(encode(document))

    @classmethod
    def joined(cls, parts: Mapping[str, StoredJson]) -> StoredJson:
        """A document of documents, by their names; none of them is decoded."""
        return cls("{" + ",".join(f'"{name}":{parts[name].text}' for name in sorted(parts)) + "}")

    def with_member(self, name: str, change: Callable[[Any], Any]) -> StoredJson:
        """The same document with one member changed, from None where it has none.

        Neither the members before it nor those behind are written again, nor the latter read.
        """
        text, start = self.text, 1
        while text.startswith('"', start):
            key, colon = _DECODER.raw_decode(text, start)
            value, end = _DECODER.raw_decode(text, colon + 1)
            if key == name:
                return StoredJson(text[: colon + 1] + encode(change(value)) + text[end:])
            # Behind the comma; behind the last member there is none.
            start = end + 1
        return StoredJson.of({**self.value, name: change(None)})

    @property
    def text(self) -> str:
        """The document as it is stored."""
        return self.head + self.tail

    @property
    def value(self) -> dict[str, Any]:
        """The decoded document; not to be changed, since others may hold it.

        Raises ValueError and TypeError for a text that is no JSON object.
        """
        return _decode(self.text)

    def __getitem__(self, key: str) -> Any:
        return self.value[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, StoredJson) and self.text == other.text:
            return True
        # Two texts may spell one value: 1 and 1.0 are equal.
        return self.value == (other.value if isinstance(other, StoredJson) else other)

    # As a dict, which it stands for.
    __hash__ = None  # type: ignore[assignment] # the language's own way to have none

    def __repr__(self) -> str:
        return repr(self.value)


# What a JSON object can be here. To ask for these is five times as fast as to ask for a Mapping,
# and a comparison asks of each value.
MAPS: Final = (dict, StoredJson)


def decoded(document: Any) -> Any:
    """A document to be looked into: each look into a text would find its value anew."""
    return document.value if isinstance(document, StoredJson) else document


def plain(value: object) -> Any:
    """What an encoder of JSON writes for a document; raises TypeError for anything else."""
    if isinstance(value, StoredJson):
        return value.value
    raise TypeError(f"an object of type {type(value).__name__} is no JSON")


_DECODER = json.JSONDecoder()
# In ASCII: the text of a database holds no lone surrogates, and a server's answer may.
encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), check_circular=False, default=plain
).encode


# One document is looked into several times in a row, and then never again.
@lru_cache(maxsize=16)
def _decode(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError("a document is not a mapping")
    return value
