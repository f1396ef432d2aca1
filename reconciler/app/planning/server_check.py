"""Has the server check new specs before anybody applies them, and keeps that in the history."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import field, replace
from signal import Signals

from reconciler.app.applying.runlog import edit_entry
from reconciler.app.planning.dry_runs import COMMAND, CheckedSpecs, DryRuns, describe_created
from reconciler.app.projects.named_projects import find_resolution
from reconciler.app.projects.server_projects import ServerProjects
from reconciler.app.refused import GuardError
from reconciler.app.session import Connector, Session
from reconciler.app.settings import Settings
from reconciler.app.signals import SIGNALS, on_signal
from reconciler.app.state.beside_server import open_beside_server
from reconciler.core.diagnostics import Diagnostic, has_errors
from reconciler.core.model import Address, Desired
from reconciler.core.projects.pins import check_pins
from reconciler.core.protocol.api_results import ClusterVersions, Method
from reconciler.core.protocol.capabilities import agree_on_dry_run
from reconciler.engine.refresh import unless_ended
from reconciler.errors import InvalidInputError, ReconcilerError, RefusedError, UnreachableError
from reconciler.ports import ActionEntry, EventListener, StateStore
from reconciler.specs.loaded import Loaded
from reconciler.specs.source.deadline import Deadline
from reconciler.values import dataclass

_VERSION_HINT = "set api_version in reconciler.yaml to the server's, if that is 2.24 or later"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCheck:
    """What the server said about the specs, which are `loaded` with every project resolved.

    `checked` counts those that it has looked at, `named` are those of which only the name was
    checked, since a workload of that name exists. `removed` was left behind by an earlier run, and
    `unlisted` says why nothing of the kind could be looked for. `stopped_by` is the signal that has
    ended the check before all was asked.
    """

    diagnostics: tuple[Diagnostic, ...] = ()
    checked: int = 0
    named: tuple[Address, ...] = ()
    removed: tuple[Address, ...] = ()
    unlisted: str = ""
    stopped_by: Signals | None = None
    loaded: Loaded = field(default_factory=Loaded, repr=False)

    @property
    def exit_code(self) -> int:
        """What the history of the state says of it."""
        if self.stopped_by is not None:
            return SIGNALS[self.stopped_by]
        return InvalidInputError.exit_code if self.diagnostics else 0


async def check_on_server(
    loaded: Loaded, settings: Settings, *, connector: Connector, say: EventListener
) -> ServerCheck:
    """Ask the server about every spec that the state does not record.

    Holds the state, where there is one, so that no apply meets what a server without the dry run
    may create. Raises RefusedError for a server that is not proven to know it, UnreachableError
    where it cannot be asked, LockedError.
    """
    if settings.api_version is not None and not settings.capabilities.can_dry_run:
        raise RefusedError(
            f"a server of version {settings.api_version} would create what it is to check",
            hint=_VERSION_HINT,
        )
    if not loaded.unresolved:
        _check_allowed(loaded, settings)
    with open_beside_server(
        settings, connector, say, hold_as=f"reconciler {COMMAND}", may_be_missing=True
    ) as state:
        recorded = () if state.store is None else tuple(state.store.read())
        taken = {row.address for row in recorded}
        # Also where nothing is new: a wrong address is told today, not with the next new spec.
        state.confirm_server()
        if not loaded.unresolved and all(spec.address in taken for spec in loaded.desired):
            named = tuple(spec.address for spec in loaded.desired)
            return ServerCheck(named=named, loaded=loaded)
        async with state.connect() as session:
            if loaded.unresolved:
                loaded = await _resolve(loaded, settings, state.store, session)
                if has_errors(loaded.diagnostics):
                    return ServerCheck(loaded=loaded)
                _check_allowed(loaded, settings)
            new = [spec for spec in loaded.desired if spec.address not in taken]
            named = tuple(spec.address for spec in loaded.desired if spec.address in taken)
            if not new:
                return ServerCheck(named=named, loaded=loaded)
            await _need_dry_run(settings, session)
            history = _History(state.store, session)
            runs = DryRuns(
                session=session,
                settings=settings,
                loaded=loaded,
                known={row.id for row in recorded},
                mark=history.run_id,
                before_canary=history.note,
            )
            history.begin()
            try:
                result = await _check(new, runs)
            except ReconcilerError as error:
                history.end(error.exit_code)
                raise
            history.end(result.exit_code)
    return replace(result, named=tuple(sorted((*named, *result.named))), loaded=loaded)


def _check_allowed(loaded: Loaded, settings: Settings) -> None:
    """Raise RefusedError for specs in a project that nothing may be sent to."""
    ids = {**loaded.ids, **settings.projects}
    allowed = {ids.get(project, project) for project in settings.allowed_projects}
    outside = {spec.address.project for spec in loaded.desired} - allowed
    if allowed and outside:
        raise RefusedError(
            f"limits.allowed_projects does not hold {', '.join(sorted(outside))}",
            hint="nothing was sent",
        )


async def _resolve(
    loaded: Loaded, settings: Settings, store: StateStore | None, session: Session
) -> Loaded:
    """The same specs with the ids of their projects, held against what a state knows of names.

    Raises GuardError for a name that means another project than before.
    """
    projects = ServerProjects(session, discovery=settings.discovery)
    pins = store.header.target.pins if store is not None else {}
    resolution = await find_resolution(
        loaded.unresolved, projects, pins=pins, aliases=settings.projects
    )
    loaded = loaded.resolved(resolution, Deadline.after(settings.deadline))
    if refusals := check_pins(pins, loaded.ids, {}, recorded=store.read() if store else ()):
        raise GuardError(refusals)
    return loaded


async def _need_dry_run(settings: Settings, session: Session) -> None:
    """Raise RefusedError unless a declared version or all clusters speak for the dry run."""
    if settings.capabilities.can_dry_run:
        return
    with unless_ended():
        answer = await session.dispatcher.send(
            Method.GET, lambda _: session.api.find_cluster_versions()
        )
    versions = answer.versions if isinstance(answer, ClusterVersions) else ()
    if not agree_on_dry_run(versions):
        seen = f"its clusters are of {', '.join(versions)}" if versions else answer.description
        raise RefusedError(
            f"nothing shows that the server knows dry runs ({seen}): one that does not would "
            "create what it is to check",
            hint=_VERSION_HINT,
        )


async def _check(specs: Sequence[Desired], runs: DryRuns) -> ServerCheck:
    """Ask about all specs and then, however that ended, look for what was created."""
    checked, failure = CheckedSpecs(), None
    stopped: list[Signals] = []
    asking = asyncio.ensure_future(runs.check(specs))

    def stop(number: Signals) -> None:
        stopped.append(number)
        asking.cancel()

    # The first signal ends the questions: a canary that exists is deleted before the process ends.
    with on_signal(stop, once=True):
        try:
            checked = await asking
        except (RefusedError, UnreachableError) as error:
            failure = error
        except asyncio.CancelledError:
            if not stopped:
                raise
        try:
            created, removed = await runs.sweep(sorted({spec.address.project for spec in specs}))
        except UnreachableError as error:
            # What went wrong first is the reason; the next run of this command looks again.
            failure, created, removed = failure or error, [], []
    if created and not stopped:
        raise describe_created(created)
    if failure is not None and not stopped:
        raise failure
    return ServerCheck(
        diagnostics=checked.diagnostics,
        checked=len(specs) - len(checked.named),
        named=checked.named,
        removed=tuple(sorted(remote.address for remote in (*created, *removed))),
        unlisted=runs.unlisted,
        stopped_by=stopped[0] if stopped else None,
    )


class _History:
    """This run in the history of the state, if there is one.

    It is there before the first byte is sent: if the run is killed, it names what may exist.
    """

    def __init__(self, store: StateStore | None, session: Session) -> None:
        self.run_id = str(uuid.UUID(int=session.rng.getrandbits(128), version=4))
        self._store = store
        self._clock = session.clock
        self._began = session.clock.monotonic()
        self._entry = replace(
            edit_entry(COMMAND, {}),
            id=self.run_id,
            started=self._now(),
            finished=None,
            took=None,
            exit_code=None,
        )

    def begin(self) -> None:
        if self._store is not None:
            self._store.begin_run(self._entry)

    def note(self, canary: Address) -> None:
        if self._store is not None:
            action = ActionEntry(address=str(canary), action="dry-run", outcome="sent")
            self._store.add_actions(self.run_id, [action])

    def end(self, exit_code: int) -> None:
        if self._store is not None:
            took = round(self._clock.monotonic() - self._began, 3)
            entry = replace(self._entry, finished=self._now(), took=took, exit_code=exit_code)
            self._store.end_run(entry)

    def _now(self) -> str:
        return self._clock.now().isoformat(timespec="milliseconds")
