"""Rehearse a bad day: the demo's story against a hostile sandbox, with the sandbox as referee.

Run it from the root of the repository: `python -m tools.rehearse storm`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.support.sandboxes import Sandbox
from tools.demo import DIM, PLAIN, Demo, DemoError, play

STATE = "workloads/.reconciler/state.db"
# Incomplete, and in doubt: both say that running again is what to do next.
AGAIN = (4, 8)
ATTEMPTS = 5


class Referee:
    """What the sandbox itself knows, asked for past our client, its state and the weather."""

    def __init__(self, server: Sandbox) -> None:
        self._server = server

    def living(self) -> list[tuple[str, str]]:
        """Address and id of every workload that is neither gone nor going, sorted."""
        found = self._server.ask("/sandbox/workloads")["workloads"]
        return sorted(
            (f"{one['projectId']}/{one['name']}", one["id"])
            for one in found
            if one["phase"] not in ("Deleting", "Deleted")
        )

    def entries(self) -> list[dict[str, Any]]:
        """The whole ledger."""
        entries: list[dict[str, Any]] = self._server.ask("/sandbox/ledger")["entries"]
        return entries

    def created(self) -> Counter[str]:
        """How often each address has been created since the beginning."""
        return Counter(
            f"{entry['project_id']}/{entry['name']}"
            for entry in self.entries()
            if entry["effect"] == "created"
        )

    def order(self, *faults: str) -> None:
        """Change the weather."""
        self._server.ask("/sandbox/faults", {"faults": faults}, method="PUT")


def converge(demo: Demo, command: str | Callable[[], str]) -> None:
    """Run a command, and again as long as it says that this is what to do."""
    for _ in range(ATTEMPTS):
        text = command if isinstance(command, str) else command()
        code, _ = demo.attempt(text)
        if code == 0:
            return
        if code not in AGAIN:
            raise DemoError(f"{text!r} ended with {code}")
        print(f"{DIM}(exit code {code}: run it again){PLAIN}", flush=True)
    raise DemoError(f"it did not get there in {ATTEMPTS} attempts")


def records(demo: Demo) -> list[tuple[str, str]]:
    """Address and id of every workload that our own state records as there, sorted."""
    found = json.loads(demo.ask(f"reconciler state list -q -o json --state {STATE}"))
    # What is gone may leave a ghost for some minutes: a lost create of it could still come true.
    return sorted(
        (one["address"], one["id"]) for one in found if one["own"] != "LATE_CREATE_POSSIBLE"
    )


def insist(demo: Demo, referee: Referee) -> None:
    """Nothing is left to do, and the server has what is declared: each once, each on record."""
    specs = json.loads(demo.ask("reconciler render workloads -q -o json"))
    declared = sorted(f"{s['metadata']['projectId']}/{s['metadata']['name']}" for s in specs)
    quiet = f"Plan: 0 to create, 0 to update, 0 to replace, 0 to delete; {len(declared)} unchanged"
    demo.run("reconciler plan workloads --detailed-exitcode", expect=quiet)
    living = referee.living()
    if [address for address, _ in living] != declared:
        raise DemoError(f"the server has {living}, declared are {declared}")
    if living != records(demo):
        raise DemoError(f"the server has {living}, on record are {records(demo)}")
    print(f"{DIM}(the server has exactly the {len(living)} declared, each once){PLAIN}", flush=True)


def conclude(referee: Referee, expected: Counter[str]) -> None:
    """Close the book: how bad it was, and that no create was carried out once too often."""
    entries, created = referee.entries(), referee.created()
    if created != expected:
        raise DemoError(f"created too often: {created - expected}; never: {expected - created}")
    struck = sum(entry["fault"] is not None for entry in entries)
    misled = sum(entry["misled"] for entry in entries)
    print(
        f"\nThe sandbox's ledger: {len(entries)} requests, {struck} of them struck; {misled} "
        f"changes were made whose answer never came; {created.total()} workloads were created "
        f"for {len(created)} addresses, as declared, and none twice."
    )


def storm(demo: Demo, server: Sandbox) -> None:
    """The demo's story while three requests in ten fail and answers get lost."""
    referee = Referee(server)
    demo.say("Create everything, in a storm")
    converge(demo, "reconciler apply workloads --yes --init")
    insist(demo, referee)
    expected = Counter(address for address, _ in referee.living())

    demo.say("Change one, in place")
    demo.run("sed -i.bak 's/replicas: 2/replicas: 3/' workloads/serving/chat.yaml")
    demo.run("rm workloads/serving/chat.yaml.bak")
    converge(demo, "reconciler apply workloads --yes")
    insist(demo, referee)

    demo.say("Remove one")
    demo.run("rm workloads/research/reward-model.yaml")
    converge(demo, "reconciler apply workloads --yes")
    insist(demo, referee)

    demo.say("Take everything away")
    demo.run(f"reconciler state unprotect 4503/vector-store --state {STATE}")
    # What is left to delete must be stated, and is less if it has to be run again.
    converge(
        demo,
        lambda: f"reconciler destroy workloads --yes --allow-deletes {len(records(demo))}",
    )
    if referee.living() or records(demo):
        raise DemoError(f"there is still {referee.living()}, on record {records(demo)}")
    conclude(referee, expected)


def outage(demo: Demo, server: Sandbox) -> None:
    """The gateway goes away in the middle of an apply, and again before a plan."""
    referee = Referee(server)
    demo.say("The gateway fails from the twelfth request on, 15 s after now it is back")
    referee.order("503 page=html at=all nth=12- for=15s")
    converge(demo, "reconciler apply workloads --yes --init")
    insist(demo, referee)
    expected = Counter(address for address, _ in referee.living())

    demo.say("An outage is no reason to believe that everything is gone")
    referee.order("503 page=html at=all")
    demo.run("reconciler plan workloads --deadline 5s", code=9, absent="to create")
    demo.run("reconciler apply workloads --yes --deadline 5s", code=9, absent="to create")
    referee.order()

    demo.say("It is over: nothing has changed")
    insist(demo, referee)
    conclude(referee, expected)


def main() -> int:
    """Play one rehearsal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rehearsal", choices=["storm", "outage"])
    parser.add_argument("--seed", default="1", help="another seed is another storm")
    arguments = parser.parse_args()
    options = ["--control", "--seed", arguments.seed]
    if arguments.rehearsal == "storm":
        return play(storm, *options, "--scenario", "storm")
    return play(outage, *options)


if __name__ == "__main__":
    sys.exit(main())
