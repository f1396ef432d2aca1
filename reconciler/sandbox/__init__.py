"""A local Workloads V2 server: strict where the control plane is strict, hostile on demand.

It shares no code with the client, so that one wrong field name cannot be wrong on both sides.
"""

from reconciler.sandbox.connection import ConnectionLostError
from reconciler.sandbox.faults.rules import Fault, FaultRule, Route, read_rule
from reconciler.sandbox.faults.scenarios import SCENARIOS, Scenario, find_scenario
from reconciler.sandbox.ledger import Effect, Entry, Ledger, UpdateRecord
from reconciler.sandbox.sandbox import Sandbox
from reconciler.sandbox.server import serve
from reconciler.sandbox.settings import (
    DEMO,
    DEMO_CLIENT_ID,
    DEMO_SECRET,
    AfterDelete,
    Cluster,
    Credential,
    NodePool,
    Project,
    SandboxError,
    Settings,
)
from reconciler.sandbox.world.store import Store
from reconciler.sandbox.world.workload import Phase, Workload, WorkloadFaults

__all__ = [
    "DEMO",
    "DEMO_CLIENT_ID",
    "DEMO_SECRET",
    "SCENARIOS",
    "AfterDelete",
    "Cluster",
    "ConnectionLostError",
    "Credential",
    "Effect",
    "Entry",
    "Fault",
    "FaultRule",
    "Ledger",
    "NodePool",
    "Phase",
    "Project",
    "Route",
    "Sandbox",
    "SandboxError",
    "Scenario",
    "Settings",
    "Store",
    "UpdateRecord",
    "Workload",
    "WorkloadFaults",
    "find_scenario",
    "read_rule",
    "serve",
]
