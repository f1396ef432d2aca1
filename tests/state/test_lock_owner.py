from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from reconciler.errors import LockedError
from reconciler.state.locking.lock_owner import job_link
from reconciler.state.sqlite import create_state, open_state
from tests.support.factories import make_target

GITHUB = {
    "GITHUB_SERVER_URL": "https://github.example.com",
    "GITHUB_REPOSITORY": "o/r",
    "GITHUB_RUN_ID": "17",
}


@pytest.mark.parametrize(
    ("environ", "link"),
    [
        ({}, ""),
        (GITHUB, "https://github.example.com/o/r/actions/runs/17"),
        ({**GITHUB, "GITHUB_RUN_ID": ""}, ""),
        (
            {"CI_JOB_URL": "https://gitlab.example.com/o/r/-/jobs/881"},
            "https://gitlab.example.com/o/r/-/jobs/881",
        ),
    ],
)
def test_a_job_is_found_by_the_variables_of_its_system(
    environ: Mapping[str, str], link: str
) -> None:
    """GitHub's and GitLab's; anywhere else there is no link."""
    assert job_link(environ) == link


def test_whoever_meets_the_lock_is_led_to_the_job_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another machine, the number of a process says nothing."""
    monkeypatch.setenv("CI_JOB_URL", "https://gitlab.example.com/o/r/-/jobs/881")
    one = create_state(tmp_path / "state.db", make_target())
    other = open_state(tmp_path / "state.db")
    one.hold("reconciler apply")
    with pytest.raises(LockedError) as caught:
        other.hold("reconciler apply")
    link = "(reconciler apply), https://gitlab.example.com/o/r/-/jobs/881"
    assert caught.value.message.endswith(link)
    assert other.writer().endswith(link)
    one.close()
    other.close()
