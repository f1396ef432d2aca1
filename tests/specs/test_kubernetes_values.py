from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.specs.kubernetes.schedules import problem_of_schedule
from reconciler.specs.kubernetes.syntax import (
    problem_of_api_version,
    problem_of_key,
    problem_of_label,
    problem_of_label_value,
    problem_of_name,
    read_quantity,
)
from tests.specs.manifests import CONTAINERS, NIM, findings, fresh, manifest, said


@pytest.mark.parametrize(
    ("notes", "found"),
    [
        ({"gpu-fraction": "0.5"}, []),
        ({"gpu-fraction": ".25", "gpu-fraction-num-devices": "2"}, []),
        ({"gpu-memory": "4096"}, []),
        ({"gpu-fraction": "5e-1"}, []),
        ({"gpu-fraction": "1"}, ["gpu-fraction is a whole GPU, not a share of one"]),
        ({"gpu-fraction": "0"}, ["gpu-fraction must be a share between 0 and 1, not '0'"]),
        ({"gpu-fraction": "1.5"}, ["gpu-fraction must be a share between 0 and 1, not '1.5'"]),
        ({"gpu-fraction": "50%"}, ["gpu-fraction must be a share between 0 and 1, not '50%'"]),
        ({"gpu-memory": "0"}, ["gpu-memory must be a whole number of MiB above 0, not '0'"]),
        ({"gpu-memory": "1.5"}, ["gpu-memory must be a whole number of MiB above 0, not '1.5'"]),
        (
            {"gpu-fraction-num-devices": "2"},
            ["gpu-fraction-num-devices needs gpu-fraction or gpu-memory beside it"],
        ),
    ],
)
def test_shares_of_a_gpu(notes: dict[str, str], found: list[str], tmp_path: Path) -> None:
    """What the scheduler takes is taken, in a template as in a Pod or a Notebook of its own."""
    for kind in ("Deployment", "Pod", "Notebook", "InferenceService"):
        value = fresh(kind)
        holder = value["spec"]["template"] if kind == "Deployment" else value
        holder.setdefault("metadata", {})["annotations"] = notes
        assert [one.message for one in findings(tmp_path, value)] == found


@pytest.mark.parametrize(
    ("resources", "found"),
    [
        ({"limits": {"cpu": 2, "memory": "4Gi", "nvidia.com/gpu": "2"}}, []),
        ({"requests": {"cpu": "500m"}, "limits": {"cpu": 0.5}}, []),
        ({"requests": {"memory": "1e3"}, "limits": {"memory": "1k"}}, []),
        ({"limits": {"nvidia.com/gpu": "2000m"}}, []),
        ({"limits": None, "requests": {"cpu": None}}, []),
        ({"limits": {"nvidia.com/gpu": 1.5}}, [("bad-gpu-request", "limits/nvidia.com~1gpu")]),
        (
            {"limits": {"nvidia.com/mig-1g.5gb": "x"}},
            [("bad-gpu-request", "limits/nvidia.com~1mig-1g.5gb")],
        ),
        (
            {"requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": 2}},
            [("bad-gpu-request", "requests/nvidia.com~1gpu")],
        ),
        ({"limits": {"example.com/fpga": 0.5}}, [("bad-quantity", "limits/example.com~1fpga")]),
        ({"limits": {"cpu": "-1"}}, [("bad-quantity", "limits/cpu")]),
        ({"limits": {"cpu": "1 core"}}, [("bad-quantity", "limits/cpu")]),
        ({"limits": {"cpu": "1e999999999"}}, [("bad-quantity", "limits/cpu")]),
        ({"limits": {"cpu": "9" * 5000}}, [("bad-quantity", "limits/cpu")]),
        (
            {"requests": {"memory": "2Gi"}, "limits": {"memory": "2G"}},
            [("bad-quantity", "requests/memory")],
        ),
        ({"limits": {"cpu": True}}, [("bad-quantity", "limits/cpu")]),
    ],
)
def test_amounts(resources: Any, found: list[tuple[str, str]], tmp_path: Path) -> None:
    """Amounts are those that Kubernetes takes; GPUs come whole, and as limits."""
    value = manifest("v1", "Pod", {"containers": [{**CONTAINERS[0], "resources": resources}]})
    place = "/spec/containers/0/resources"
    assert said(tmp_path, value) == [(code, f"{place}/{path}") for code, path in found]


def test_amounts_outside_of_pods(tmp_path: Path) -> None:
    """They are found wherever a kind has them: in a model server, a claim or a service."""
    wrong = {"limits": {"memory": "4GB"}}
    values = [
        manifest(
            "serving.kserve.io/v1beta1",
            "InferenceService",
            {"predictor": {"model": {"modelFormat": {"name": "onnx"}, "resources": wrong}}},
        ),
        manifest("apps.nvidia.com/v1alpha1", "NIMService", {**NIM, "resources": wrong}),
    ]
    assert [said(tmp_path, value) for value in values] == [
        [("bad-quantity", "/spec/predictor/model/resources/limits/memory")],
        [("bad-quantity", "/spec/resources/limits/memory")],
    ]


