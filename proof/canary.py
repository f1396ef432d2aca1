"""Unique secrets in every place where people put secrets; none may come out anywhere.

Run it as `python -m proof.canary`. Every artefact is searched: the state's folder byte by byte,
standard output and error of every command, every file written by `-o`. Each secret has a value
of its own, so that a hit names the place that it came from.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from proof.commands import Ended, run
from proof.echoes import Manners, rude_server
from proof.sandboxes import Sandbox, sandbox
from proof.ways import WAYS
from proof.workloads import spec, write_specs

# What a signed token looks like, whoever made it.
_SIGNED = re.compile(rb"eyJ[A-Za-z0-9_-]{12,}\.[A-Za-z0-9_-]{12,}")


class Canaries:
    """Secrets by the place where they are put; made when they are first asked for."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._values = dict(known)

    def __getitem__(self, place: str) -> str:
        """The secret of one place; it survives JSON, YAML, a shell and a URL unchanged."""
        return self._values.setdefault(place, f"canary{secrets.token_hex(12)}")

    def places(self) -> list[str]:
        """Every place that has a secret."""
        return sorted(self._values)

    def hits(self, content: bytes) -> Iterator[str]:
        """The places whose secret is in there, in whatever form."""
        for place, value in self._values.items():
            for form, needle in _forms(value.encode()):
                if needle in content:
                    yield f"{place} ({form})"
        if _SIGNED.search(content):
            yield "an access token (plain)"


def _forms(value: bytes) -> Iterator[tuple[str, bytes]]:
    yield "plain", value
    yield "reversed", value[::-1]
    yield "hexadecimal", value.hex().encode()
    for shift in range(3):
        # Base64 of a text that contains it: only the characters that do not mix with its edges.
        encoded = base64.b64encode(b"\0" * shift + value).rstrip(b"=")
        yield "base64", encoded[4 if shift else 0 : -1]


@dataclass(slots=True)
class Search:
    """The artefacts of one scenario, searched as they come."""

    canaries: Canaries
    folder: Path
    variables: Mapping[str, str]
    title: str
    found: dict[str, list[str]] = field(default_factory=dict)
    artefacts: int = 0
    size: int = 0

    def command(self, *arguments: str, **variables: str) -> Ended:
        """Run a command and search everything that it leaves behind."""
        ended = run(arguments, {**self.variables, **variables}, self.folder)
        what = f"{self.title}: {' '.join(arguments)}"
        self.look(f"{what}: stdout", ended.out.encode())
        self.look(f"{what}: stderr", ended.err.encode())
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and path.suffix != ".json":
                self.look(f"{what}: {path.relative_to(self.folder)}", path.read_bytes())
        return ended

    def look(self, what: str, content: bytes) -> None:
        """Search one artefact."""
        self.artefacts += 1
        self.size += len(content)
        for hit in self.canaries.hits(content):
            self.found.setdefault(hit, []).append(what)


def secret_specs(canaries: Canaries, project: str, version: int) -> list[dict[str, Any]]:
    """Workloads that carry secrets wherever a manifest can; a new version has new ones."""

    def secret(place: str) -> str:
        return canaries[f"{place} v{version}"]

    plain = spec("plain", project)
    container = plain["manifest"]["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [
        {"name": "HF_TOKEN", "value": secret("an environment value")},
        {"name": "DATABASE_URL", "value": f"postgres://app:{secret('a URL')}@db.example.com/app"},
        {"name": "SETUP", "value": f"login --password {secret('a script')} && start"},
    ]
    container["args"] = ["--api-token", secret("an argument"), f"--password={secret('a flag')}"]
    plain["manifest"]["metadata"]["annotations"] = {
        "example.com/api-token": secret("an annotation"),
        "example.com/config": json.dumps({"clientSecret": secret("JSON in an annotation")}),
    }
    # The schema of a kind is the cluster's business; inline configuration is common.
    plain["manifest"]["spec"]["config"] = {
        "data": {
            "password": secret("configuration data"),
            "app.ini": f"[db]\npassword = {secret('a file in configuration data')}\n",
        },
        "stringData": {"apiKey": secret("string data")},
    }
    encoded = spec("encoded", project)
    manifest = encoded.pop("manifest")
    inner = manifest["spec"]["template"]["spec"]["containers"][0]
    inner["env"] = [{"name": "WANDB_API_KEY", "value": secret("an encoded manifest")}]
    encoded["manifestBase64Encoded"] = base64.b64encode(json.dumps(manifest).encode()).decode()
    return [plain, encoded]


