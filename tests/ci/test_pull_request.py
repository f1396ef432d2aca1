"""The action's comment: one for each stack, updated in place, and read back at the merge."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.pull_request import NoAnswerError, Note, read_digest, write_comment
from tests.ci.forge import TOKEN, Forge, serve
from tests.ci.tools import ROOT, job_environment

DIGEST = f"sha256:{'0a' * 32}"
OTHER = f"sha256:{'ff' * 32}"
RUN = "https://github.invalid/org/specs/actions/runs/7"


def note(stack: str = "reconciler-state:.", digest: str = DIGEST) -> Note:
    """The note of the usual stack."""
    return Note(stack=stack, digest=digest)


def test_a_second_plan_updates_the_comment() -> None:
    """However often a pull request is planned, it has one comment for each stack."""
    forge = Forge()
    forge.say("looks good", kind="User")
    for text in ("first plan", "second plan"):
        write_comment(forge.client(), 12, note(), text, RUN)
    write_comment(forge.client(), 12, note(stack="other:."), "another stack", RUN)
    assert forge.sent == [
        "POST /repos/org/specs/issues/12/comments",
        "PATCH /repos/org/specs/issues/comments/2",
        "POST /repos/org/specs/issues/12/comments",
    ]
    first, second, third = (comment["body"] for comment in forge.comments)
    assert first == "looks good"
    assert second.splitlines()[1] == "second plan"
    assert third.splitlines()[1] == "another stack"


def test_the_comment_is_found_behind_many_others() -> None:
    """All pages are read before a second comment is made."""
    forge = Forge()
    for number in range(250):
        forge.say(f"comment {number}", kind="User")
    forge.say(f"{note().to_line()}\nold")
    write_comment(forge.client(), 12, note(), "new", RUN)
    assert forge.sent == ["PATCH /repos/org/specs/issues/comments/251"]


def test_a_person_cannot_pass_for_the_action() -> None:
    """A comment that begins like ours and was written by a person is neither changed nor read."""
    forge = Forge(pulls=[{"number": 12, "merged_at": "now", "merge_commit_sha": "abc"}])
    forge.say(f"{note(digest=OTHER).to_line()}\nmine", kind="User")
    with pytest.raises(NoAnswerError, match="has no plan of"):
        read_digest(forge.client(), "abc", "reconciler-state:.")
    write_comment(forge.client(), 12, note(), "plan", RUN)
    assert read_digest(forge.client(), "abc", "reconciler-state:.") == DIGEST


def test_a_commit_that_cannot_be_planned_takes_the_old_digest_away() -> None:
    """Otherwise the plan of an earlier commit would stand there as the approved one."""
    forge = Forge(pulls=[{"number": 12, "merged_at": "now", "merge_commit_sha": "abc"}])
    write_comment(forge.client(), 12, note(), "plan", RUN)
    write_comment(forge.client(), 12, note(digest=""), None, RUN)
    assert forge.comments[0]["body"].splitlines()[1] == (
        f"**No plan.** The last commit could not be planned: {RUN}"
    )
    with pytest.raises(NoAnswerError, match="pull request #12 has no plan of"):
        read_digest(forge.client(), "abc", "reconciler-state:.")


def test_without_a_plan_no_comment_is_begun() -> None:
    """The failed check says it already."""
    forge = Forge()
    write_comment(forge.client(), 12, note(digest=""), None, RUN)
    assert forge.sent == []


@pytest.mark.parametrize(
    "pulls",
    [
        [],
        [{"number": 1, "merged_at": None, "merge_commit_sha": "abc"}],
        [{"number": number, "merged_at": "x", "merge_commit_sha": "other"} for number in (1, 2)],
    ],
    ids=["pushed directly", "never merged", "several"],
)
def test_a_commit_without_one_merged_pull_request_has_no_approval(
    pulls: list[dict[str, Any]],
) -> None:
    """What was pushed directly was approved by nobody."""
    with pytest.raises(NoAnswerError, match="commit abc is not the merge of one pull request"):
        read_digest(Forge(pulls=pulls).client(), "abc", "reconciler-state:.")


def test_the_pull_request_of_the_merge_commit_is_the_one() -> None:
    """A commit may belong to several pull requests; one of them was merged with it."""
    forge = Forge(
        pulls=[
            {"number": 11, "merged_at": "x", "merge_commit_sha": "earlier"},
            {"number": 12, "merged_at": "x", "merge_commit_sha": "abc"},
        ]
    )
    forge.say(f"{note().to_line()}\nplan")
    assert read_digest(forge.client(), "abc", "reconciler-state:.") == DIGEST


def test_a_refusal_names_the_permission() -> None:
    """The usual cause is a job without the right to comment."""
    transport = httpx.MockTransport(lambda _: httpx.Response(403))
    client = httpx.Client(base_url="https://api.invalid/", transport=transport)
    with pytest.raises(NoAnswerError, match="answered with 403; the job needs the permission"):
        write_comment(client, 12, note(), "plan", RUN)


@given(st.text(), st.text())
def test_a_note_is_one_line_that_nothing_ends_early(stack: str, digest: str) -> None:
    """Whatever a branch or folder is called, the comment in HTML ends where its line ends."""
    written = Note(stack=stack, digest=digest)
    line = written.to_line()
    assert line.splitlines() == [line]
    assert line.count("-->") == 1
    assert re.fullmatch(r"<!-- reconciler:action \{[^<>]*\} -->", line) or "<" in stack + digest
    assert Note.read(f"{line}\r\nplan") == written


@given(st.text())
def test_no_other_comment_is_taken_for_a_note(body: str) -> None:
    """Only a whole first line of ours counts."""
    assert Note.read(body) is None
    assert Note.read(f"> {note().to_line()}\n{body}") is None


def test_the_program_comments_and_reads_back(tmp_path: Path) -> None:
    """With the variables of a job, what one job comments is what the next one expects."""
    forge = Forge(pulls=[{"number": 5, "merged_at": "x", "merge_commit_sha": "abc"}])
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 5}}), encoding="utf-8")
    plan = tmp_path / "plan.md"
    plan.write_text("Plan: 1 to create.\n", encoding="utf-8")
    variables = {
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_REPOSITORY": "org/specs",
        "GITHUB_SHA": "abc",
        "GITHUB_TOKEN": TOKEN,
        "PLAN_DIGEST": DIGEST,
        "STACK_KEY": "reconciler-state:workloads",
    }

    def program(address: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "ci" / "pull_request.py"), *words],
            capture_output=True,
            check=False,
            env={**job_environment(), **variables, "GITHUB_API_URL": address},
            text=True,
        )

    with serve(forge) as address:
        assert program(address, "comment", str(plan)).returncode == 0
        assert forge.comments[0]["body"].splitlines()[1] == "Plan: 1 to create."
        assert program(address, "digest").stdout == f"{DIGEST}\n"
    event.write_text("{}", encoding="utf-8")
    refused = program(address, "comment", str(plan))
    assert refused.returncode == 1
    assert refused.stderr.startswith("::error title=reconciler::this job does not belong to a pull")
    assert program(address).returncode == 64
