from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.gpus import GpuRequest, count_gpus
from reconciler.kinds.registry import KINDS
from tests.core.gpu_manifests import SPECS, manifests
from tests.core.gpu_reference import MADE_BY, count_by_hand
from tests.core.manifests import API_VERSIONS, DECIDED_LATER, UNREGISTERED, manifest
from tests.support.strategies import json_values


@settings(max_examples=400)
@given(manifests())
def test_the_walker_agrees_with_making_every_pod_one_by_one(generated: Any) -> None:
    """Multiplying out gives exactly what counting pod after pod gives, for every kind."""
    assert count_gpus(generated) == count_by_hand(generated)


def test_every_kind_is_played_or_cannot_be() -> None:
    """The reference has each kind that the walker has; the others wait for their controllers."""
    walked = {kind for _, kind in KINDS}
    assert walked == {*API_VERSIONS, *DECIDED_LATER}
    assert set(MADE_BY) == set(SPECS) == set(API_VERSIONS)


@given(st.sampled_from(sorted((DECIDED_LATER | UNREGISTERED).items())), json_values)
def test_a_kind_that_nobody_can_walk_is_unknown(which: tuple[str, str], spec: Any) -> None:
    """Whatever stands in it: it is never counted as nothing."""
    kind, version = which
    found = count_gpus(manifest(kind, spec, version=version))
    assert found == GpuRequest(unknown=found.unknown)
    assert found.unknown
    assert not found.known
