"""Chooses what a status looks at: records by typed names, and what is declared beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from reconciler.app.projects.server_projects import ServerProjects
from reconciler.app.projects.typed_names import TypedNames, ask_for_names
from reconciler.app.session import Session
from reconciler.app.settings import Settings
from reconciler.app.state.states import find_records
from reconciler.app.status.declared import NOTHING_DECLARED, DeclaredSpecs
from reconciler.core.globs import is_glob, matches_any
from reconciler.core.gpus import GpuRequest, count_gpus
from reconciler.core.model import Desired, Json, Own, Recorded
from reconciler.core.projects.addresses import names_of_projects
from reconciler.core.projects.names import is_placeholder
from reconciler.errors import UsageError
from reconciler.kinds.registry import runs_to_completion
from reconciler.ports import StateStore
from reconciler.values import dataclass

NO_CONTENT: Json = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    """Which workloads to look at (addresses and globs; without any, all), and how closely.

    Those of `declared` that the state does not know are looked at as well. With `quick` only those
    are read by their id that the list does not show as well as they were recorded: a refusal that
    no apply has seen, without another submission, is not in the list.
    """

    patterns: Sequence[str] = ()
    declared: DeclaredSpecs = NOTHING_DECLARED
    quick: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenRecords:
    """The records to look at, who else is at work on their state, and what projects are called.

    `requested` are the GPUs of those records, by operation, of which the documents were let go.
    `project_names` are by id, `pins` the ids of names in the state, `aliases` those of settings.
    """

    rows: Sequence[Recorded]
    requested: Mapping[str, GpuRequest]
    at_work: str
    quick: bool
    project_names: Mapping[str, str]
    pins: Mapping[str, str]
    aliases: Collection[str]


class Choice:
    """Chooses what to look at; a server is asked once for names that nobody else knows."""

    def __init__(self, request: StatusRequest, settings: Settings) -> None:
        self._request = request
        self._settings = settings
        self._ids: Mapping[str, str] = {}
        self._requested: dict[str, GpuRequest] = {}
        self._has_asked = False

    def make(self, store: StateStore) -> ChosenRecords | None:
        """The records that match, and stand-ins; None where only the server may know which."""
        rows = self._read(store)
        names = self._names(store, rows)
        is_unknown = self._request.declared.unresolved or names.unknown(self._request.patterns)
        if is_unknown and not self._has_asked:
            return None
        return self._choose(store, rows, names)

    async def make_on_server(self, store: StateStore, session: Session) -> ChosenRecords:
        """The same, with what the server knows of names, which may be nothing."""
        projects = ServerProjects(session, discovery=self._settings.discovery)
        names = TypedNames(ids=self._settings.projects)
        unknown = {*self._request.declared.unresolved, *names.unknown(self._request.patterns)}
        self._ids = (await ask_for_names(names, unknown, projects)).ids
        self._has_asked = True
        rows = self._read(store)
        return self._choose(store, rows, self._names(store, rows))

    def _read(self, store: StateStore) -> list[Recorded]:
        """The records, without their documents where all are shown."""
        self._requested = {}
        if self._request.patterns:
            # To count GPUs takes longer than to read, and few will be shown.
            return [*store.read()]
        # One after the other, so that the documents of thousands are never in memory together.
        rows = store.read_by_address(checked=True)
        return [_let_go(row, self._requested) for row in rows]

    def _names(self, store: StateStore, rows: Sequence[Recorded]) -> TypedNames:
        """The names that may be typed; what is declared is resolved by them."""
        target, request = store.header.target, self._request
        ids = {**self._ids, **target.pins, **self._settings.projects}
        declared = request.declared.resolved(ids)
        self._request = dataclasses.replace(request, declared=declared)
        specs = declared.desired if declared.stack == target.stack else ()
        known = (*(row.address for row in rows), *(spec.address for spec in specs))
        return TypedNames(ids=ids, known=frozenset(known))

    def _choose(self, store: StateStore, rows: list[Recorded], names: TypedNames) -> ChosenRecords:
        declared = self._request.declared
        recorded = {row.address for row in rows}
        chosen = rows
        # Another stack's specs say nothing about this state.
        if declared.stack == store.header.target.stack:
            new = (spec for spec in declared.desired if spec.address not in recorded)
            chosen += map(_never_begun, new)
        chosen.sort(key=lambda row: row.address)
        # Asked after the reading: a run that began in between may have written some of them.
        at_work = store.writer()
        if self._request.patterns:
            chosen = _select(chosen, names.patterns(self._request.patterns))
        return ChosenRecords(
            rows=chosen,
            requested=self._requested,
            at_work=at_work,
            quick=self._request.quick,
            project_names=names_of_projects(names.ids),
            pins=store.header.target.pins,
            aliases=self._settings.projects,
        )


def _select(rows: Sequence[Recorded], patterns: Sequence[str]) -> list[Recorded]:
    chosen: dict[int, Recorded] = {}
    for pattern in patterns:
        if not is_glob(pattern):
            matching: Sequence[Recorded] = find_records(rows, pattern)
        else:
            matching = [row for row in rows if matches_any(str(row.address), [pattern])]
        if not matching:
            raise UsageError(
                f"no recorded workload matches {pattern}",
                hint="'reconciler state list' shows what is recorded",
            )
        chosen |= {id(row): row for row in matching}
    return sorted(chosen.values(), key=lambda row: row.address)


def _let_go(row: Recorded, requested: dict[str, GpuRequest]) -> Recorded:
    """A record without its documents, once its GPUs are counted: they are most of a large state.

    Those of a job stay, since only they tell that it runs to its end; so do those of what is under
    way or in doubt, which is shown with what it replaces.
    """
    manifest: Any = row.spec.get("manifest")
    is_settled = row.own is Own.ACCEPTED and isinstance(manifest, Mapping)
    if not is_settled or runs_to_completion(manifest):
        return row
    requested[row.op] = count_gpus(manifest)
    return dataclasses.replace(row, spec=NO_CONTENT, echo=None)


def _never_begun(spec: Desired) -> Recorded:
    """What stands for a declared workload of which the state has no operation."""
    project = spec.address.project
    return Recorded(
        op="",
        address=spec.address,
        own=Own.GONE,
        digest="",
        spec={"manifest": spec.manifest},
        lifecycle=spec.lifecycle,
        source=spec.source.file,
        message=f"declared in {spec.source.file}:{spec.source.line}; no apply has created it"
        + ("; its project could not be found by its name" if is_placeholder(project) else ""),
    )