def test_amounts_that_are_filled_in_later(tmp_path: Path) -> None:
    """A workflow's parameters are no amounts yet, so they are left alone."""
    value = manifest(
        "argoproj.io/v1alpha1",
        "Workflow",
        {"templates": [{"container": {"resources": {"limits": {"cpu": "{{inputs.cpu}}"}}}}]},
    )
    assert said(tmp_path, value) == []


QUANTITIES = st.tuples(
    st.sampled_from(["", "+", "-"]),
    st.decimals(0, 9999, places=3, allow_nan=False, allow_infinity=False),
    st.sampled_from(
        [
            *(("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9)),
            *(("T", 12), ("P", 15), ("E", 18), ("e3", 3), ("E-2", -2)),
        ]
    ),
)


@given(QUANTITIES)
def test_decimal_quantities(parts: tuple[str, Decimal, tuple[str, int]]) -> None:
    """A sign, a number and a suffix are the number times the power that the suffix stands for."""
    sign, number, (suffix, power) = parts
    expected = (-number if sign == "-" else number).scaleb(power)
    assert read_quantity(f"{sign}{number}{suffix}") == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [("1Ki", 1024), ("1.5Mi", 1572864), (".5", Decimal("0.5")), ("5.", 5), ("1Ei", 2**60)],
)
def test_other_quantities(text: str, value: Any) -> None:
    """Binary suffixes are powers of 1024, and a point may stand at either end."""
    assert read_quantity(text) == value


@given(st.text(max_size=6))
def test_what_is_no_quantity(text: str) -> None:
    """Any text is a quantity or none, and never more than that."""
    read = read_quantity(text)
    assert read is None or text.strip("+-0123456789.eEinumkKMGTP") == ""


RIGHT_SCHEDULES = [
    *("* * * * *", "0 2 * * 0", "*/15 0-6,18-23 1 jan-MAR mon,fri", "0 0 ? * ?", "5/10 * * * *"),
    *("@hourly", "@every 1h30m", "  0  2 * *  6 ", "0 0 31 12 6", "*/100 * * * *"),
]
WRONG_SCHEDULES = {
    "": "has 0 fields instead of five: minute, hour, day, month, day of the week",
    "* * * *": "has 4 fields instead of five: minute, hour, day, month, day of the week",
    "0 0 * * * *": "has 6 fields instead of five: minute, hour, day, month, day of the week",
    "60 * * * *": "has a minute '60' that is not within 0 to 59",
    "* 24 * * *": "has a hour '24' that is not within 0 to 23",
    "* * 0 * *": "has a day of the month '0' that is not within 1 to 31",
    "* * * 13 *": "has a month '13' that is not within 1 to 12",
    "* * * * 7": "has a day of the week '7' that is not within 0 to 6",
    "* * * * sunday": "has a day of the week 'sunday' that is not within 0 to 6",
    "9-5 * * * *": "has a minute '9-5' that ends before it begins",
    "*/0 * * * *": "has a minute '*/0' that has a step of 0",
    "* * L * *": "has a day of the month 'L' that is not within 1 to 31",
    "* * * * 1#2": "has a day of the week '1#2' that cannot be read",
    "1,,2 * * * *": "has a minute '1,,2' that cannot be read",
    "CRON_TZ=UTC 0 0 * * *": "sets a time zone, which belongs into 'timeZone'",
}


@pytest.mark.parametrize("schedule", RIGHT_SCHEDULES)
def test_schedules(schedule: str) -> None:
    """What the controller's parser takes is right."""
    assert problem_of_schedule(schedule) == ""


@pytest.mark.parametrize("schedule", WRONG_SCHEDULES)
def test_what_is_no_schedule(schedule: str) -> None:
    """What it refuses is said with the field that it refuses."""
    assert problem_of_schedule(schedule) == WRONG_SCHEDULES[schedule]


def test_the_words_for_schedules() -> None:
    """A word for a schedule is one of a few, as they are spelt."""
    assert problem_of_schedule("@Daily").startswith("is none of @annually, @daily")
    assert problem_of_schedule("@every day").startswith("is none of @annually, @daily")


@pytest.mark.parametrize(
    ("problem_of", "right", "wrong"),
    [
        (problem_of_name, ["a", "a.b-c.1", "a" * 253], ["", "A", "a.", ".a", "a..b", "a" * 254]),
        (problem_of_label, ["a", "1-a", "a" * 63], ["", "a.b", "-a", "a-", "a\n", "a" * 64]),
        (problem_of_label_value, ["", "A.b_c-1", "a" * 63], ["a b", "-a", "a/b", "a" * 64, "ä"]),
        (
            problem_of_key,
            ["app", "example.com/App.name", "a/b", f"{'a' * 253}/{'b' * 63}"],
            ["", "/a", "a/", "a/b/c", "Example.com/a", "-a", "a b", f"{'a' * 254}/b"],
        ),
        (
            problem_of_api_version,
            ["v1", "apps/v1", "kubeflow.org/v2beta1"],
            ["", "/v1", "apps/", "Apps/v1", "a/b/v1", "apps/V1", "v1\n"],
        ),
    ],
)
def test_grammars(problem_of: Any, right: list[str], wrong: list[str]) -> None:
    """Names, keys and versions are taken exactly as Kubernetes takes them."""
    assert [text for text in right if problem_of(text)] == []
    assert [text for text in wrong if not problem_of(text)] == []
