"""A local Workloads V2 server: strict where the control plane is strict, hostile on demand.

It shares no code with the client, so that one wrong field name cannot be wrong on both sides.
"""

from reconciler.sandbox.ledger import Effect, Entry, Ledger
from reconciler.sandbox.rules import Fault, FaultRule, Route, read_rule
from reconciler.sandbox.sandbox import Sandbox
from reconciler.sandbox.scenarios import SCENARIOS, Scenario, find_scenario
from reconciler.sandbox.server import serve
from reconciler.sandbox.settings import (
    DEMO,
    DEMO_CLIENT_ID,
    DEMO_SECRET,
    AfterDelete,
    Credential,
    Project,
    SandboxError,
    Settings,
)
from reconciler.sandbox.store import Store
from reconciler.sandbox.wire import ConnectionLostError
from reconciler.sandbox.workload import Phase, Workload

__all__ = [
    "DEMO",
    "DEMO_CLIENT_ID",
    "DEMO_SECRET",
    "SCENARIOS",
    "AfterDelete",
    "ConnectionLostError",
    "Credential",
    "Effect",
    "Entry",
    "Fault",
    "FaultRule",
    "Ledger",
    "Phase",
    "Project",
    "Route",
    "Sandbox",
    "SandboxError",
    "Scenario",
    "Settings",
    "Store",
    "Workload",
    "find_scenario",
    "read_rule",
    "serve",
]
