"""What would be adopted, as people and programs read it."""

from __future__ import annotations

from typing import Any

from reconciler.core.model import Desired
from reconciler.core.planning.adoption import Adoption, NotAdopted, NotAdoptedReason, Proposal
from reconciler.core.protocol.marker import Marker
from reconciler.report.text.adoption import proposal_document, proposal_text
from reconciler.report.text.color import ColorWriter
from tests.support.factories import (
    make_address,
    make_desired,
    make_manifest,
    make_recorded,
    make_remote,
    plan_for,
)

INDENT = " " * 11


def adoption(desired: Desired, there: Desired, **more: Any) -> Adoption:
    """A workload that is there, and what a spec makes of it."""
    row = make_recorded(there, id="1b4e28ba")
    (action,) = plan_for([desired], [row], {"1b4e28ba": make_remote(row)}).actions
    return Adoption(row=row, then=action, **more)


def left(name: str, why: NotAdoptedReason, message: str, hint: str = "") -> NotAdopted:
    """A workload that is left alone."""
    return NotAdopted(
        id=f"id-{name}", address=make_address(f"4501/{name}"), why=why, message=message, hint=hint
    )


def test_a_proposal_says_what_follows_and_what_is_left() -> None:
    """A way out stands once below those that share it; what is recorded is only counted."""
    here = make_desired(file="a.yaml", line=3, manifest=make_manifest(gpus=2))
    there = make_desired(manifest=make_manifest(gpus=1))
    owner = Marker(lineage="5e0d", op="1", stack="green")
    proposal = Proposal(
        project="4501",
        adoptions=(adoption(here, there, owner=owner),),
        skipped=(
            left(
                "b",
                NotAdoptedReason.FOREIGN,
                "workload id-b belongs to stack 'x'",
                "add --take-over",
            ),
            left(
                "c",
                NotAdoptedReason.FOREIGN,
                "workload id-c belongs to stack 'x'",
                "add --take-over",
            ),
            left("d", NotAdoptedReason.RECORDED, "4501/d is recorded already"),
            NotAdopted(
                id="e", why=NotAdoptedReason.UNKNOWN, message="workload e is listed, and not there"
            ),
        ),
    )
    field = "/manifest/spec/template/spec/containers/0/resources/limits/nvidia.com~1gpu"
    kept = "its ownership annotation names that stack until it is replaced"
    then = "changed; API 2.23 can only delete and create"
    counts = "left: 1 recorded already, 2 of another owner, 1 unreadable."
    assert proposal_text(proposal, ColorWriter(), prefix="../").splitlines() == [
        "  > adopt  4501/llm  Deployment  1 GPU  ../a.yaml:3  id 1b4e28ba",
        f"{INDENT}taken over from stack 'green' (state 5e0d): {kept}",
        f"{INDENT}next plan: replace: {field} {then}",
        f"{INDENT}~ {field}: 1 → 2",
        "Left alone:",
        "  4501/b: workload id-b belongs to stack 'x'",
        "  4501/c: workload id-c belongs to stack 'x'",
        "  hint: add --take-over",
        "  workload e is listed, and not there",
        f"Adopt: 1 workload, GPUs 1; next plan: 1 to replace; {counts}",
    ]
    marked = proposal_text(proposal, ColorWriter(), marks=True).splitlines()
    assert marked[1] == (
        f"{INDENT}taken over from stack 'green' (state 5e0d): our mark takes the place of that "
        "stack's"
    )


def test_nothing_to_adopt_is_said() -> None:
    """With the reasons all the same."""
    proposal = Proposal(adoptions=(), skipped=(left("d", NotAdoptedReason.RECORDED, "it is"),))
    assert proposal_text(proposal, ColorWriter()).splitlines() == [
        "Nothing to adopt.",
        "Adopt: 0 workloads, GPUs 0; left: 1 recorded already.",
    ]


def test_no_word_of_a_server_moves_a_cursor() -> None:
    """Kinds, owners and messages come from others."""
    odd = make_desired(manifest={**make_manifest(), "kind": "\x1b[31mJob"})
    owner = Marker(lineage="\x1b[2J", op="1", stack="\u202e")
    proposal = Proposal(
        adoptions=(adoption(odd, odd, owner=owner),),
        skipped=(left("b", NotAdoptedReason.FOREIGN, "\x1b]0;x\x07", "\x9b"),),
    )
    text = proposal_text(proposal, ColorWriter())
    assert not any(char in text for char in "\x1b\x07\x9b\u202e")
    assert "GPUs that cannot be counted" in text


def test_a_proposal_for_programs() -> None:
    """The same as a document; what nobody declares has no source."""
    found = make_recorded(id="1b4e28ba")
    (action,) = plan_for([], [found]).actions
    proposal = Proposal(
        project="4501",
        adoptions=(Adoption(row=found, then=action),),
        skipped=(left("b", NotAdoptedReason.LEAVING, "it goes"),),
    )
    assert proposal_document(proposal, done=True) == {
        "project": "4501",
        "done": True,
        "adoptions": [
            {
                "address": "4501/llm",
                "id": "1b4e28ba",
                "kind": "Deployment",
                "gpus": 1.0,
                "source": None,
                "owner": None,
                "next": {
                    "action": "delete",
                    "reason": "removed-from-specs",
                    "detail": "no spec declares it any more, created by run run-1",
                    "changes": [],
                },
            }
        ],
        "skipped": [
            {
                "address": "4501/b",
                "id": "id-b",
                "why": "leaving",
                "message": "it goes",
                "hint": None,
            }
        ],
        "summary": {"adopted": 1, "taken_over": 0, "skipped": 1},
    }
