"""Unique secrets in every place where people put secrets; none may come out anywhere.

Run it as `python -m proof.canary`. Every artefact is searched: the state's folder byte by byte,
standard output and error of every command, every file written by `-o`. Each secret has a value
of its own, so that a hit names the place that it came from.
"""

from __future__ import annotations

import argparse
import base64
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from proof.attacks import be_attacked, follow_ways_out, reveal_names
from proof.canaries import APPLIED, FORMS, PLANNED, Canaries, Search, secret_specs
from proof.commands import run
from proof.echoes import Manners, rude_server
from proof.sandboxes import Sandbox, sandbox
from tests.support.workloads import spec, write_specs


def live_a_life(search: Search, project: str) -> None:
    """Everything that can be done and shown, with a server that works."""
    write_specs(search.folder, secret_specs(search.canaries, project, 1))
    search.command("validate", ".", "-v")
    search.command("validate", ".", "-o", "json")
    search.command("plan", ".", "-v", *PLANNED)
    search.succeed("apply", ".", "--yes", "--init", "-v", *APPLIED)
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
    search.succeed("apply", ".", "--plan", "plan.txt", "--yes", "-v", "-o", "ndjson")
    search.command("runs", "list", "-o", "json")
    for name in ("plain", "encoded"):
        search.command("state", "show", f"{project}/{name}")
    search.succeed("destroy", ".", "--yes", "--allow-deletes", "2", "-v", "-o", "ndjson")


def drift(search: Search, server: Sandbox, project: str) -> None:
    """Somebody changes a secret on the server: the drift is shown, its value is not."""
    write_specs(search.folder, secret_specs(search.canaries, project, 1))
    search.succeed("apply", ".", "--yes", "--init", "--no-wait")
    (there,) = (one for one in server.residents(project) if one.name == "plain")
    changed = secret_specs(search.canaries, project, 3)[0]["manifest"]
    server.edit(there.id, changed)
    search.command("plan", ".", *PLANNED)
    search.command("plan", ".", "--explain", f"{project}/plain", "-v")
    search.succeed("apply", ".", "--yes", "-v", *APPLIED)
    search.command("status", "-o", "json")
    search.command("state", "show", f"{project}/plain")


def cut_updates_short(search: Search, server: Sandbox, project: str) -> None:
    """An update stays open, so that its record holds two specs and what was to be sent."""
    both = ("plain", "encoded")
    write_specs(search.folder, secret_specs(search.canaries, project, 1))
    search.command("apply", ".", "--yes", "--init", "--no-wait")
    server.order("500 on=PUT")
    for version in (2, 3):
        write_specs(search.folder, secret_specs(search.canaries, project, version))
        search.command("plan", ".", "-v", *PLANNED)
        cut = search.command("apply", ".", "--yes", "-v", "--deadline", "4s", *APPLIED)
        if cut.code == 0:
            raise RuntimeError(f"the updates were not cut short: {cut}")
        search.command("plan", ".", "--explain", f"{project}/plain", "-o", "json")
        search.command("status", "-v", "-o", "json")
        for name in both:
            search.command("state", "show", f"{project}/{name}")
    server.order()
    write_specs(search.folder, secret_specs(search.canaries, project, 2))
    search.command("apply", ".", "--yes", "--no-wait", "-v", "-o", "ndjson")
    for name in both:
        search.command("state", "show", f"{project}/{name}")
    search.command("runs", "list", "-o", "json")


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
            with scenario(searches, "updates cut short", server) as search:
                cut_updates_short(search, server, "7")
            with scenario(searches, "a message of the cluster", server) as search:
                fail_on_the_cluster(search, server, "3")
            with scenario(searches, "mistakes", server) as search:
                make_mistakes(search, "4")
            with scenario(searches, "ways out of a repository", server) as search:
                ways = follow_ways_out(search)
            with scenario(searches, "a malicious repository", server) as search:
                ways += be_attacked(search)
            with scenario(searches, "names that are shown", server) as search:
                ways += reveal_names(search, server, "9")
            with scenario(searches, "refused", server) as search:
                be_refused(search, "5")
            for manners in RUDE[: arguments.rude]:
                with scenario(searches, f"a rude server, {manners}", server) as search:
                    meet_rudeness(search, "6", manners)
    hits = sum(len(search.found) for search in searches)
    print(f"{ways} ways into a repository were tried")
    print(f"{sum(search.artefacts for search in searches)} artefacts searched, {hits} leaks")
    return int(bool(hits))


if __name__ == "__main__":
    sys.exit(main())
