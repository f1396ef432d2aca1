"""Reads records that were made under other rules of what is a secret as if made under today's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.core.digest import digest
from reconciler.core.model import ChangeRecord, Json, Recorded
from reconciler.core.redact import Redactor
from reconciler.core.secrets.marks import MARK


def renew(recorded: Any, redactor: Redactor, *, plain: Any = None) -> Any:
    """A recorded document as today's rules write it.

    A mark names a text: where `plain` holds a text whose mark under this key is that one, it is
    the text that was recorded. So rules may become stricter, and laxer.
    """
    renewed, text = redactor.redact_and_write(recorded)
    # Without a mark there is nothing to read, and most documents have none.
    if plain is None or not MARK.search(text):
        return renewed
    return redactor.redact(_read(recorded, plain, _Texts(plain, redactor)))


def renew_row(row: Recorded, redactor: Redactor, *, plain: Any = None) -> Recorded:
    """A record as today's rules write it; the row itself where that is what it is."""
    spec = renew(row.spec, redactor, plain=plain)
    echo = None if row.echo is None else renew(row.echo, redactor.strict, plain=plain)
    texts = {
        "message": redactor.strict.redact(row.message),
        "refusal": redactor.strict.redact(row.refusal),
    }
    change = _renew_change(row.change, redactor, plain)
    is_same = spec is row.spec and echo is row.echo and change is row.change
    if is_same and texts == {"message": row.message, "refusal": row.refusal}:
        return row
    renewed = replace(row, spec=spec, echo=echo, change=change, **texts)
    # Callers tell by identity whether there is anything to record.
    if renewed == row:
        return row
    return replace(renewed, digest=digest(spec)) if row.is_declared else renewed


def _renew_change(change: ChangeRecord, redactor: Redactor, plain: Any) -> ChangeRecord:
    """What was sent and not proven, under today's rules; its digests name it under the old ones.

    A digest that names nothing any more makes the same content a new rev, which costs a request.
    """
    if change.open is None and not change.superseded:
        return change

    def document(recorded: Json, rules: Redactor) -> Json:
        renewed: Json = renew(recorded, rules, plain=plain)
        return renewed

    # A body is compared with what the server says, and that is hidden by the stricter rules.
    under_way = change.open
    if under_way is not None:
        spec = document(under_way.spec, redactor)
        body = document(under_way.body, redactor.strict)
        if spec != under_way.spec or body != under_way.body:
            under_way = replace(under_way, spec=spec, body=body, digest=digest(spec))
    superseded = tuple(
        replace(sent, spec=document(sent.spec, redactor), body=document(sent.body, redactor.strict))
        for sent in change.superseded
    )
    return replace(change, open=under_way, superseded=superseded)


def _read(recorded: Any, plain: Any, texts: _Texts) -> Any:
    """The recorded document with the texts in it that are known; what stands beside tells first."""
    if isinstance(recorded, str):
        return texts.read(recorded, plain) if MARK.search(recorded) else recorded
    if isinstance(recorded, Mapping):
        beside = plain if isinstance(plain, Mapping) else {}
        return {key: _read(item, beside.get(key), texts) for key, item in recorded.items()}
    if isinstance(recorded, list):
        items = plain if isinstance(plain, list) else []
        # The lists need not be of one length: what has nothing beside it is looked for everywhere.
        padded = [*items, *[None] * len(recorded)]
        return [_read(item, padded[index], texts) for index, item in enumerate(recorded)]
    return recorded


class _Texts:
    """The texts of a document, by which marks are read."""

    # More ends than this are not tried: who has such a text sees a change where there is none.
    ENDS = 1000

    def __init__(self, document: Any, redactor: Redactor) -> None:
        self._redactor = redactor
        self._leaves = [leaf for leaf in _leaves(document) if _is_text(leaf)]
        # Each text is marked once, not once for each mark that is read.
        self._by_mark = {redactor.mark(str(leaf)): leaf for leaf in self._leaves}

    def read(self, recorded: str, beside: Any) -> Any:
        """The value that a text with marks stands for, or the text where nobody knows it."""
        # The text in the same place is nearly always the one, and a part of a text is dear to find.
        if _is_text(beside) and self._is_of(recorded, str(beside)):
            return beside
        if MARK.fullmatch(recorded):
            return self._by_mark.get(recorded, recorded)
        return next((leaf for leaf in self._leaves if self._is_of(recorded, str(leaf))), recorded)

    def _is_of(self, recorded: str, text: str) -> bool:
        """Whether a text with marks is what another became under some rules.

        Between two marks a text stands as it was. What a mark is of ends where that goes on, at
        the one place that the mark agrees to.
        """
        marks, literals = MARK.findall(recorded), MARK.split(recorded)
        if not (text.startswith(literals[0]) and text.endswith(literals[-1])):
            return False
        at = len(literals[0])
        for mark, literal in zip(marks[:-1], literals[1:-1], strict=True):
            end = self._end_of(text, at, mark, literal)
            if end < 0:
                return False
            at = end + len(literal)
        last = text[at : len(text) - len(literals[-1])]
        return bool(self._redactor.mark(last) == marks[-1])

    def _end_of(self, text: str, at: int, mark: str, literal: str) -> int:
        # A mark does not say how long its text is, so each place is tried at which it may end.
        end = at
        for _ in range(self.ENDS):
            end = text.find(literal, end + 1)
            if end < 0 or self._redactor.mark(text[at:end]) == mark:
                return end
        return -1


def _is_text(value: Any) -> bool:
    """Whether it could have been hidden: numbers were, as texts; booleans never."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    else:
        yield value