# Files that no run takes for specs; what goes to the terminal is searched as well.
CHECKED = ("text", "json", "github", "sarif", "junit", "gitlab")
FORMS = ("text", "github", "json=out.json.txt", "html=out.html", "markdown=out.md")
READ = tuple(word for form in CHECKED for word in ("-o", f"{form}=out.{form}.txt"))
APPLIED = (*(word for form in FORMS for word in ("-o", form)), "--metrics-file", "out.prom")
PLANNED = (*APPLIED, "-o", "gitlab=out.gitlab.txt", "-o", "gitlab-plan=out.counts.txt")


def live_a_life(search: Search, project: str) -> None:
    """Everything that can be done and shown, with a server that works."""
    write_specs(search.folder, secret_specs(search.canaries, project, 1))
    search.command("validate", ".", "-v")
    search.command("validate", ".", "-o", "json")
    search.command("plan", ".", "-v", *PLANNED)
    search.command("apply", ".", "--yes", "--init", "-v", *APPLIED)
    search.command("plan", ".", "-o", "json", "-v")
    search.command("status", "-v", "-o", "json")
    search.command("status", "-v")
    search.command("state", "list", "-o", "json")
    search.command("state", "list", "-v")
    for name in ("plain", "encoded"):
        search.command("state", "show", f"{project}/{name}")
    write_specs(search.folder, secret_specs(search.canaries, project, 2))
    search.command("plan", ".", "-v", *PLANNED, "--save", "plan.txt")
    search.command("show", "plan.txt", "-v", *(w for form in FORMS for w in ("-o", form)))
    for name in ("plain", "encoded"):
        search.command("plan", ".", "--explain", f"{project}/{name}")
        search.command("plan", ".", "--explain", f"{project}/{name}", "-o", "json")
    search.command("doctor", ".", "-v")
    search.command("doctor", ".", "-o", "json")
    search.command("apply", ".", "--plan", "plan.txt", "--yes", "-v", "-o", "ndjson")
    search.command("runs", "list", "-o", "json")
    for name in ("plain", "encoded"):
        search.command("state", "show", f"{project}/{name}")
    search.command("destroy", ".", "--yes", "--allow-deletes", "2", "-v", "-o", "ndjson")


def drift(search: Search, server: Sandbox, project: str) -> None:
    """Somebody changes a secret on the server: the drift is shown, its value is not."""
    write_specs(search.folder, secret_specs(search.canaries, project, 1))
    search.command("apply", ".", "--yes", "--init", "--no-wait")
    (there,) = (one for one in server.residents(project) if one.name == "plain")
    changed = secret_specs(search.canaries, project, 3)[0]["manifest"]
    server.edit(there.id, changed)
    search.command("plan", ".", *PLANNED)
    search.command("plan", ".", "--explain", f"{project}/plain", "-v")
    search.command("apply", ".", "--yes", "-v", *APPLIED)
    search.command("status", "-o", "json")
    search.command("state", "show", f"{project}/plain")


def fail_on_the_cluster(search: Search, server: Sandbox, project: str) -> None:
    """The cluster's own message names the assignment that it did not like."""
    write_specs(search.folder, secret_specs(search.canaries, project, 1))
    value = search.canaries["an environment value v1"]
    server.order(f"sync-fails='denied: HF_TOKEN={value} is known to be leaked'")
    search.command("apply", ".", "--yes", "--init", "-v", *APPLIED)
    search.command("plan", ".", "-v", *PLANNED)
    search.command("status", "-o", "json")
    search.command("state", "list", "-o", "json")
    search.command("state", "show", f"{project}/plain")
    server.order()


