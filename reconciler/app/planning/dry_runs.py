"""Dry runs of creates: their canary, what the server says of specs, and what it made of them.

A server that does not know the dry run creates what it was asked only to check. So a canary has to
prove it before any spec is sent, and what carries the mark of a dry run and exists is deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import field

from reconciler.app.session import Session
from reconciler.app.settings import Settings
from reconciler.app.state.list_workloads import list_ids, read_each
from reconciler.core.diagnostics import Diagnostic
from reconciler.core.model import Address, Desired, Json, Remote
from reconciler.core.protocol.api_results import (
    FORBIDDEN,
    Accepted,
    Acknowledged,
    ApiResult,
    Conflict,
    DryRunPassed,
    Method,
    NotFound,
    Refused,
    Unauthorised,
    is_from_elsewhere,
)
from reconciler.core.protocol.body import create_body
from reconciler.core.protocol.changes import VISIBLE
from reconciler.core.protocol.marker import DRY_RUN, STACK, read_own_annotations, with_annotations
from reconciler.engine.refresh import unless_ended
from reconciler.errors import RefusedError, UnreachableError
from reconciler.report.error_field import find_field
from reconciler.specs.loaded import Loaded
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.values import dataclass

COMMAND = "validate --server"
# Between two looks for what was created and is not to be seen yet.
_PAUSE = 2.0
_NO_DRY_RUN = "it does not know dry runs: declare its version in api_version"
# Suspended, so that no pod is ever made of it, should it exist.
_CANARY_SPEC: Json = {
    "suspend": True,
    "template": {
        "spec": {"restartPolicy": "Never", "containers": [{"name": "canary", "image": "canary"}]}
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSpecs:
    """What the server said; of those that are `named` it knew a workload of that name already."""

    diagnostics: tuple[Diagnostic, ...] = ()
    named: tuple[Address, ...] = ()


@dataclass(kw_only=True)
class DryRuns:
    """The dry runs of one command.

    `mark` is in every body in the place of an operation: what carries it is nobody's workload.
    `known` are ids that are none of theirs. `before_canary` is told of each canary that is about to
    be sent. `unlisted` says why what earlier runs may have left could not be looked for.
    """

    session: Session
    settings: Settings
    loaded: Loaded
    known: set[str | None]
    mark: str
    before_canary: Callable[[Address], None]
    unlisted: str = ""
    # What answers have named; where the server has no list, this is all there is to look at.
    _ids: set[str] = field(default_factory=set)
    _created: Address | None = None

    async def check(self, specs: Sequence[Desired]) -> CheckedSpecs:
        """The canary first, then every spec.

        Raises RefusedError for a server that is not proven to create nothing, UnreachableError
        where it says nothing.
        """
        await self._prove(specs)
        # How many are in flight at a time is for the dispatcher to say. Each is heard to its end,
        # so that the search for what was created comes after all of them.
        answers = await asyncio.gather(
            *(self._send(spec.metadata, spec.manifest, encoded=spec.encoded) for spec in specs),
            return_exceptions=True,
        )
        diagnostics, named, undecided = [], [], []
        for spec, answer in zip(specs, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            if _is_undecided(answer):
                undecided.append(answer)
            elif isinstance(answer, Conflict):
                named.append(spec.address)
            elif not isinstance(answer, DryRunPassed):
                diagnostics.append(self._diagnostic(spec, answer))
        if undecided:
            count = f"{len(undecided)} of {len(specs)} specs could not be checked"
            raise _unanswered(undecided[0], count)
        return CheckedSpecs(diagnostics=tuple(diagnostics), named=tuple(named))

    async def sweep(self, projects: Sequence[str]) -> tuple[list[Remote], list[Remote]]:
        """Delete what carries the mark of a dry run of this owner: of this run, and of others.

        What this run is known to have created is looked for until it is to be seen. Raises
        RefusedError for what could not be deleted.
        """
        marked: dict[str, Remote] = {}
        now = self.session.clock.monotonic()
        ends = min(now + VISIBLE.total_seconds(), self.session.deadline)
        while True:
            marked |= await self._read_marked(self._ids)
            if self.settings.discovery:
                try:
                    marked |= await self._read_marked(await list_ids(self.session, projects))
                except UnreachableError as error:
                    # The canary has proven what the server does; this would only find what others
                    # have left behind.
                    self.unlisted = error.message
            else:
                self.unlisted = "discovery is off"
            is_seen = self._created in (None, *(remote.address for remote in marked.values()))
            if is_seen or self.session.clock.monotonic() > ends:
                break
            await self.session.clock.sleep(_PAUSE)
        of_this_run: list[Remote] = []
        of_others: list[Remote] = []
        for remote in marked.values():
            await self._delete(remote)
            is_of_this = read_own_annotations(remote.raw_manifest)[DRY_RUN] == self.mark
            (of_this_run if is_of_this else of_others).append(remote)
        return of_this_run, of_others

    async def _prove(self, specs: Sequence[Desired]) -> None:
        """Raise RefusedError unless the server shows that a dry run creates nothing.

        One project is enough. What refuses the canary has created nothing, so another project may
        be asked: a spec of the one that refuses is then told so at its own line.
        """
        refusals = []
        for project in dict.fromkeys(spec.address.project for spec in specs):
            name = f"dry-run-canary-{self.mark.rpartition('-')[2]}"
            refusal = await self._prove_in(Address(project=project, name=name))
            if refusal is None:
                return
            refusals.append((project, refusal))
        project, refusal = refusals[0]
        raise RefusedError(
            f"the server refuses even a Job that does nothing ({refusal.description}), so nothing "
            "shows that a dry run creates nothing",
            hint=f"the account needs the right to create a Job in project {project}",
        )

    async def _prove_in(self, canary: Address) -> ApiResult | None:
        """The refusal of a canary; None where two of them have shown that nothing is created.

        Names are unique at once, while a look may come too early to see what was created: the
        second answer of a server that created is that the name is taken.
        """
        self.before_canary(canary)
        manifest = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": canary.name},
            "spec": _CANARY_SPEC,
        }
        metadata = {"name": canary.name, "projectId": canary.project}
        for _ in range(2):
            answer = await self._send(metadata, manifest, encoded=False)
            if _is_undecided(answer):
                raise _unanswered(answer, "the server could not be asked for a dry run")
            if isinstance(answer, Conflict):
                self._created = canary
                raise RefusedError(
                    f"the server has created {canary}, which it was asked only to check; it is not "
                    "to be seen yet, and carries the mark of a dry run",
                    hint=f"{_NO_DRY_RUN}; {COMMAND} of a version that knows them deletes it",
                )
            if not isinstance(answer, DryRunPassed):
                return answer
        return None

    def _diagnostic(self, spec: Desired, answer: ApiResult) -> Diagnostic:
        """What the server objects to, at the line of the field that it names."""
        pointer, where = find_field(answer.message, spec.spec), spec.source
        if pointer is not None:
            with suppress(KeyError):
                where = self.loaded.locate(spec.address, pointer)
        is_forbidden = isinstance(answer, Refused) and answer.status == FORBIDDEN
        reason = "permission denied" if is_forbidden else "the server refuses it"
        return make_diagnostic(
            "refused-by-server",
            f"{reason}: {answer.description}",
            where,
            pointer=pointer or "",
            address=str(spec.address),
        )

    async def _send(self, metadata: Json, manifest: Json, *, encoded: bool) -> ApiResult:
        annotations = {DRY_RUN: self.mark, STACK: self.settings.stack}
        body = create_body(metadata, with_annotations(manifest, annotations), encoded=encoded)
        with unless_ended():
            answer = await self.session.dispatcher.send(
                Method.POST, lambda _: self.session.api.create(body, dry_run=True)
            )
        if isinstance(answer, DryRunPassed) and answer.id is not None:
            self._ids.add(answer.id)
        return answer

    async def _read_marked(self, ids: Iterable[str]) -> dict[str, Remote]:
        def keep_marked(remote: Remote) -> Remote | None:
            annotations = read_own_annotations(remote.raw_manifest)
            is_ours = annotations.get(STACK) == self.settings.stack
            return remote if DRY_RUN in annotations and is_ours and not remote.is_leaving else None

        marked = await read_each(self.session, sorted(set(ids) - self.known), keep_marked)
        return {id_: remote for id_, remote in marked.items() if remote is not None}

    async def _delete(self, remote: Remote) -> None:
        with unless_ended():
            answer = await self.session.dispatcher.send(
                Method.DELETE, lambda _: self.session.api.delete(remote.id)
            )
        if not isinstance(answer, Accepted | Acknowledged | NotFound):
            raise RefusedError(
                f"a dry run has created {remote.address}, and it cannot be deleted: "
                f"{answer.description}",
                hint=f"delete workload {remote.id}; the next {COMMAND} tries it again",
            )


def describe_created(created: Sequence[Remote]) -> RefusedError:
    """Why a server is asked nothing more: it has created what it was asked only to check."""
    listed = ", ".join(f"{remote.address} ({remote.id})" for remote in created)
    return RefusedError(
        f"the server creates what it was asked only to check; deleted again: {listed}",
        hint=_NO_DRY_RUN,
    )


def _is_undecided(answer: ApiResult) -> bool:
    """Whether nobody has judged what was sent: no answer, or one that is not the API's."""
    is_verdict = isinstance(answer, DryRunPassed | Conflict | Refused | NotFound)
    return not is_verdict or is_from_elsewhere(answer)


def _unanswered(answer: ApiResult, summary: str) -> UnreachableError:
    hint = "check the credentials" if isinstance(answer, Unauthorised) else "run it again"
    return UnreachableError(f"{summary}: {answer.description}", hint=hint)
