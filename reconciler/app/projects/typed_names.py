"""What people type where an address or a project is asked for, in ids."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.core.globs import matches_any
from reconciler.core.model import Address, Target
from reconciler.core.projects.addresses import (
    AmbiguousNameError,
    spell_address,
    spell_pattern,
    spell_project,
)
from reconciler.core.projects.names import ProjectName, may_be_on_server
from reconciler.errors import UsageError
from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.app.planning.planning import PlanRequest
    from reconciler.app.projects.server_projects import ServerProjects


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedNames:
    """The names that may be typed: `ids` of projects by name, and the `known` workloads."""

    ids: Mapping[str, str]
    known: frozenset[Address] = frozenset()

    @classmethod
    def of(cls, target: Target, aliases: Mapping[str, str], known: Iterable[Address]) -> TypedNames:
        """Those that a state and a configuration know of."""
        return cls(ids={**target.pins, **aliases}, known=frozenset(known))

    def project(self, text: str) -> str:
        """The id of a project."""
        return spell_project(text, self.ids, self.known)

    def address(self, text: str) -> str:
        """An address; raises UsageError for the name of several workloads."""
        try:
            return spell_address(text, self.ids, self.known)
        except AmbiguousNameError as error:
            raise UsageError(str(error), hint="give one of these addresses") from None

    def patterns(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Globs on addresses; raises UsageError for the name of several workloads."""
        try:
            spelt = (p for text in texts for p in spell_pattern(text, self.ids, self.known))
            return tuple(dict.fromkeys(spelt))
        except AmbiguousNameError as error:
            raise UsageError(str(error), hint="give one of these addresses") from None

    def unknown(self, addresses: Iterable[str], projects: Iterable[str] = ()) -> set[ProjectName]:
        """The projects that were typed and that only a server may know by this name."""
        heads = {text.partition("/")[0] for text in addresses if "/" in text}
        known_ids = {address.project for address in self.known}
        typed = map(ProjectName.of, (heads | set(projects)).difference(self.ids, known_ids))
        # Ids are numbers: to ask for the project of each would be a list for nothing.
        return {name for name in typed if may_be_on_server(name.name) and not name.name.isdigit()}


async def ask_for_names(
    names: TypedNames, unknown: Collection[ProjectName], projects: ServerProjects
) -> TypedNames:
    """The same, with what a server knows of projects that were typed; it may know none of them.

    Raises UnreachableError when the run ends meanwhile.
    """
    if not unknown:
        return names
    resolution = await projects.resolve(unknown, pins={}, aliases=names.ids)
    return TypedNames(ids={**names.ids, **resolution.ids}, known=names.known)


async def spell_request(
    request: PlanRequest, names: TypedNames, projects: ServerProjects
) -> PlanRequest:
    """A request in ids alone; raises UsageError for the name of several workloads."""
    selection, options = request.selection, request.options
    named_projects = () if selection.project is None else (selection.project,)
    typed = (*selection.targets, *selection.excludes, *options.replace)
    if options.refreshed:
        names = await ask_for_names(names, names.unknown(typed, named_projects), projects)
    return replace(
        request,
        selection=replace(
            selection,
            targets=names.patterns(selection.targets),
            excludes=names.patterns(selection.excludes),
            project=None if selection.project is None else names.project(selection.project),
        ),
        options=replace(options, replace=tuple(map(names.address, options.replace))),
    )


def check_typed(
    request: PlanRequest, *, selected: Collection[Address], addresses: Collection[Address]
) -> None:
    """Raise UsageError for a pattern or address that means nothing: it is more likely misspelt."""
    selection = request.selection
    if selection.targets and not selected:
        patterns = " ".join(selection.targets)
        raise UsageError(
            f"no workload matches -t {patterns}", hint="patterns are globs on <projectId>/<name>"
        )
    for pattern in selection.excludes:
        if not any(matches_any(str(address), [pattern]) for address in addresses):
            raise UsageError(
                f"no workload matches -x {pattern}: nothing would be left out by it",
                hint="patterns are globs on <projectId>/<name>",
            )
    projects = sorted({address.project for address in addresses})
    if selection.project is not None and selection.project not in projects:
        raise UsageError(
            f"--project {selection.project}: no workload here is in that project",
            hint=f"give a project id; there are {', '.join(projects) or 'none'}",
        )
    for pattern in request.options.replace:
        if not any(matches_any(str(address), [pattern]) for address in selected):
            raise UsageError(
                f"--replace {pattern}: there is no such workload here",
                hint="give an address as the plan shows it, <projectId>/<name>, or a glob on it",
            )