def make_mistakes(search: Search, project: str) -> None:
    """Specs that are wrong where the secret is, and words that do not parse."""
    value = search.canaries["a spec that is wrong"]
    wrong: list[Any] = [spec("one", project) for _ in range(4)]
    wrong[0]["metadata"]["apiToken"] = value
    wrong[1]["metadata"]["priority"] = {"token": value}
    wrong[2]["manifest"] = {"kind": "Deployment", "password": value}
    wrong[3]["manifestBase64Encoded"] = base64.b64encode(f"token: {value}: [".encode()).decode()
    del wrong[3]["manifest"]
    for one in wrong:
        write_specs(search.folder, [one])
        search.command("validate", ".", "-v")
        for form in ("json", "github", "sarif", "junit", "gitlab"):
            search.command("validate", ".", "-o", form)
        search.command("apply", ".", "--yes", "--init", "-v", *APPLIED)
    write_specs(search.folder, [])
    broken = search.folder / "broken.yaml"
    for text in (f"token: {value}\n  - x: [", f"token: '{value}\nkind: x", f"&{value} *a"):
        broken.write_text(text)
        ended = run(["validate", ".", "-v"], search.variables, search.folder)
        search.look(f"{search.title}: broken YAML", (ended.out + ended.err).encode())
    broken.unlink()


def meet_rudeness(search: Search, project: str, manners: Manners) -> None:
    """A server whose errors repeat the request, its secrets and its credentials."""
    write_specs(search.folder, secret_specs(search.canaries, project, 1))
    with rude_server(manners, search.canaries["the access token"]) as url:
        where = {"RUNAI_BASE_URL": url, "RUNAI_CLIENT_SECRET": search.canaries["a client secret"]}
        limit = ("--deadline", "3s", "-v")
        search.command("apply", ".", "--yes", "--init", *limit, *APPLIED, **where)
        search.command("apply", ".", "--yes", "--init", *limit, "-o", "ndjson", **where)
        search.command("doctor", ".", "-v", **where)
        search.command("plan", ".", *limit, **where)
        search.command("status", *limit, **where)
        search.command("state", "list", "-o", "json")
        for name in ("plain", "encoded"):
            search.command("state", "show", f"{project}/{name}")
        token = {"RUNAI_TOKEN": search.canaries["a token of one's own"]}
        search.command("apply", ".", "--yes", *limit, **where, **token)


def be_refused(search: Search, project: str) -> None:
    """Wrong credentials, credentials in an address, and a debugging environment."""
    write_specs(search.folder, secret_specs(search.canaries, project, 1))
    wrong = {"RUNAI_CLIENT_SECRET": search.canaries["a wrong client secret"]}
    search.command("plan", ".", "-v", **wrong)
    search.command("apply", ".", "--yes", "--init", "-v", RECONCILER_DEBUG="1", **wrong)
    token = {"RUNAI_TOKEN": search.canaries["a wrong token"]}
    search.command("apply", ".", "--yes", "--init", "-v", **token)
    login = f"http://user:{search.canaries['a login in an address']}@127.0.0.1:9"
    search.command("apply", ".", "--yes", "--init", "--deadline", "2s", RUNAI_BASE_URL=login)
    search.command("init", RUNAI_BASE_URL=login)


def follow_ways_out(search: Search) -> None:
    """A repository that leads to what the job keeps: its variables, its checkout, its files."""
    place = search.folder.parent
    variables = {
        name: search.canaries[f"the variable {name}"]
        # The last two are hidden by no name.
        for name in ("RUNAI_CLIENT_SECRET", "RUNAI_TOKEN", "DEPLOY_PASSWORD", "DEPLOY", "CI_JOB")
    }
    (place / "runner").mkdir()
    targets = {
        "/proc/self/environ": "",
        f"{place}/runner/token": f"{search.canaries['a file of the runner']} //\n",
        f"{place}/checkout/.git/config": f"[remote]\n url = {search.canaries['the checkout']} //\n",
    }
    checkout, root = place / "checkout", place / "checkout" / "w"
    for target, text in targets.items():
        for title, way in WAYS.items():
            shutil.rmtree(checkout, ignore_errors=True)
            (checkout / ".git").mkdir(parents=True)
            write_specs(root, [spec("one", "7")])
            if text:
                Path(target).write_text(text)
            way(root, target)
            for arguments in (("validate", "w", *READ), ("plan", "w", "-v", *PLANNED)):
                _be_led(search, variables, checkout, f"{title} to {target}", arguments)
        (root / "link").symlink_to(target)
        for words in ("plan w --config w/link", "show w/link", "apply --yes --plan w/link"):
            _be_led(search, variables, checkout, f"a file that is named: {target}", words.split())


