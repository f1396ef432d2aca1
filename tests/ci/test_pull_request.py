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

from ci.pull_request import NoAnswerError, Note, find_account, read_digest, write_comment
from tests.ci.forge import ACCOUNT, TOKEN, Forge, serve
from tests.ci.tools import ROOT, job_environment
from tests.support.strategies import json_values

DIGEST = f"sha256:{'0a' * 32}"
OTHER = f"sha256:{'ff' * 32}"
RUN = "https://github.invalid/org/specs/actions/runs/7"


def note(stack: str = "reconciler-state:.", digest: str = DIGEST) -> Note:
    """The note of the usual stack."""
    return Note(stack=stack, digest=digest)


def test_a_second_plan_updates_the_comment() -> None:
    """However often a pull request is planned, it has one comment for each stack."""
    forge = Forge()
    forge.say("looks good", by="somebody")
    for text in ("first plan", "second plan"):
        write_comment(forge.client(), ACCOUNT, 12, note(), text, where=RUN)
    write_comment(forge.client(), ACCOUNT, 12, note(stack="other:."), "another stack", where=RUN)
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
        forge.say(f"comment {number}", by="somebody")
    forge.say(f"{note().to_line()}\nold")
    write_comment(forge.client(), ACCOUNT, 12, note(), "new", where=RUN)
    assert forge.sent == ["PATCH /repos/org/specs/issues/comments/251"]


@pytest.mark.parametrize(
    "author", ["somebody", "dependabot[bot]", "github-actions", "GitHub-Actions[bot]", None]
)
def test_nobody_else_can_pass_for_the_action(author: str | None) -> None:
    """A comment that begins like ours and was written by another is neither changed nor read."""
    forge = Forge(pulls=[{"number": 12, "merged_at": "now", "merge_commit_sha": "abc"}])
    forge.say(f"{note(digest=OTHER).to_line()}\nmine", by=author)
    with pytest.raises(NoAnswerError, match=r"has no plan of .* in its comments by github-actions"):
        read_digest(forge.client(), ACCOUNT, "abc", "reconciler-state:.")
    write_comment(forge.client(), ACCOUNT, 12, note(), "plan", where=RUN)
    assert read_digest(forge.client(), ACCOUNT, "abc", "reconciler-state:.") == DIGEST
    assert forge.comments[0]["body"] == f"{note(digest=OTHER).to_line()}\nmine"


ODD_NOTES = [
    '{"a": 1}',
    '{"stack": "reconciler-state:."}',
    f'{{"stack": ["reconciler-state:."], "digest": "{DIGEST}"}}',
    '{"stack": null, "digest": null}',
    f'{{"stack": {"[" * 30_000}{"]" * 30_000}}}',
    f'{{"stack": {"9" * 5_000}, "digest": ""}}',
    '{"stack": "\\ud800", "digest": "\\ud800"}',
    "{}",
    "{",
]


@pytest.mark.parametrize("written", ODD_NOTES, ids=lambda written: written[:30])
@pytest.mark.parametrize("author", [ACCOUNT, "somebody", None])
def test_no_comment_keeps_others_from_being_read(author: str | None, written: str) -> None:
    """Whoever wrote it, and whatever it says: plans are commented and applies go on."""
    forge = Forge(pulls=[{"number": 12, "merged_at": "now", "merge_commit_sha": "abc"}])
    forge.say(f"<!-- reconciler:action {written} -->\nx", by=author)
    forge.say(None, by=author)
    write_comment(forge.client(), ACCOUNT, 12, note(), "plan", where=RUN)
    assert forge.sent == ["POST /repos/org/specs/issues/12/comments"]
    assert read_digest(forge.client(), ACCOUNT, "abc", "reconciler-state:.") == DIGEST


