"""Lives through what a malicious repository does to the job that runs in it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from proof.canaries import PLANNED, READ, Canaries, Search, secret_specs
from proof.commands import run
from proof.malice import COMMENTS, MALICE, PLAN, Attacker, Malice, Place, attacker, comments
from proof.sandboxes import Sandbox
from tests.support.ways import WAYS
from tests.support.workloads import write_specs

INSTALLED = (str(Path(sys.executable).with_name("reconciler")),)


def variables_of_a_job(canaries: Canaries) -> dict[str, str]:
    """Secrets as a CI system hands them to its jobs."""
    # The last two are hidden by no name.
    names = ("RUNAI_CLIENT_SECRET", "RUNAI_TOKEN", "DEPLOY_PASSWORD", "DEPLOY", "CI_JOB")
    return {name: canaries[f"the variable {name}"] for name in names}


def follow_ways_out(search: Search) -> int:
    """A repository that leads to what the job keeps: its variables, its checkout, its files.

    Returns how many ways were tried.
    """
    place = search.folder.parent
    variables = variables_of_a_job(search.canaries)
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
            write_specs(root, secret_specs(search.canaries, "7", 1))
            if text:
                Path(target).write_text(text)
            way(root, target)
            for arguments in (("validate", "w", *READ), ("plan", "w", "-v", *PLANNED)):
                _be_led(search, variables, checkout, f"{title} to {target}", arguments)
        (root / "link").symlink_to(target)
        for words in NAMED:
            _be_led(search, variables, checkout, f"a file that is named: {target}", words.split())
    return len(WAYS) + len(NAMED)


NAMED = ("plan w --config w/link", "show w/link", "apply --yes --plan w/link")


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


def be_attacked(search: Search) -> int:
    """A repository that names servers, code, states and plans; returns how many ways were tried.

    The specs of it hold secrets as well, and so does the job that runs in it.
    """
    home = search.folder.parent
    write_specs(home / "ours" / "w", secret_specs(search.canaries, "8", 1))
    run(["plan", "w", "--save", str(home / "plan.txt")], search.variables, home / "ours")
    (home / "runner").mkdir()
    (home / "runner" / "token").write_text(f"{search.canaries['a file of the runner']}\n")
    for title, malice in MALICE.items():
        with attacker() as server:
            _be_attacked(search, title, malice, server)
    token = search.canaries["the token of the job"]
    for title, bodies in COMMENTS.items():
        with comments(token, bodies) as (program, variables):
            job = variables_of_a_job(search.canaries) | variables
            ended = run(["digest"], job, home, program=program)
            search.look(f"{title}: what is printed", (ended.out + ended.err).encode())
    return len(MALICE) + len(COMMENTS)


def _be_attacked(search: Search, title: str, malice: Malice, server: Attacker) -> None:
    """Arrange one way, run what a pipeline runs, and search all three ends."""
    home = search.folder.parent
    place = Place(
        checkout=home / "attacked",
        caught=home / "caught",
        token=home / "runner" / "token",
        plan=home / "plan.txt",
        url=server.url,
    )
    shutil.rmtree(place.checkout, ignore_errors=True)
    write_specs(place.root, secret_specs(search.canaries, "8", 1))
    malice.arrange(place)
    variables = {**search.variables, **variables_of_a_job(search.canaries), "CI": "true"}
    if not malice.names_server:
        del variables["RUNAI_BASE_URL"]
    for words in malice.commands:
        # As it is installed: what stands in the working directory is no part of it.
        ended = run(words.split(), variables, place.root, timeout=60, program=INSTALLED)
        what = f"{title}: {words}"
        if "Traceback" in ended.err:
            raise RuntimeError(f"{what} failed unexpectedly\n{ended}")
        search.look(f"{what}: what is printed", (ended.out + ended.err).encode())
        for path in place.root.glob("out.*"):
            search.look(f"{what}: {path.name}", path.read_bytes())
        if place.caught.exists():
            search.look(f"{what}: what code of the repository saw", place.caught.read_bytes())
            place.caught.unlink()
        if place.token.read_text().strip() != search.canaries["a file of the runner"]:
            raise RuntimeError(f"{what} wrote to a file of the runner\n{ended}")
        for request in server.received:
            search.look(f"{what}: what the attacker's server was sent", request)


def reveal_names(search: Search, server: Sandbox, project: str) -> int:
    """A configuration that shows every name: what somebody put on the server stays hidden.

    What the specs hold is known to who can read them, so only the others' secrets are searched for.
    """
    authors = Canaries({})
    write_specs(search.folder, secret_specs(authors, project, 1))
    run(["apply", ".", "--yes", "--init", "--no-wait"], search.variables, search.folder)
    (there,) = (one for one in server.residents(project) if one.name == "plain")
    server.edit(there.id, secret_specs(search.canaries, project, 3)[0]["manifest"])
    globs = ["*token*", "*password*", "*secret*", "*key*", "*auth*", "*url*", "*a*", "*e*", "*i*"]
    (search.folder / "reconciler.yaml").write_text(json.dumps({"reveal": globs}))
    search.command(*PLAN.split())
    search.command("plan", ".", "--explain", f"{project}/plain", "-v")
    search.command("status", "-v", "-o", "json")
    return 1
