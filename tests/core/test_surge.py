"""How many GPUs more than before a plan needs at least, and what refuses too many."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from reconciler.core.model import Desired
from reconciler.core.planning.plan import Plan
from reconciler.core.quotas.surge import check_surge, find_least_surge
from tests.support.factories import make_desired, make_manifest, make_recorded, plan_for

Sizes = dict[str, int]


def plan_of(before: Sizes, after: Sizes, **waves: int) -> Plan:
    """From workloads of so many GPUs to others; each is of wave 0 if nothing else is said."""

    def asking(name: str, gpus: int) -> Desired:
        manifest = make_manifest(gpus=gpus)
        return make_desired(f"4501/{name}", manifest=manifest, wave=waves.get(name, 0))

    rows = [make_recorded(asking(name, gpus)) for name, gpus in before.items()]
    return plan_for([asking(name, gpus) for name, gpus in after.items()], rows)


@pytest.mark.parametrize(
    ("before", "after", "waves", "least"),
    [
        ({}, {"a": 8}, {}, 8.0),
        ({"a": 8}, {"b": 8}, {}, 0.0),
        ({"a": 8}, {"b": 12}, {}, 4.0),
        # A replace gives its own back first, and what it needs no more is there for others.
        ({"a": 8}, {"a": 4, "b": 4}, {}, 0.0),
        ({"a": 8}, {"a": 12}, {}, 4.0),
        # A build of an earlier wave cannot wait for one of a later wave; a deletion is no build.
        ({"a": 8}, {"a": 4, "b": 4}, {"a": 1}, 4.0),
        ({"a": 8}, {"b": 8}, {"a": 1}, 0.0),
        ({"a": 8}, {"a": 4, "b": 4}, {"b": 1}, 0.0),
        ({"a": 8}, {}, {}, 0.0),
    ],
)
def test_the_order_that_takes_the_fewest(
    before: Sizes, after: Sizes, waves: dict[str, int], least: float
) -> None:
    """Exactly that many are enough, and one fewer is refused."""
    plan = plan_of(before, after, **waves)
    assert find_least_surge(plan) == least
    assert list(check_surge(plan, least)) == []
    assert list(check_surge(plan, None)) == []
    if least:
        assert len(list(check_surge(plan, least - 1))) == 1


def test_a_refusal_names_the_number_that_would_do() -> None:
    """Also what to leave out, where GPUs cannot be counted at all."""
    [refusal] = check_surge(plan_of({"a": 8}, {"b": 8, "c": 4}), 2.0)
    assert dataclasses.astuple(refusal) == (
        "max-surge-gpus",
        (
            "--max-surge-gpus 2 cannot be kept: whatever the order, this plan asks for 4 GPUs more "
            "than before at some time"
        ),
        "re-run with --max-surge-gpus 4, or leave a part of it out with -x",
    )
    manifest: dict[str, Any] = {**make_manifest(), "kind": "Unheard", "apiVersion": "x.y/v1"}
    [uncounted] = check_surge(plan_for([make_desired("4501/x", manifest=manifest)], []), 100.0)
    assert (uncounted.message, uncounted.hint) == (
        "--max-surge-gpus 100 cannot be kept: the GPUs of 4501/x cannot be counted (1 in all)",
        "leave it out with -x 4501/x, or apply without --max-surge-gpus",
    )