def test_two_comments_of_the_action_are_no_approval() -> None:
    """Which of them was reviewed is not ours to guess."""
    forge = Forge(pulls=[{"number": 12, "merged_at": "now", "merge_commit_sha": "abc"}])
    for digest in (DIGEST, OTHER):
        forge.say(f"{note(digest=digest).to_line()}\nplan")
    with pytest.raises(NoAnswerError, match="has no plan of"):
        read_digest(forge.client(), ACCOUNT, "abc", "reconciler-state:.")


@pytest.mark.parametrize(
    "answer",
    [{"errors": ["x"]}, {"data": None}, {"data": {"viewer": None}}, [], "x"],
    ids=str,
)
def test_a_token_of_nobody_reads_nothing(answer: Any) -> None:
    """Where the account is not known, no comment is ours."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    client = httpx.Client(base_url="https://api.invalid/", transport=transport)
    with pytest.raises(NoAnswerError, match="does not tell whose the token"):
        find_account(client, "https://api.invalid/graphql")


def test_an_answer_that_is_no_json_is_said() -> None:
    """A page of a proxy is named, and is no traceback."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text="<html>"))
    client = httpx.Client(base_url="https://api.invalid/", transport=transport)
    with pytest.raises(NoAnswerError, match="was answered with something else than JSON"):
        find_account(client, "https://api.invalid/graphql")


@given(json_values)
def test_a_note_is_read_or_not_and_nothing_else(value: Any) -> None:
    """Whatever JSON stands where ours does."""
    line = f"<!-- reconciler:action {json.dumps(value)} -->"
    expected = None
    if isinstance(value, dict) and {type(value.get("stack")), type(value.get("digest"))} == {str}:
        expected = Note(stack=value["stack"], digest=value["digest"])
    assert Note.read(line) == expected


def test_a_commit_that_cannot_be_planned_takes_the_old_digest_away() -> None:
    """Otherwise the plan of an earlier commit would stand there as the approved one."""
    forge = Forge(pulls=[{"number": 12, "merged_at": "now", "merge_commit_sha": "abc"}])
    write_comment(forge.client(), ACCOUNT, 12, note(), "plan", where=RUN)
    write_comment(forge.client(), ACCOUNT, 12, note(digest=""), None, where=RUN)
    assert forge.comments[0]["body"].splitlines()[1] == (
        f"**No plan.** The last commit could not be planned: {RUN}"
    )
    with pytest.raises(NoAnswerError, match="pull request #12 has no plan of"):
        read_digest(forge.client(), ACCOUNT, "abc", "reconciler-state:.")


def test_without_a_plan_no_comment_is_begun() -> None:
    """The failed check says it already."""
    forge = Forge()
    write_comment(forge.client(), ACCOUNT, 12, note(digest=""), None, where=RUN)
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
        read_digest(Forge(pulls=pulls).client(), ACCOUNT, "abc", "reconciler-state:.")


def test_the_pull_request_of_the_merge_commit_is_the_one() -> None:
    """A commit may belong to several pull requests; one of them was merged with it."""
    forge = Forge(
        pulls=[
            {"number": 11, "merged_at": "x", "merge_commit_sha": "earlier"},
            {"number": 12, "merged_at": "x", "merge_commit_sha": "abc"},
        ]
    )
    forge.say(f"{note().to_line()}\nplan")
    assert read_digest(forge.client(), ACCOUNT, "abc", "reconciler-state:.") == DIGEST


def test_a_refusal_names_the_permission() -> None:
    """The usual cause is a job without the right to comment."""
    transport = httpx.MockTransport(lambda _: httpx.Response(403))
    client = httpx.Client(base_url="https://api.invalid/", transport=transport)
    with pytest.raises(NoAnswerError, match="answered with 403; the job needs the permission"):
        write_comment(client, ACCOUNT, 12, note(), "plan", where=RUN)


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
            env={
                **job_environment(),
                **variables,
                "GITHUB_API_URL": address,
                "GITHUB_GRAPHQL_URL": f"{address}/graphql",
            },
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
