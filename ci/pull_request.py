"""What the GitHub action says in a pull request, and reads back when it was merged.

`comment FILE` writes the Markdown in FILE as the one comment of this stack, or updates it; where
there is no such file, the comment says that there is no plan. `digest` prints the digest of the
plan that the pull request was merged with. Both read the variables of a job, and
`STACK_KEY`, which tells the comments of several stacks apart.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

_PAGE = 100
_NOTE = re.compile(r"<!-- reconciler:action (\{.*\}) -->")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class NoAnswerError(Exception):
    """What was asked for is not there, or GitHub did not give it; the message is for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """The first line of a comment: which stack it is about, and the digest of its plan."""

    stack: str
    digest: str

    def to_line(self) -> str:
        """An HTML comment, which nothing in the names can end."""
        text = json.dumps({"stack": self.stack, "digest": self.digest})
        for sign in "->":
            text = text.replace(sign, f"\\u{ord(sign):04x}")
        return f"<!-- reconciler:action {text} -->"

    @classmethod
    def read(cls, body: str) -> Note | None:
        """The note that a comment begins with, if it is one of ours."""
        found = _NOTE.fullmatch(body.partition("\n")[0].rstrip("\r"))
        try:
            given = json.loads(found[1]) if found else None
        except ValueError:
            return None
        return cls(stack=given["stack"], digest=given["digest"]) if given else None


def write_comment(
    client: httpx.Client, number: int, note: Note, markdown: str | None, where: str
) -> None:
    """Make the pull request's one comment about a stack say this.

    Where there is no plan, a comment is only changed, not made: the failed check says it already.
    """
    ours = (one for one, found in _own_comments(client, number) if found.stack == note.stack)
    comment = next(ours, None)
    if markdown is None and comment is None:
        return
    text = markdown or f"**No plan.** The last commit could not be planned: {where}\n"
    body = {"body": f"{note.to_line()}\n{text}"}
    if comment is None:
        _call(client, "POST", f"issues/{number}/comments", json=body)
    else:
        _call(client, "PATCH", f"issues/comments/{comment}", json=body)


def read_digest(client: httpx.Client, commit: str, stack: str) -> str:
    """The digest in the comment on the pull request that a commit was merged from."""
    number = _merged(client, commit)
    digests = [found.digest for _, found in _own_comments(client, number) if found.stack == stack]
    if len(digests) != 1 or not _DIGEST.fullmatch(digests[0]):
        raise NoAnswerError(f"pull request #{number} has no plan of {stack} in its comments")
    return digests[0]


def _merged(client: httpx.Client, commit: str) -> int:
    found = _call(client, "GET", f"commits/{commit}/pulls")
    merged = [pull for pull in found if pull["merged_at"] is not None]
    exact = [pull for pull in merged if pull["merge_commit_sha"] == commit]
    if len(exact or merged) != 1:
        raise NoAnswerError(f"commit {commit} is not the merge of one pull request")
    return int((exact or merged)[0]["number"])


def _own_comments(client: httpx.Client, number: int) -> Iterator[tuple[int, Note]]:
    """What applications wrote: a person's comment can begin like ours, and is none of them."""
    for comment in _comments(client, number):
        note = Note.read(comment["body"] or "")
        if note and comment["user"]["type"] == "Bot":
            yield int(comment["id"]), note


def _comments(client: httpx.Client, number: int) -> Iterator[dict[str, Any]]:
    page, size = 1, _PAGE
    while size == _PAGE:
        query = {"per_page": _PAGE, "page": page}
        found = _call(client, "GET", f"issues/{number}/comments", params=query)
        yield from found
        page, size = page + 1, len(found)


def _call(client: httpx.Client, method: str, path: str, **given: Any) -> Any:
    try:
        response = client.request(method, path, **given)
    except httpx.HTTPError as error:
        raise NoAnswerError(f"{method} {path}: {str(error) or type(error).__name__}") from error
    if response.is_error:
        raise NoAnswerError(
            f"{method} {path} was answered with {response.status_code}; "
            "the job needs the permission pull-requests: read, and write to comment"
        )
    return response.json()


def _client() -> httpx.Client:
    server, repository = os.environ["GITHUB_API_URL"], os.environ["GITHUB_REPOSITORY"]
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}",
    }
    return httpx.Client(base_url=f"{server}/repos/{repository}/", headers=headers, timeout=30)


def _run_url() -> str:
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (os.environ.get(name, "") for name in names)
    return f"{server}/{repository}/actions/runs/{run}"


def _pull_request() -> int:
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    if "pull_request" not in event:
        raise NoAnswerError("this job does not belong to a pull request, so nothing is commented")
    return int(event["pull_request"]["number"])


def main(words: list[str]) -> int:
    """Do one of the two; 1 where it could not be done."""
    try:
        stack = os.environ["STACK_KEY"]
        with _client() as client:
            match words:
                case ["comment", name]:
                    file = Path(name)
                    text = file.read_text(encoding="utf-8") if file.exists() else None
                    note = Note(stack=stack, digest=os.environ.get("PLAN_DIGEST", ""))
                    write_comment(client, _pull_request(), note, text, _run_url())
                case ["digest"]:
                    sys.stdout.write(read_digest(client, os.environ["GITHUB_SHA"], stack) + "\n")
                case _:
                    sys.stderr.write("use: pull_request.py comment FILE | digest\n")
                    return 64
    except KeyError as error:
        sys.stderr.write(f"error: {error.args[0]} is not set; the action and the job set it\n")
        return 64
    except NoAnswerError as error:
        sys.stderr.write(f"::error title=reconciler::{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
