"""Addresses as people write them: with the name of a project, or of a workload alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from reconciler.core.globs import is_glob, matches_any

if TYPE_CHECKING:
    from reconciler.core.model import Address

_MOST_SHOWN = 5


class AmbiguousNameError(ValueError):
    """Several workloads have the name; `candidates` are their addresses, in order."""

    def __init__(self, name: str, candidates: Collection[Address]) -> None:
        shown = ", ".join(map(str, sorted(candidates)[:_MOST_SHOWN]))
        more = f" and {rest} more" if (rest := len(candidates) - _MOST_SHOWN) > 0 else ""
        super().__init__(f"{len(candidates)} workloads are called '{name}': {shown}{more}")
        self.candidates = tuple(sorted(candidates))


def spell_project(text: str, ids: Mapping[str, str], known: Collection[Address]) -> str:
    """The id of a project that was written by its id or its name; `ids` are those of names.

    What is the id of a `known` workload's project is never taken for a name.
    """
    if any(address.project == text for address in known):
        return text
    return ids.get(text, text)


def spell_pattern(text: str, ids: Mapping[str, str], known: Collection[Address]) -> tuple[str, ...]:
    """An address or a glob as patterns on `<projectId>/<name>`.

    Its project may be written by name, also as a glob. The name of a workload alone is its address
    if `known` has one of that name; raises AmbiguousNameError where it has several.
    """
    head, slash, tail = text.partition("/")
    if not slash:
        if is_glob(text):
            return (text,)
        namesakes = {address for address in known if address.name == text}
        if len(namesakes) > 1:
            raise AmbiguousNameError(text, namesakes)
        return tuple(map(str, namesakes)) or (text,)
    if not is_glob(head):
        return (f"{spell_project(head, ids, known)}/{tail}",)
    named = sorted({id_ for name, id_ in ids.items() if fnmatchcase(name, head)})
    patterns = (text, *(f"{id_}/{tail}" for id_ in named))
    # One that means nothing would be told as a mistake, and nobody has typed it.
    return tuple(p for p in patterns if any(matches_any(str(a), [p]) for a in known)) or (text,)


def spell_address(text: str, ids: Mapping[str, str], known: Collection[Address]) -> str:
    """One address by whatever name; raises AmbiguousNameError for a name that several have."""
    return text if is_glob(text) else spell_pattern(text, ids, known)[0]


def names_of_projects(ids: Mapping[str, str]) -> dict[str, str]:
    """What each project is called, by its id: the shortest of its names; `ids` are by name."""
    longest_first = sorted(ids, key=lambda name: (len(name), name), reverse=True)
    return {ids[name]: name for name in longest_first}
