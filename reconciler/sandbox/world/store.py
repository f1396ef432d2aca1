"""The workloads of the server, the names they hold, and the ways to change them out of band."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any
from uuid import UUID

from reconciler.sandbox.http import Refusal, encode
from reconciler.sandbox.settings import Settings
from reconciler.sandbox.versions import find_version
from reconciler.sandbox.world.creation import build_workload, sync_times
from reconciler.sandbox.world.journal import Journal
from reconciler.sandbox.world.projects import Projects
from reconciler.sandbox.world.running import RunPhase, Step
from reconciler.sandbox.world.submission import Submission, UpdateRequest, read_submission
from reconciler.sandbox.world.updates import (
    UpdatedContent,
    apply_to_cluster,
    declared_fields,
    read_content,
    run_fields,
)
from reconciler.sandbox.world.workload import (
    NO_WORKLOAD_FAULTS,
    Phase,
    Workload,
    WorkloadFaults,
    write_document,
    write_head,
)

SOMEBODY_ELSE = "somebody-else"
RETENTION_SECONDS = 14 * 24 * 3600.0
# No sweep below this many workloads: there is nothing to gain.
_SWEEP_EVERY = 1024


class Store:
    """All workloads by id; one living workload per (project, name), ids never reused.

    Methods named after API calls obey its rules and raise Refusal. `plant`, `vanish`, `edit`,
    `fail_sync` and `change_run` are for tests and the control API: they act as somebody else would.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float], journal: Journal) -> None:
        self._settings = settings
        self._clock = clock
        self._journal = journal
        self._shows_preemptibility = (
            "preemptibility" in find_version(settings.api_version).create_fields
        )
        self.projects = Projects(settings)
        self._by_id: dict[str, Workload] = {}
        # Written once for each form of a workload, not for each read of it.
        self._heads: dict[str, bytes] = {}
        self._holders: dict[tuple[str, str], list[str]] = {}
        self._generations: dict[tuple[str, str], int] = {}
        self._next_sweep = _SWEEP_EVERY
        for workload in journal.load():
            self._remember(workload)
        # Kept beside the workloads: an id must not come twice, also after its owner is forgotten.
        self._generations |= journal.generations()

    def __len__(self) -> int:
        return len(self._by_id)

    def create(
        self, submission: Submission, caller: str, faults: WorkloadFaults = NO_WORKLOAD_FAULTS
    ) -> Workload:
        """Accept a submission; raises Refusal (409) while the name is held."""
        now = self._clock()
        self._refuse_held_name(submission)
        # Swept once for every doubling: a sweep of all for each create would be quadratic.
        if len(self._by_id) >= self._next_sweep:
            self._sweep(now - RETENTION_SECONDS)
        return self._add(submission, caller, faults, now)

    def preview(self, submission: Submission, caller: str) -> Workload:
        """Build what a create would make, and keep nothing of it; raises Refusal as that does."""
        self._refuse_held_name(submission)
        # An id that no create ever gives out, since its counter is a number.
        workload_id = self._derive_id(submission.project_id, submission.name, "dry-run")
        return self._build(submission, workload_id, caller, NO_WORKLOAD_FAULTS, self._clock())

    def get(self, workload_id: str) -> Workload | None:
        """The workload as its creator wrote it, gone or alive, unless it is not shown here."""
        workload = self._by_id.get(workload_id)
        if workload is None or workload.visible_at > self._clock():
            return None
        return None if workload.native else workload

    def known(self, workload_id: str) -> Workload | None:
        """A workload as it is, native or invisible as well; None for an id never given out."""
        return self._by_id.get(workload_id)

    def update(
        self,
        workload: Workload,
        request: UpdateRequest,
        caller: str,
        faults: WorkloadFaults = NO_WORKLOAD_FAULTS,
    ) -> tuple[Workload, UpdatedContent]:
        """Accept an update; raises Refusal (400) if a rule has what is immutable refused at once.

        What the request leaves out as a whole stays. What it has replaces what was submitted, or
        is merged with it, by rule.
        """
        now = self._clock()
        try:
            content = read_content(workload, request, faults)
        except RecursionError:
            # Comparing recurses, and goes less deep than the reader of JSON.
            raise Refusal(400, "Failed to read request body") from None
        message = content.refusal
        if message is not None and faults.refuses_immutable:
            raise Refusal(400, message)
        times = sync_times(self._settings, faults, now + faults.stale_status)
        after = self._save(
            replace(
                workload,
                **declared_fields(workload, content.manifest, content.priority, content.category),
                updated_at=now,
                updated_by=caller,
                # Faults may hide the new form for a while; until then this one is shown.
                previous=workload.without_past(now),
                shown_at=now + faults.read_lag,
                status_at=now + faults.stale_status,
                **times,
                **run_fields(workload, content, faults, times["settled_at"], now),
                sync_failure=faults.sync_failure or message,
                cluster_before=workload.in_cluster(now),
                cluster_after=content.cluster,
            )
        )
        return after, content

    def delete(
        self, workload: Workload, caller: str, faults: WorkloadFaults = NO_WORKLOAD_FAULTS
    ) -> Workload:
        """Accept a deletion; asking again is harmless, and revives one that has failed."""
        now = self._clock()
        # The first request set the time; a second one must not put it off.
        if workload.phase(now) is Phase.DELETING:
            return workload
        delay = self._settings.delete_delay if faults.delete_delay is None else faults.delete_delay
        return self._save(
            replace(
                workload,
                # A deletion is seen at once, and with it the update before it.
                previous=None,
                delete_at=now,
                delete_settles_at=now + delay if delay != float("inf") else None,
                delete_failure=faults.delete_failure,
                deleted_by=caller,
                updated_at=now,
                updated_by=caller,
            )
        )

    def find(self, project_id: str, name: str) -> Workload | None:
        """The living workload that holds a name, visible or not."""
        now = self._clock()
        # A native workload does not stand in the way of one of the same name.
        living = (w for w in self.namesakes(project_id, name) if not (w.native or w.is_gone(now)))
        return next(living, None)

    def namesakes(self, project_id: str, name: str) -> tuple[Workload, ...]:
        """Every workload, gone or alive, that has or had a name."""
        ids = self._holders.get((project_id, name), ())
        return tuple(self._by_id[workload_id] for workload_id in ids)

    def all(self) -> tuple[Workload, ...]:
        """Every workload still remembered, in order of creation."""
        return tuple(self._by_id.values())

    def live(self) -> tuple[Workload, ...]:
        """The workloads that are not gone, in order of creation."""
        now = self._clock()
        return tuple(w for w in self._by_id.values() if not w.is_gone(now))

    def phase(self, workload_id: str) -> Phase | None:
        """The present phase of a workload, None for an id never given out."""
        workload = self._by_id.get(workload_id)
        return None if workload is None else workload.phase(self._clock())

    def workload(self, workload_id: str) -> Workload:
        """A workload whether visible or not; raises KeyError for an unknown id."""
        return self._by_id[workload_id]

    def manifest(self, workload_id: str) -> dict[str, Any]:
        """The raw manifest of a workload as a value; raises KeyError for an unknown id."""
        manifest: dict[str, Any] = json.loads(self._by_id[workload_id].raw)
        return manifest

    def running(self, workload_id: str) -> dict[str, Any] | None:
        """The manifest that the workload's pods were made from, None where none run.

        It is older than `manifest` where an update was refused, or had no effect on what runs.
        Raises KeyError for an unknown id.
        """
        held = self._by_id[workload_id].in_cluster(self._clock())
        return None if held is None else json.loads(held.running)

    def render(self, workload: Workload, phase: Phase) -> bytes:
        """The `WorkloadV2` document of a workload in one of its forms."""
        # Time alone makes a deletion complete, so its instant is not in the head that is kept.
        if phase is Phase.DELETED:
            head = self._write_head(workload, gone_at=workload.delete_settles_at)
        elif self._by_id.get(workload.id) is workload:
            head = self._heads[workload.id]
        else:
            head = self._write_head(workload)
        return write_document(workload, head)

    def plant(
        self,
        request: Mapping[str, Any],
        *,
        by: str = SOMEBODY_ELSE,
        age: float = 0.0,
        faults: WorkloadFaults = NO_WORKLOAD_FAULTS,
        native: str | None = None,
    ) -> Workload:
        """Create a workload out of band, even where the name is held; raises Refusal (400).

        `age` seconds ago, by rules for its life. `native` is the type under which the v1 calls show
        one that was not submitted through this API; its manifest only says how many GPUs it has.
        """
        submission = read_submission(encode(request), self._settings, self.projects)
        planted = self._add(submission, by, faults, self._clock() - age)
        if native is None:
            return planted
        return self._save(replace(planted, native=True, kind=native, group="", version=""))

    def change_run(
        self, workload_id: str, phase: RunPhase, *, message: str = "", code: str | None = None
    ) -> Workload:
        """Put a workload into a phase from now on; raises KeyError for an unknown id."""
        old, now = self._by_id[workload_id], self._clock()
        start = now if old.settled_at is None else old.settled_at
        run_from = start if old.run_from is None else old.run_from
        past = tuple(step for step in old.run.steps if run_from + step.after < now)
        run = old.run._replace(steps=(*past, Step(now - run_from, phase, message, code)))
        return self._save(replace(old, run=run, run_from=run_from))

    def vanish(self, workload_id: str, *, by: str = SOMEBODY_ELSE) -> Workload:
        """Make a workload disappear at once; raises KeyError for an unknown id."""
        now = self._clock()
        gone = replace(
            self._by_id[workload_id],
            previous=None,
            delete_at=now,
            delete_settles_at=now,
            delete_failure=None,
            deleted_by=by,
        )
        return self._save(gone)

    def edit(
        self,
        workload_id: str,
        *,
        manifest: Mapping[str, Any] | None = None,
        priority: str | None = None,
        category: str | None = None,
        by: str = SOMEBODY_ELSE,
    ) -> Workload:
        """Change a live workload out of band; raises KeyError for an unknown id.

        It shows at once, whatever the status; the cluster takes it as it takes any update.
        """
        old, now = self._by_id[workload_id], self._clock()
        new = json.loads(old.raw) if manifest is None else dict(manifest)
        effect, cluster = apply_to_cluster(old, new)
        runs = old.in_cluster(now) is not None and not effect.refused
        edited = replace(
            old,
            **declared_fields(old, new, priority or old.priority, category or old.category),
            updated_at=now,
            updated_by=by,
            shown_at=now,
            cluster_before=cluster if runs else old.cluster_before,
            cluster_after=old.cluster_after if effect.refused else cluster,
        )
        return self._save(edited)

    def remake_project(self, project_id: str, new_id: str) -> None:
        """Delete a project with its workloads, and make it again; raises KeyError for no project.

        Nobody can see the old ones any more: their project is forbidden, as an unknown one is.
        """
        project = self.projects.get(project_id)
        if project is None:
            raise KeyError(project_id)
        for workload in self.live():
            if workload.project_id == project_id:
                self.vanish(workload.id)
        self.projects.remake(project, new_id)

    def fail_sync(self, workload_id: str, message: str = "admission denied") -> Workload:
        """Let the cluster refuse a workload from now on; raises KeyError for an unknown id."""
        now = self._clock()
        old = self._by_id[workload_id]
        failed = replace(
            old,
            previous=None,
            applying_at=now,
            settled_at=now,
            sync_failure=message,
            # What the cluster has taken before keeps running.
            cluster_before=old.in_cluster(now),
        )
        return self._save(failed)

    def _add(
        self, submission: Submission, caller: str, faults: WorkloadFaults, now: float
    ) -> Workload:
        # The id follows from the seed and the how-manieth of its name, never from the order of
        # arrival: concurrent requests get the same ids in every replay of a seed.
        address = submission.project_id, submission.name
        nth = self._generations.get(address, 0) + 1
        # The data file counts by name, so a prefix begins anew after a restart.
        while (workload_id := self._derive_id(*address, str(nth))) in self._by_id:
            nth += 1
        self._generations[address] = nth
        # The id is unique, so a part of it makes a name that is, within the 63 characters.
        if submission.name_is_prefix:
            name = f"{submission.name[:57]}-{workload_id[:5]}"
            submission = replace(submission, name=name)
        return self._save(self._build(submission, workload_id, caller, faults, now))

    def _build(
        self,
        submission: Submission,
        workload_id: str,
        caller: str,
        faults: WorkloadFaults,
        now: float,
    ) -> Workload:
        return build_workload(
            submission,
            workload_id=workload_id,
            projects=self.projects,
            caller=caller,
            faults=faults,
            now=now,
            settings=self._settings,
        )

    def _derive_id(self, project_id: str, name: str, counter: str) -> str:
        text = "\0".join((str(self._settings.seed), project_id, name, counter))
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        return str(UUID(bytes=digest, version=4))

    def _refuse_held_name(self, submission: Submission) -> None:
        holder = self.find(submission.project_id, submission.name)
        if holder is not None and not submission.name_is_prefix:
            hint = f" (id {holder.id})" if self._settings.conflict_names_id else ""
            message = f"workload with name '{holder.name}' already exists in this project{hint}"
            raise Refusal(409, message)

    def _save(self, workload: Workload) -> Workload:
        # The file first: what a client has heard of survives the process.
        self._journal.append(workload, self._generations.get(workload.address, 1))
        self._remember(workload)
        return workload

    def _remember(self, workload: Workload) -> None:
        if workload.id not in self._by_id:
            self._holders.setdefault(workload.address, []).append(workload.id)
        self._by_id[workload.id] = workload
        self._heads[workload.id] = self._write_head(workload)

    def _write_head(self, workload: Workload, gone_at: float | None = None) -> bytes:
        settings = self._settings
        return write_head(
            workload,
            settings.tenant_id,
            self.projects.cluster_of(workload.project_id),
            gone_at=gone_at,
            preemptibility=workload.preemptible_as if self._shows_preemptibility else None,
        )

    def _sweep(self, horizon: float) -> None:
        """Forget what was gone by the horizon, as the control plane does after two weeks."""
        remaining = [w for w in self._by_id.values() if not w.is_gone(horizon)]
        # The heads are kept: to write them anew for all would hold up the create.
        heads = self._heads
        self._by_id, self._heads, self._holders = {}, {}, {}
        for workload in remaining:
            self._holders.setdefault(workload.address, []).append(workload.id)
            self._by_id[workload.id] = workload
            self._heads[workload.id] = heads[workload.id]
        self._next_sweep = 2 * len(remaining) + _SWEEP_EVERY
