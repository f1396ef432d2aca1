"""`reconciler import`: a spec for each live workload that the state does not record.

Files come first and records last, so that a run that is killed leaves specs of workloads that are
not recorded. The next run finds those specs, and records their workloads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reconciler.app.importing.drafting import Draft, DraftRules, draft_files
from reconciler.app.planning.workspace import Workspace
from reconciler.app.session import Connector, Session
from reconciler.app.state.adopting import (
    AdoptOptions,
    AdoptRun,
    matches,
    open_adopt_run,
    without_doubles,
)
from reconciler.app.state.examining import AdoptionRules, AdoptionTerms, Examined
from reconciler.app.status.phases import read_phases
from reconciler.app.status.unmanaged import ProjectSearch, find_unmanaged
from reconciler.app.wholefiles import write_new
from reconciler.core.diagnostics import Severity
from reconciler.core.model import Address, Remote
from reconciler.core.planning.actions import Keep
from reconciler.core.planning.adoption import Adoption, NotAdopted, NotAdoptedReason, Proposal
from reconciler.core.protocol.api_results import Method, TypeList
from reconciler.core.protocol.live import WorkloadType
from reconciler.core.running.unmanaged import UnmanagedWorkload
from reconciler.engine.refresh import unless_ended
from reconciler.errors import InvalidInputError, UnreachableError, UsageError
from reconciler.ports import EventListener
from reconciler.specs.config import name_below
from reconciler.specs.source.fileaccess import ReadBoundary, ReadFailure
from reconciler.values import dataclass

Found = tuple[UnmanagedWorkload, Remote | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """Which workloads to import, and the folder of the repository for their specs.

    `folder` is relative to the `root`. `read` reads the repository, with texts of files that are
    not there yet by their names below the root; `on_files` is told those that would be written.
    """

    search: ProjectSearch
    root: Path
    folder: str
    read: Callable[[Mapping[str, str]], Workspace]
    patterns: Sequence[str] = ()
    on_files: Callable[[Mapping[str, str]], None] = lambda _: None


def spec_folder(folder: Path, root: Path) -> str:
    """A folder for new specs, relative to its root.

    Raises InvalidInputError for one in which no spec is looked for.
    """
    name = name_below(folder, root)
    hidden = next((part for part in name.split("/") if part[0] in "._" and part != "."), "")
    if hidden:
        raise InvalidInputError(
            f"no specs are read in {name}: {hidden!r} is left out or lies outside of the root",
            hint="give a folder below the root whose name begins with neither '.' nor '_'",
        )
    if isinstance(ReadBoundary.around(root).resolve(folder), ReadFailure):
        raise InvalidInputError(
            f"{name} leads out of the repository", hint="give a folder inside of it"
        )
    return name


async def import_workloads(
    workspace: Workspace,
    options: AdoptOptions,
    request: ImportRequest,
    *,
    connector: Connector,
    say: EventListener,
) -> Proposal | None:
    """Write the specs and record their workloads; None where that was not agreed to.

    Raises UnreachableError without a list of each project, UsageError for a glob that matches
    nothing, InvalidInputError for a file that cannot be written or is not read as a spec.
    """
    drafts: dict[Address, Draft] = {}
    options = replace(
        options,
        workspace=workspace,
        terms=AdoptionTerms(undeclared=True),
        on_agreed=lambda proposal: _write(request, proposal, drafts),
    )
    async with open_adopt_run(workspace.settings, options, connector, say) as adopt_run:
        request = await _resolve(request, adopt_run)
        found = await _find(adopt_run, request, discovery=workspace.settings.discovery)
        types = await _read_types(adopt_run.session)
        examined = _examine(found, adopt_run.rules, request, types, drafts)
        adoptions = [each for each in examined if isinstance(each, Adoption)]
        skipped = [each for each in examined if isinstance(each, NotAdopted)]
        proposal = Proposal(
            adoptions=tuple(sorted(adoptions, key=lambda each: each.address)),
            skipped=tuple(sorted(skipped, key=lambda each: (str(each.address or ""), each.id))),
        )
        new = [drafts[each.address] for each in proposal.adoptions if each.address in drafts]
        request.on_files({draft.file: draft.text for draft in new})
        return await adopt_run.conclude(proposal)


async def _resolve(request: ImportRequest, adopt_run: AdoptRun) -> ImportRequest:
    """The same in ids: what was typed, and every spec that is read."""
    names = await adopt_run.ask_for(request.patterns, request.search.projects)
    declared = {each.project for each in adopt_run.rules.declared}
    return replace(
        request,
        search=replace(
            request.search,
            projects=[names.project(project) for project in request.search.projects],
            declared=declared.union(adopt_run.settings.projects.values()),
        ),
        read=lambda drafts: request.read(drafts).resolved(adopt_run.resolution),
    )


async def _find(adopt_run: AdoptRun, request: ImportRequest, *, discovery: bool) -> list[Found]:
    recorded = adopt_run.recorded
    projects = request.search.among(recorded)
    phases = await read_phases(projects, adopt_run.session, discovery=discovery)
    for project, reason in phases.unlisted.items():
        raise UnreachableError(
            f"the server's list of project {project} cannot be used: {reason}",
            hint="write the specs by hand: reconciler state adopt ADDRESS --id ID",
        )
    found = await find_unmanaged(
        phases.listed.values(), recorded, adopt_run.header, adopt_run.session, lambda one: one
    )
    for pattern in request.patterns:
        if not any(matches(one.listed.address, pattern) for one, _ in found):
            raise UsageError(
                f"no unmanaged workload matches {pattern}",
                hint="'reconciler status --unmanaged' lists them; nothing was written",
            )
    if not request.patterns:
        return found
    return [
        (one, remote)
        for one, remote in found
        if any(matches(one.listed.address, pattern) for pattern in request.patterns)
    ]


async def _read_types(session: Session) -> Sequence[WorkloadType]:
    """What the server fills in; where it does not tell, all that it shows is declared."""
    with unless_ended():
        result = await session.dispatcher.send(Method.GET, lambda _: session.api.live.list_types())
    return result.types if isinstance(result, TypeList) else ()


def _examine(
    found: Sequence[Found],
    rules: AdoptionRules,
    request: ImportRequest,
    types: Sequence[WorkloadType],
    drafts: dict[Address, Draft],
) -> list[Examined]:
    """What becomes of each; `drafts` is filled with the new files of those that are adopted."""
    results: list[Examined] = [_unreadable(one) for one, remote in found if remote is None]
    remotes = {remote.id: remote for _, remote in found if remote is not None}
    candidates: list[Remote] = []
    for each in without_doubles([rules.examine(remote) for remote in remotes.values()]):
        if isinstance(each, NotAdopted):
            results.append(each)
        elif each.address in rules.declared:
            results.append(_judge_declared(each, rules, request.folder))
        else:
            candidates.append(remotes[each.row.id or ""])
    draft_rules = DraftRules(
        types=types,
        namespaces={one.listed.id: one.listed.namespace for one, _ in found},
        redactor=rules.redactor.strict,
    )
    drafted = draft_files(candidates, draft_rules, request.root, request.folder)
    results += [each for each in drafted if isinstance(each, NotAdopted)]
    written = [each for each in drafted if isinstance(each, Draft)]
    read = request.read({draft.file: draft.text for draft in written})
    declared = {spec.address: spec for spec in read.desired}
    trial = replace(rules, declared=declared)
    for draft in written:
        result = _judge_draft(draft, read, trial)
        results.append(result)
        if isinstance(result, Adoption):
            drafts[draft.remote.address] = draft
    return results


def _judge_draft(draft: Draft, read: Workspace, trial: AdoptionRules) -> Examined:
    """Whether the repository with this file leaves the workload as it is."""
    remote = draft.remote
    errors = [
        found
        for found in read.diagnostics
        if found.severity is Severity.ERROR
        and (found.where.file == draft.file or found.address == str(remote.address))
    ]
    if errors or remote.address not in trial.declared:
        message = errors[0].message if errors else "it is not read as a spec"
        return _left(
            remote,
            NotAdoptedReason.INVALID,
            f"its spec would have an error: {message}",
            "write a spec for it by hand, then: reconciler state adopt ADDRESS --id ID",
        )
    adoption = trial.examine(remote)
    if isinstance(adoption, Adoption) and isinstance(adoption.then, Keep):
        return _waiting(adoption)
    detail = adoption.then.detail if isinstance(adoption, Adoption) else adoption.message
    return _left(
        remote,
        NotAdoptedReason.DIFFERS,
        f"with the defaults of that folder it would not stay as it is: {detail}",
        "choose another folder for --into, or adopt it by hand",
    )


def _judge_declared(adoption: Adoption, rules: AdoptionRules, folder: str) -> Examined:
    """One that a spec declares already, such as that of an earlier run that was killed."""
    source = rules.declared[adoption.address].source
    is_below = folder == "." or source.file.startswith(f"{folder}/")
    if is_below and isinstance(adoption.then, Keep):
        return _waiting(adoption)
    return NotAdopted(
        id=adoption.row.id or "",
        address=adoption.address,
        why=NotAdoptedReason.DECLARED,
        message=f"{adoption.address} is declared already, in {source}",
        hint=f"compare and record it: reconciler state adopt --project {adoption.address.project}",
    )


def _waiting(adoption: Adoption) -> Adoption:
    """Without a file on record it is held until an apply has seen one that declares it."""
    return replace(adoption, row=replace(adoption.row, source=""))


def _unreadable(found: UnmanagedWorkload) -> NotAdopted:
    listed = found.listed
    if listed.is_v2:
        return NotAdopted(
            id=listed.id,
            address=listed.address,
            why=NotAdoptedReason.UNKNOWN,
            message=f"{listed.address} cannot be read: {found.unread}",
            hint="run it again",
        )
    return NotAdopted(
        id=listed.id,
        address=listed.address,
        why=NotAdoptedReason.NATIVE,
        message=f"{listed.address} ({listed.kind or 'no type'}) was not submitted through "
        "Workloads V2, which shows no manifest of it",
        hint="declare it as a manifest and let an apply make it, once it has ended",
    )


def _left(remote: Remote, why: NotAdoptedReason, message: str, hint: str) -> NotAdopted:
    return NotAdopted(
        id=remote.id,
        address=remote.address,
        why=why,
        message=f"{remote.address}: {message}",
        hint=hint,
    )


def _write(request: ImportRequest, proposal: Proposal, drafts: Mapping[Address, Draft]) -> None:
    """Write the new files, and look at the repository once more as it is then."""
    for adoption in proposal.adoptions:
        draft = drafts.get(adoption.address)
        if draft is None:
            continue
        try:
            write_new(request.root / draft.file, draft.text)
        except FileExistsError:
            raise InvalidInputError(
                f"{draft.file} has been made meanwhile",
                hint="nothing was recorded; run it again",
            ) from None
        except OSError as error:
            raise InvalidInputError(
                f"{draft.file} cannot be written: {error.strerror or error}",
                hint="nothing was recorded; run it again",
            ) from error
    read = request.read({})
    read.need_valid()
    declared = {spec.address for spec in read.desired}
    for adoption in proposal.adoptions:
        if adoption.address not in declared:
            raise InvalidInputError(
                f"the spec of {adoption.address} is not read below {request.folder}",
                hint="look into .reconcilerignore; nothing was recorded",
            )
