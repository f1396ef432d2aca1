"""What the GitHub action says in a pull request, and reads back when it was merged.

`comment FILE` writes the Markdown in FILE as the one comment of this stack, or updates it; where
there is no such file, the comment says that there is no plan. `digest` prints the digest of the
plan that the pull request was merged with. Both read the variables of a job, and
`STACK_KEY`, which tells the comments of several stacks apart.

Everybody can comment on a pull request, so a comment is nobody's word until its author is known:
only what the account of this job's token wrote is looked into.
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


class NoVariableError(Exception):
    """A variable of the job is not set; the message is its name."""


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
        """The note that a comment begins with, or None; no text makes this fail."""
        line = _NOTE.fullmatch(body.partition("\n")[0].rstrip("\r"))
        try:
            document = json.loads(line[1]) if line else None
        except (ValueError, RecursionError):
            return None
        match document:
            case {"stack": str(stack), "digest": str(digest)}:
                return cls(stack=stack, digest=digest)
            case _:
                return None


def write_comment(
    client: httpx.Client, account: str, number: int, note: Note, markdown: str | None, *, where: str
) -> None:
    """Make the pull request's one comment of an account about a stack say this.

    Where there is no plan, a comment is only changed, not made: the failed check says it already.
    """
    ours = (
        identifier
        for identifier, written in _notes(client, account, number)
        if written.stack == note.stack
    )
    comment = next(ours, None)
    if markdown is None and comment is None:
        return
    text = markdown or f"**No plan.** The last commit could not be planned: {where}\n"
    body = {"body": f"{note.to_line()}\n{text}"}
    if comment is None:
        _call(client, "POST", f"issues/{number}/comments", json=body)
    else:
        _call(client, "PATCH", f"issues/comments/{comment}", json=body)


def read_digest(client: httpx.Client, account: str, commit: str, stack: str) -> str:
    """The digest in an account's comment on the pull request that a commit was merged from."""
    number = _merged(client, commit)
    notes = _notes(client, account, number)
    digests = [written.digest for _, written in notes if written.stack == stack]
    if len(digests) != 1 or not _DIGEST.fullmatch(digests[0]):
        raise NoAnswerError(
            f"pull request #{number} has no plan of {stack} in its comments by {account}"
        )
    return digests[0]


def find_account(client: httpx.Client, graphql_url: str) -> str:
    """Whom the token comments as: only GraphQL tells it for the tokens of jobs and applications."""
    query = {"query": "{ viewer { login } }"}
    match _call(client, "POST", graphql_url, json=query):
        case {"data": {"viewer": {"login": str(login)}}}:
            return login
        case _:
            raise NoAnswerError("GitHub does not tell whose the token of this job is")


def _merged(client: httpx.Client, commit: str) -> int:
    pulls = _call(client, "GET", f"commits/{commit}/pulls")
    merged = [pull for pull in pulls if pull["merged_at"] is not None]
    exact = [pull for pull in merged if pull["merge_commit_sha"] == commit]
    if len(exact or merged) != 1:
        raise NoAnswerError(f"commit {commit} is not the merge of one pull request")
    return int((exact or merged)[0]["number"])


def _notes(client: httpx.Client, account: str, number: int) -> Iterator[tuple[int, Note]]:
    """The notes that an account wrote, and the ids of their comments."""
    for comment in _comments(client, number):
        match comment:
            # The user is null where the account was deleted.
            case {"id": int(identifier), "user": {"login": login}, "body": str(body)}:
                note = Note.read(body) if login == account else None
                if note:
                    yield identifier, note
            case _:
                continue


def _comments(client: httpx.Client, number: int) -> Iterator[Any]:
    page, size = 1, _PAGE
    while size == _PAGE:
        query = {"per_page": _PAGE, "page": page}
        comments = _call(client, "GET", f"issues/{number}/comments", params=query)
        yield from comments
        page, size = page + 1, len(comments)


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
    try:
        return response.json()
    except ValueError as error:
        raise NoAnswerError(
            f"{method} {path} was answered with something else than JSON"
        ) from error


def _variable(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError as error:
        raise NoVariableError(name) from error


def _client() -> httpx.Client:
    server, repository = _variable("GITHUB_API_URL"), _variable("GITHUB_REPOSITORY")
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {_variable('GITHUB_TOKEN')}",
    }
    return httpx.Client(base_url=f"{server}/repos/{repository}/", headers=headers, timeout=30)


def _run_url() -> str:
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (os.environ.get(name, "") for name in names)
    return f"{server}/{repository}/actions/runs/{run}"


def _pull_request() -> int:
    event = json.loads(Path(_variable("GITHUB_EVENT_PATH")).read_text(encoding="utf-8"))
    if "pull_request" not in event:
        raise NoAnswerError("this job does not belong to a pull request, so nothing is commented")
    return int(event["pull_request"]["number"])


def main(words: list[str]) -> int:
    """Do one of the two; 1 where it could not be done."""
    try:
        stack = _variable("STACK_KEY")
        with _client() as client:
            match words:
                case ["comment", name]:
                    file = Path(name)
                    text = file.read_text(encoding="utf-8") if file.exists() else None
                    note = Note(stack=stack, digest=os.environ.get("PLAN_DIGEST", ""))
                    number = _pull_request()
                    account = find_account(client, _variable("GITHUB_GRAPHQL_URL"))
                    write_comment(client, account, number, note, text, where=_run_url())
                case ["digest"]:
                    account = find_account(client, _variable("GITHUB_GRAPHQL_URL"))
                    digest = read_digest(client, account, _variable("GITHUB_SHA"), stack)
                    sys.stdout.write(f"{digest}\n")
                case _:
                    sys.stderr.write("use: pull_request.py comment FILE | digest\n")
                    return 64
    except NoVariableError as error:
        sys.stderr.write(f"error: {error} is not set; the action and the job set it\n")
        return 64
    except NoAnswerError as error:
        sys.stderr.write(f"::error title=reconciler::{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
