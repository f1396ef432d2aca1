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
from reconciler.sandbox.world.journal import Journal
from reconciler.sandbox.world.manifests import complete_manifest
from reconciler.sandbox.world.projects import Projects
from reconciler.sandbox.world.submission import Submission, read_submission
from reconciler.sandbox.world.workload import (
    NO_WORKLOAD_FAULTS,
    Phase,
    Workload,
    WorkloadFaults,
    write_document,
    write_head,
)

SOMEBODY_ELSE = "somebody-else"
_RETENTION_SECONDS = 14 * 24 * 3600.0
_SWEEP_EVERY = 1024


class Store:
    """All workloads by id; one living workload per (project, name), ids never reused.

    Methods named after API calls obey its rules and raise Refusal. `plant`, `vanish`, `edit` and
    `fail_sync` are for tests and the control API: they act as somebody else would.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float], journal: Journal) -> None:
        self._settings = settings
        self._clock = clock
        self._journal = journal
        self._projects = Projects(settings.projects)
        self._by_id: dict[str, Workload] = {}
        # Written once for each form of a workload, not for each read of it.
        self._heads: dict[str, bytes] = {}
        self._holders: dict[tuple[str, str], list[str]] = {}
        self._generations: dict[tuple[str, str], int] = {}
        self._next_sweep = _SWEEP_EVERY
        for workload in journal.load():
            self._remember(workload, self._write_head(workload))
        self._generations |= journal.generations()

    def __len__(self) -> int:
        return len(self._by_id)

    def create(
        self, submission: Submission, caller: str, faults: WorkloadFaults = NO_WORKLOAD_FAULTS
    ) -> Workload:
        """Accept a submission; raises Refusal (409) while the name is held."""
        now = self._clock()
        holder = self.find(submission.project_id, submission.name)
        if holder is not None:
            hint = f" (id {holder.id})" if self._settings.conflict_names_id else ""
            message = f"workload with name '{holder.name}' already exists in this project{hint}"
            raise Refusal(409, message)
        # Swept once for every doubling: a sweep of all for each create would be quadratic.
        if len(self._by_id) >= self._next_sweep:
            self._sweep(now - _RETENTION_SECONDS)
        return self._add(submission, caller, faults, now)

    def get(self, workload_id: str) -> Workload | None:
        """The workload as its creator wrote it, gone or alive, unless it is still invisible."""
        workload = self._by_id.get(workload_id)
        if workload is None or workload.visible_at > self._clock():
            return None
        return workload

    def delete(
        self, workload: Workload, caller: str, faults: WorkloadFaults = NO_WORKLOAD_FAULTS
    ) -> Workload:
        """Accept a deletion; asking again is harmless, and revives one that has failed."""
        now = self._clock()
        if workload.phase(now) is Phase.DELETING:
            return workload
        delay = self._settings.delete_delay if faults.delete_delay is None else faults.delete_delay
        return self._save(
            replace(
                workload,
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
        living = (w for w in self.namesakes(project_id, name) if not w.is_gone(now))
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

    def manifest(self, workload_id: str) -> dict[str, Any]:
        """The raw manifest of a workload as a value; raises KeyError for an unknown id."""
        manifest: dict[str, Any] = json.loads(self._by_id[workload_id].raw)
        return manifest

    def render(self, workload: Workload, phase: Phase) -> bytes:
        """The `WorkloadV2` document of a workload in the form that is kept here."""
        # Time alone makes a deletion complete, so its instant is not in the head that is kept.
        if phase is Phase.DELETED:
            head = self._write_head(workload, gone_at=workload.delete_settles_at)
        else:
            head = self._heads[workload.id]
        return write_document(workload, head)

    def plant(self, request: Mapping[str, Any], *, by: str = SOMEBODY_ELSE) -> Workload:
        """Create a workload out of band, even where the name is held; raises Refusal (400)."""
        submission = read_submission(encode(request), self._settings)
        return self._add(submission, by, NO_WORKLOAD_FAULTS, self._clock())

    def vanish(self, workload_id: str, *, by: str = SOMEBODY_ELSE) -> Workload:
        """Make a workload disappear at once; raises KeyError for an unknown id."""
        now = self._clock()
        gone = replace(
            self._by_id[workload_id],
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
        """Change a live workload out of band; raises KeyError for an unknown id."""
        old = self._by_id[workload_id]
        raw = old.raw if manifest is None else encode(manifest)
        priority, category = priority or old.priority, category or old.category
        workload_manifest = self._complete(raw, old.name, old.project_name, priority, category)
        edited = replace(
            old,
            raw=raw,
            workload_manifest=workload_manifest,
            priority=priority,
            category=category,
            updated_at=self._clock(),
            updated_by=by,
        )
        return self._save(edited)

    def fail_sync(self, workload_id: str, message: str = "admission denied") -> Workload:
        """Let the cluster refuse a workload from now on; raises KeyError for an unknown id."""
        now = self._clock()
        old = self._by_id[workload_id]
        failed = replace(old, applying_at=now, settled_at=now, sync_failure=message)
        return self._save(failed)

    def _add(
        self, submission: Submission, caller: str, faults: WorkloadFaults, now: float
    ) -> Workload:
        project_name = self._projects.name_of(submission.project_id)
        raw = submission.raw
        if faults.strips_annotations:
            manifest: dict[str, Any] = json.loads(raw)
            manifest.get("metadata", {}).pop("annotations", None)
            raw = encode(manifest)
        delay = self._settings.sync_delay if faults.sync_delay is None else faults.sync_delay
        # The id follows from the seed and the how-manieth of its name, never from the order of
        # arrival: concurrent requests get the same ids in every replay of a seed.
        address = submission.project_id, submission.name
        nth = self._generations[address] = self._generations.get(address, 0) + 1
        text = "\0".join((str(self._settings.seed), *address, str(nth)))
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        workload = Workload(
            id=str(UUID(bytes=digest, version=4)),
            project_id=submission.project_id,
            project_name=project_name,
            name=submission.name,
            group=submission.kind.group,
            version=submission.version,
            kind=submission.kind.name,
            priority=submission.priority,
            category=submission.category,
            raw=raw,
            workload_manifest=self._complete(
                raw, submission.name, project_name, submission.priority, submission.category
            ),
            created_at=now,
            created_by=caller,
            updated_at=now,
            updated_by=caller,
            visible_at=now + faults.read_lag,
            listed_at=now + max(faults.read_lag, faults.list_lag),
            applying_at=now + delay / 2,
            settled_at=None if faults.stuck else now + delay,
            sync_failure=faults.sync_failure,
        )
        return self._save(workload)

    def _complete(
        self, raw: bytes, name: str, project: str, priority: str | None, category: str | None
    ) -> bytes:
        return encode(
            complete_manifest(
                raw, name=name, project_name=project, priority=priority, category=category
            )
        )

    def _save(self, workload: Workload) -> Workload:
        self._journal.append(workload, self._generations.get(workload.address, 1))
        self._remember(workload, self._write_head(workload))
        return workload

    def _remember(self, workload: Workload, head: bytes) -> None:
        if workload.id not in self._by_id:
            self._holders.setdefault(workload.address, []).append(workload.id)
        self._by_id[workload.id] = workload
        self._heads[workload.id] = head

    def _write_head(self, workload: Workload, gone_at: float | None = None) -> bytes:
        settings = self._settings
        return write_head(workload, settings.tenant_id, settings.cluster_id, gone_at=gone_at)

    def _sweep(self, horizon: float) -> None:
        """Forget what was gone by the horizon, as the control plane does after two weeks."""
        remaining = [w for w in self._by_id.values() if not w.is_gone(horizon)]
        heads = self._heads
        self._by_id, self._heads, self._holders = {}, {}, {}
        for workload in remaining:
            self._remember(workload, heads[workload.id])
        self._next_sweep = 2 * len(remaining) + _SWEEP_EVERY
