from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.specs.rules.codes import CODES
from tests.support import cases, kubernetes_cases, workload_cases
from tests.support.specs import load, told
from tools.examples import SAID_BY_SERVER

ONE_CASE_PER_CODE = {**cases.CASES, **kubernetes_cases.CASES, **workload_cases.CASES}


@pytest.mark.parametrize("code", ONE_CASE_PER_CODE)
def test_each_code_says_what_is_wrong_where_and_what_to_do(code: str, tmp_path: Path) -> None:
    """A repository with one kind of mistake gives exactly the findings written beside it."""
    case = ONE_CASE_PER_CODE[code]
    case.arrange(tmp_path)
    assert told(load(tmp_path, case.files)) == list(case.said)
    assert any(f" {code}: " in line for line in case.said)


def test_every_code_has_its_case() -> None:
    """No finding is documented that nothing produces, and none is produced undocumented."""
    # What a server says has its cases in tests/app/test_server_check.py and test_project_names.py.
    assert {*ONE_CASE_PER_CODE, *SAID_BY_SERVER} == set(CODES)
