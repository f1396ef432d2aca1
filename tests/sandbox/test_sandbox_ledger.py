from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from reconciler.sandbox import Effect, Entry, Sandbox, SandboxError, Settings
from tests.sandbox.rigs import START, WORKLOADS, Rig, request


def test_every_request_is_in_the_book_in_order() -> None:
    """Method, address, answer and effect of each request, also of those that came to nothing."""
    rig = Rig()
    workload_id = rig.create()
    rig.ask("POST", WORKLOADS, json=request())
    rig.ask("POST", WORKLOADS, content=b"{")
    rig.get(workload_id)
    rig.delete(workload_id)
    rig.ask("GET", "/elsewhere", token=None)
    assert [
        (e.seq, e.method, e.project_id, e.name, e.status, e.effect) for e in rig.sandbox.ledger
    ] == [
        (1, "POST", "4501", "a", 202, "created"),
        (2, "POST", "4501", "a", 409, None),
        (3, "POST", None, None, 415, None),
        (4, "GET", "4501", "a", 200, None),
        (5, "DELETE", "4501", "a", 202, "deleted"),
        (6, "GET", None, None, 404, None),
    ]
    assert {e.id for e in rig.sandbox.ledger if e.effect} == {workload_id}
    assert [e.caller for e in rig.sandbox.ledger] == ["demo"] * 5 + [None]
    assert not any(e.misled for e in rig.sandbox.ledger)


def test_the_ledger_file_holds_the_same_lines(tmp_path: Path) -> None:
    """Each entry is one JSON line, there before the client has its answer."""
    path = tmp_path / "ledger.jsonl"
    rig = Rig("lost on=DELETE", ledger=path)
    rig.create()
    (line,) = path.read_text().splitlines()
    (entry,) = rig.sandbox.ledger
    rig.sandbox.close()
    assert json.loads(line) == {
        "seq": 1,
        "cause": None,
        "arrived": START,
        "decided": START,
        "method": "POST",
        "path": WORKLOADS,
        "caller": "demo",
        "project_id": "4501",
        "name": "a",
        "id": entry.id,
        "marker": "lineage/op-1",
        "status": 202,
        "effect": "created",
        "fault": None,
        "in_flight": 1,
        "told": True,
        "misled": False,
    }


def test_an_answer_that_nobody_waited_for_is_corrected(tmp_path: Path) -> None:
    """A later line with the same number takes the place of the first."""
    path = tmp_path / "ledger.jsonl"
    rig = Rig("slow=5s on=POST", ledger=path)
    headers = {"authorization": f"Bearer {rig.sandbox_token()}"}

    async def impatient() -> None:
        rig.endless = asyncio.Event()
        asked = asyncio.create_task(rig.send("POST", WORKLOADS, json=request(), headers=headers))
        await rig.endless.wait()
        asked.cancel()
        await asyncio.wait([asked])

    asyncio.run(impatient())
    rig.sandbox.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["seq"], line["status"], line["misled"]) for line in lines] == [
        (1, 202, False),
        (1, None, True),
    ]
    assert [entry.misled for entry in rig.sandbox.ledger.effects(Effect.CREATED)] == [True]


def test_a_long_ledger_drops_its_oldest_entries() -> None:
    """Memory is bounded; the numbers go on."""
    rig = Rig(ledger_limit=2)
    for name in ("a", "b", "c"):
        rig.create(name)
    assert [entry.seq for entry in rig.sandbox.ledger.entries] == [2, 3]
    assert [entry.seq for entry in rig.sandbox.ledger.since(2)] == [3]


def test_a_listener_hears_every_entry() -> None:
    """The request log of the command is such a listener."""
    rig = Rig()
    heard: list[Entry] = []
    rig.sandbox.ledger.listen(heard.append)
    rig.create()
    assert heard == list(rig.sandbox.ledger)


def test_a_ledger_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    """A sandbox without its ledger must not start."""
    with pytest.raises(SandboxError, match="cannot write the ledger"):
        Sandbox(Settings(ledger=tmp_path / "no" / "ledger"))
