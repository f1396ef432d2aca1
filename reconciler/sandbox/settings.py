"""The settings of a sandbox: who may log in, which projects exist, how long everything takes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

DEMO_CLIENT_ID = "demo"
# Public on purpose: it opens nothing but a throw-away server on the loopback interface.
DEMO_SECRET = "demo-secret-for-the-local-sandbox-only"  # noqa: S105 - documented, guards nothing


class SandboxError(Exception):
    """The sandbox cannot start as asked; the message says why and what to do instead."""


class AfterDelete(StrEnum):
    """How a GET answers once a deletion is complete; the API document leaves it open."""

    # A client has to take all three for an absence; documentation speaks of soft deletion only.
    MISSING = "missing"
    BODY = "body"
    BARE = "bare"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A client that may log in; `projects` of None means every project."""

    client_id: str
    client_secret: str
    projects: frozenset[str] | None = None
    writes: bool = True

    def may_see(self, project_id: str) -> bool:
        """Whether this client has any right in the project."""
        return self.projects is None or project_id in self.projects


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePool:
    """A project's GPUs in one node pool; no limit is None."""

    name: str
    deserved: float = 0.0
    limit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster beside the sandbox's own; a version of None is that of the control plane."""

    id: str
    name: str
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project by id (a string, as everywhere in the API) and by name.

    `cluster_id` of None is the cluster of the sandbox. A name may exist once on each cluster.
    `namespace` of None follows from the name. `phase` is what the API says of its state.
    """

    id: str
    name: str
    cluster_id: str | None = None
    # Ample: a sandbox schedules nothing, so its quota must not be what stops a rehearsal.
    gpu_quota: float = 1000.0
    # Without any, all of the quota is in the node pool `default`.
    pools: tuple[NodePool, ...] = ()
    phase: str = "Ready"
    namespace: str | None = None

    @property
    def quotas(self) -> tuple[NodePool, ...]:
        """The node pools with their quotas, the default one first."""
        return self.pools or (NodePool(name="default", deserved=self.gpu_quota),)


DEMO = Credential(client_id=DEMO_CLIENT_ID, client_secret=DEMO_SECRET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that shapes one sandbox; durations are seconds, sizes are bytes.

    Without `projects` any project id is accepted; with them, every other id is forbidden (403).
    """

    seed: int = 0
    # A name of versions.py; written out, since that module builds on this one.
    api_version: str = "3.0"
    # None follows the API version.
    cluster_version: str | None = None
    v1_token: bool = True
    credentials: tuple[Credential, ...] = (DEMO,)
    projects: tuple[Project, ...] = ()
    categories: tuple[str, ...] = ("Build", "Train", "Deploy")
    tenant_id: int = 1
    # Fixed, as the issuer is: what a client has recorded stays true over restarts.
    cluster_id: str = "9c1f7b64-5a0e-4a61-8d5e-2f0f6a3f8b10"
    clusters: tuple[Cluster, ...] = ()
    issuer: str = "http://sandbox.localhost/auth/realms/sandbox"
    token_lifetime: float = 3600.0
    refresh_lifetime: float = 36_000.0
    # Whether a v1 login says when it expires; None: from 2.24 on, as the documents say.
    says_expiry: bool | None = None
    sync_delay: float = 0.0
    delete_delay: float = 0.0
    latency: float = 0.0
    after_delete: AfterDelete = AfterDelete.MISSING
    # Whether a 409 names the id in the way. No document says so; a client must do without.
    conflict_names_id: bool = False
    listing: bool = True
    control: bool = False
    faults: tuple[str, ...] = ()
    # Above the longest base64 manifest that is allowed, so that this is refused by its own rule.
    max_body: int = 4 * 1024 * 1024
    data: Path | None = None
    ledger: Path | None = None
    # A server that runs for weeks must not grow by its own book-keeping; None keeps everything.
    ledger_limit: int | None = 100_000
