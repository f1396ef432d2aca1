"""Recognises a workload that is deleted under one address and created again under another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.digest import canonical, digest_text
from reconciler.core.model import ENDS, Address, Json
from reconciler.core.planning.actions import AnyAction, Create, Delete
from reconciler.core.redact import Redactor
from reconciler.values import dataclass

Ends = TypeVar("Ends", Delete, Create)
Key = tuple[str, str]

RENAMED = "renamed-workload"
_SETTINGS = ("name", "projectId")
_ITS_NAME = '"\\u0000name"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """One workload before and after: the server knows only that one ends and another begins."""

    old: Delete
    new: Create


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    """What is left of a spec without its address: as it is, and with its name taken out everywhere.

    Labels and containers are often called like the workload, and then often renamed with it.
    """

    exact: str
    nameless: str


# From the most alike to the least: another name, also within, or the same name in another project.
_LIKENESSES: tuple[Callable[[Address, _Content], Key], ...] = (
    lambda address, content: (content.exact, address.project),
    lambda address, content: (content.nameless, address.project),
    lambda address, content: (content.exact, address.name),
)


def find_renames(actions: Iterable[AnyAction], redactor: Redactor) -> tuple[Rename, ...]:
    """Pair each delete with the create that is most like it; what is recreated is no rename.

    Either the name or the project is another one: where both are, equal content says little.
    Secrets are compared by the digests that the record has of them.
    """
    # What its lifecycle ends is still declared: its name is not given to another.
    ended = [a for a in actions if isinstance(a, Delete) and a.purpose not in ENDS]
    begun = [a for a in actions if isinstance(a, Create) and a.lost is None]
    # Most plans have no such pair, and to digest every spec takes longer than the plan.
    if not (ended and begun):
        return ()
    contents = {a.address: _content(a.address, a.recorded.spec) for a in ended}
    contents |= {a.address: _content(a.address, redactor.redact(a.desired.spec)) for a in begun}
    renames: list[Rename] = []
    for likeness in _LIKENESSES:
        # Each round takes only what is left, so that the closest likeness decides.
        keys = {address: likeness(address, content) for address, content in contents.items()}
        pairs = _pair(ended, begun, keys)
        renames += pairs
        ended = _without(ended, (pair.old for pair in pairs))
        begun = _without(begun, (pair.new for pair in pairs))
    return tuple(sorted(renames, key=lambda rename: rename.new.address))


def warn_of(renames: Iterable[Rename]) -> list[Diagnostic]:
    """What a reviewer has to know of each, at the line that declares the new address."""
    return [
        Diagnostic(
            severity=Severity.WARNING,
            code=RENAMED,
            message=f"this looks like a rename of {rename.old.address} to {rename.new.address}, "
            f"but the API cannot rename: {rename.old.address} is stopped and deleted, "
            f"and {rename.new.address} starts from the beginning",
            where=rename.new.desired.source,
            hint=f"to leave it alone, keep its name and project{_declared(rename.old)}",
            address=str(rename.new.address),
        )
        for rename in renames
    ]


def _declared(old: Delete) -> str:
    source = old.recorded.source
    return f" ({old.address}, last declared in {source})" if source else f" ({old.address})"


def _content(address: Address, spec: Json) -> _Content:
    metadata = {key: value for key, value in spec["metadata"].items() if key not in _SETTINGS}
    manifest = spec["manifest"]
    own = manifest.get("metadata")
    if isinstance(own, Mapping) and own.get("name") == address.name:
        # The object's own name is its address again, so it is no difference in content.
        manifest = {**manifest, "metadata": {**own, "name": None}}
    text = canonical({"metadata": metadata, "manifest": manifest})
    # Between its quotes a name is a whole key or value, and never a part of one.
    nameless = text.replace(canonical(address.name), _ITS_NAME)
    return _Content(exact=digest_text(text), nameless=digest_text(nameless))


def _pair(
    ended: Sequence[Delete], begun: Sequence[Create], keys: dict[Address, Key]
) -> list[Rename]:
    """Equal ones in their own order: which of several it is makes no difference."""
    waiting: dict[Key, deque[Delete]] = {}
    for delete in ended:
        waiting.setdefault(keys[delete.address], deque()).append(delete)
    return [
        Rename(old=equal.popleft(), new=create)
        for create in begun
        if (equal := waiting.get(keys[create.address]))
    ]


def _without(actions: Sequence[Ends], paired: Iterable[Ends]) -> list[Ends]:
    done = {action.address for action in paired}
    return [action for action in actions if action.address not in done]