def _be_led(
    search: Search, variables: Mapping[str, str], folder: Path, way: str, arguments: Sequence[str]
) -> None:
    """Run a command that must refuse, and search all that it wrote."""
    ended = run(arguments, {**search.variables, **variables}, folder)
    what = f"{way}: {' '.join(arguments)}"
    if ended.code != 3:
        raise RuntimeError(f"{what} did not refuse\n{ended}")
    search.look(f"{what}: stdout", ended.out.encode())
    search.look(f"{what}: stderr", ended.err.encode())
    for path in folder.glob("out.*"):
        search.look(f"{what}: {path.name}", path.read_bytes())


RUDE = (
    Manners(400),
    Manners(401, bars=True),
    Manners(502, page=True),
    Manners(500),
    Manners(503),
    Manners(409),
    Manners(401),
    Manners(400, page=True),
    Manners(500, bars=True),
    Manners(502, page=True, bars=True),
)


@contextmanager
def scenario(searches: list[Search], title: str, server: Sandbox) -> Iterator[Search]:
    """A folder and secrets of its own, but for the client secret that the sandbox knows."""
    with tempfile.TemporaryDirectory(prefix="reconciler-proof-") as name:
        folder = Path(name) / "w"
        folder.mkdir()
        canaries = Canaries({"the client secret": server.variables["RUNAI_CLIENT_SECRET"]})
        search = Search(canaries, folder, server.variables, title)
        searches.append(search)
        yield search
        print(
            f"{title}: {len(search.canaries.places())} secrets, {search.artefacts} artefacts "
            f"({search.size / 1e6:.1f} MB), {len(search.found)} secrets came out",
            flush=True,
        )
        for hit, artefacts in search.found.items():
            print(f"  {hit}: {len(artefacts)} artefacts, the first is {artefacts[0]}", flush=True)


def check_eyes(canaries: Canaries) -> None:
    """The search itself must see what it is meant to see, in every form."""
    value = canaries["a test of the search"].encode()
    for content in (value, b"x" + base64.b64encode(b"ab" + value + b"c"), value.hex().encode()):
        if not any(canaries.hits(content)):
            raise RuntimeError(f"the search does not see {content!r}")


def main() -> int:
    """Live through every scenario; 1 when a secret came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rude", type=int, default=4, help="how many of the ten rude servers")
    arguments = parser.parse_args()
    check_eyes(Canaries({}))
    searches: list[Search] = []
    with tempfile.TemporaryDirectory(prefix="reconciler-proof-") as name:
        file = Path(name) / "secret"
        file.write_text(Canaries({})["the client secret"])
        with sandbox("--sync-delay", "0s", "--client-secret-file", str(file)) as started:
            variables = {**started.variables, "RUNAI_CLIENT_SECRET": file.read_text()}
            server = replace(started, variables=variables)
            with scenario(searches, "a life", server) as search:
                live_a_life(search, "1")
            with scenario(searches, "drift", server) as search:
                drift(search, server, "2")
            with scenario(searches, "a message of the cluster", server) as search:
                fail_on_the_cluster(search, server, "3")
            with scenario(searches, "mistakes", server) as search:
                make_mistakes(search, "4")
            with scenario(searches, "ways out of a repository", server) as search:
                follow_ways_out(search)
            with scenario(searches, "refused", server) as search:
                be_refused(search, "5")
            for manners in RUDE[: arguments.rude]:
                with scenario(searches, f"a rude server, {manners}", server) as search:
                    meet_rudeness(search, "6", manners)
    hits = sum(len(search.found) for search in searches)
    print(f"{sum(search.artefacts for search in searches)} artefacts searched, {hits} leaks")
    return int(bool(hits))


if __name__ == "__main__":
    sys.exit(main())
