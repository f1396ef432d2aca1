from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.protocol.adaptive_limit import FLOOR, START, AdaptiveLimit


def serve(pace: AdaptiveLimit, count: int, latency: float = 0.05) -> None:
    """So many successes."""
    for _ in range(count):
        pace.succeeded(latency)


def refuse(pace: AdaptiveLimit, count: int) -> None:
    """So many refusals."""
    for _ in range(count):
        pace.refused()


def test_it_doubles_until_the_first_refusal() -> None:
    """Every success makes room for one more, up to the ceiling."""
    pace = AdaptiveLimit(64)
    assert pace.limit == START
    serve(pace, 8)
    assert pace.limit == 16
    serve(pace, 100)
    assert pace.limit == 64


def test_after_a_refusal_it_grows_by_one_a_round() -> None:
    """What has refused once is felt out."""
    pace = AdaptiveLimit(64)
    refuse(pace, 1)
    serve(pace, 8)
    assert pace.limit == 8
    serve(pace, 2)
    assert pace.limit == 9


def test_refusals_that_slowing_down_cures_are_remembered_as_an_edge() -> None:
    """Cut, cured, and from then on creeping towards where it began."""
    pace = AdaptiveLimit(64)
    serve(pace, 200)
    refuse(pace, 64)
    assert pace.limit == 44
    serve(pace, 44)
    below = pace.limit
    serve(pace, 44)
    assert below <= pace.limit <= below + 1


def test_refusals_that_nothing_cures_are_noise() -> None:
    """A server that refuses at random is not left idle: the limit comes back."""
    pace = AdaptiveLimit(64)
    serve(pace, 200)
    for _ in range(2_000):
        pace.succeeded(0.05)
        pace.refused()
    assert pace.limit >= 32


def test_spacing_is_the_time_between_successes() -> None:
    """Without a success there is nothing to go by."""
    pace = AdaptiveLimit(4)
    assert pace.spacing == 0.0
    serve(pace, 10, latency=0.2)
    assert abs(pace.spacing - 0.05) < 1e-9


@given(
    ceiling=st.integers(1, 200),
    outcomes=st.lists(st.one_of(st.none(), st.floats(0.0, 60.0)), max_size=600),
)
def test_the_limit_stays_between_its_floor_and_the_ceiling(
    ceiling: int, outcomes: list[float | None]
) -> None:
    """Whatever happens, something may be sent, and never more than was allowed."""
    pace = AdaptiveLimit(ceiling)
    for latency in outcomes:
        if latency is None:
            pace.refused()
        else:
            pace.succeeded(latency)
        assert min(FLOOR, ceiling) <= pace.limit <= ceiling
        assert pace.spacing >= 0.0
