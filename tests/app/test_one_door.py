"""There is one door to a server, and whether it may be opened is decided behind it."""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import reconciler
from reconciler.app.session import Connector

PACKAGE = Path(reconciler.__file__).parent
# What each of these makes is a step towards a server. Who else calls one goes past the decision.
MAKERS = {
    "CheckedServer": {"app/target.py"},
    "check_server": {"app/session.py"},
    "HttpWorkloadApi": {"app/session.py"},
    "make_transport": {"app/session.py"},
    "PooledTransport": {"api/connection/transport.py"},
    "Session": {"app/session.py"},
    # A state opens the session with its server itself, so that the two are compared.
    "open_session": {"app/state/beside_server.py"},
    "StateBesideServer": {"app/state/beside_server.py"},
    "PinnedTarget": {"app/state/beside_server.py"},
    "need_same_target": {"app/session.py", "app/state/beside_server.py", "app/target.py"},
    "Connector": set(),
    "system": {"cli/connecting.py"},
    # A state confirms the server that it was made for.
    "create_state": {
        "app/state/beside_server.py",
        "app/state/moving.py",
        "app/state/relocating.py",
        "app/state/states.py",
        "state/places.py",
    },
}


def calls() -> Iterator[tuple[str, str]]:
    """Every call in the program, by the last part of what is called, with the file it is in."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                match node.func:
                    case ast.Name(id=name) | ast.Attribute(attr=name):
                        yield name, path.relative_to(PACKAGE).as_posix()
                    case _:
                        pass


def test_nobody_goes_past_the_decision() -> None:
    """Clients, transports, sessions and checked servers are made where the pin is compared."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, file in calls():
        if name in MAKERS:
            found[name].add(file)
    assert {name: found[name] for name in MAKERS} == MAKERS


@pytest.mark.parametrize(
    ("method", "needed"), [(Connector.open_session, "pin"), (Connector.client, "server")]
)
def test_the_door_has_to_be_told_whose_state_it_is(method: object, needed: str) -> None:
    """No default: a command without a state says so in writing."""
    assert callable(method)
    parameter = inspect.signature(method).parameters[needed]
    assert parameter.default is inspect.Parameter.empty
