"""What a repository that somebody else wrote can make the program read, and print."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM
from tests.cli.repositories import new_project, spec, write_specs
from tests.support.ways import WAYS

CANARY = "canary-7f3a91c2"
FORMS = ("text", "json", "github", "sarif", "junit", "gitlab")
# As a job has them: with a name that tells what they are, with one that does not, and in a line
# that is no pattern, since that was quoted.
SECRETS = {
    "RUNAI_CLIENT_SECRET": f"{CANARY}-a",
    "DEPLOY": f"{CANARY}-b",
    "RUNAI_BASE_URL": f"https://{CANARY}-c.example.com",
}
ENVIRON = "/proc/self/environ"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with one good spec, and one whose manifest is read from a file."""
    folder = write_specs(tmp_path / "w", spec("one", new_project()))
    (folder / "manifest").write_text("apiVersion: tekton.dev/v1\nkind: TaskRun\n")
    (folder / "two.yaml").write_text(
        'metadata: {name: two, projectId: "1"}\nmanifestFile: manifest\n'
    )
    return folder


def _run(*arguments: object, timeout: float = 20.0) -> subprocess.CompletedProcess[bytes]:
    """A process of its own: `/proc/self/environ` shows the variables that a process began with."""
    variables = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **SECRETS}
    command = [str(PROGRAM), *map(str, arguments)]
    return subprocess.run(command, env=variables, capture_output=True, check=False, timeout=timeout)


def _outputs(folder: Path) -> Iterator[bytes]:
    for path in folder.glob("out.*"):
        yield path.read_bytes()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("target", [ENVIRON, ".git/config"])
def test_no_output_shows_the_secrets_of_the_job(
    target: str, way: str, root: Path, tmp_path: Path
) -> None:
    """What leads to its environment, or to the credentials of its checkout, is a finding."""
    if target != ENVIRON:
        subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
        (tmp_path / target).write_text(f"[remote]\n\turl = {CANARY} //\n")
    WAYS[way](root, str(tmp_path / target))
    forms = [word for form in FORMS for word in ("-o", f"{form}={tmp_path}/out.{form}")]
    validated = _run("validate", root, *forms)
    planned = _run("plan", root, "-o", "markdown", "--deadline", "5s")
    printed = [validated.stdout, validated.stderr, planned.stdout, planned.stderr]
    printed += _outputs(tmp_path)
    assert validated.returncode == 3
    assert planned.returncode == 3
    assert len(printed) == 4 + len(FORMS)
    assert [text for text in printed if CANARY.encode() in text] == []


@pytest.mark.parametrize("git", [True, False])
def test_the_border_is_the_checkout(git: bool, root: Path, tmp_path: Path) -> None:
    """What lies beside the root is read inside one git checkout, and nowhere else."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "job.yaml").write_text("apiVersion: tekton.dev/v1\nkind: TaskRun\n")
    (tmp_path / "shared" / "any.json").write_text("{}")
    (tmp_path / "shared" / "three.yaml").write_text(
        'metadata: {name: three, projectId: "1"}\n'
        "manifest: {apiVersion: tekton.dev/v1, kind: TaskRun}\n"
    )
    (root / "two.yaml").write_text(
        'metadata: {name: two, projectId: "1"}\nmanifestFile: ../shared/job.yaml\n'
    )
    (root / "reconciler.yaml").write_text("policies: [../shared/*.json]\n")
    (root / "three.yaml").symlink_to("../shared/three.yaml")
    if git:
        subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    ended = _run("validate", root, "--no-cache")
    outside = [line for line in ended.stdout.decode().splitlines() if "(outside-root)" in line]
    assert (ended.returncode, len(outside)) == ((0, 0) if git else (3, 3)), ended.stdout


def test_a_root_that_leads_out_of_its_checkout(tmp_path: Path) -> None:
    """A folder that is a link out of the checkout is no folder of it."""
    elsewhere = write_specs(tmp_path / "elsewhere", spec("one", new_project()))
    checkout = tmp_path / "checkout"
    subprocess.run(["git", "init", "--quiet", checkout], check=True)
    (checkout / "w").symlink_to(elsewhere)
    ended = _run("validate", checkout / "w")
    assert ended.returncode == 3
    assert b"the folder does not lie inside the repository (outside-root)" in ended.stdout


def test_a_configuration_that_leads_out_is_not_read(root: Path, tmp_path: Path) -> None:
    """Also one that a flag names: a pipeline names a file of the pull request."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "c.yaml").write_text(f"url: {CANARY}\n")
    (root / "c.yml").symlink_to("../elsewhere/c.yaml")
    ended = _run("validate", root, "--config", root / "c.yml")
    assert ended.returncode == 3
    assert b"does not lie inside the repository" in ended.stdout
    assert CANARY.encode() not in ended.stdout + ended.stderr


@pytest.mark.parametrize("pattern", [".", "..", "a/..", "**/../x", "", "a\\0b"])
def test_a_pattern_that_names_no_policy(pattern: str, root: Path) -> None:
    """It is one finding at its place, and no traceback."""
    (root / "reconciler.yaml").write_text(f'policies: ["{pattern}"]\n')
    ended = _run("validate", root)
    assert ended.returncode == 3
    assert ended.stdout.count(b"error:") == 1
    assert b"w/reconciler.yaml:1:" in ended.stdout


def test_a_pattern_that_searches_the_machine(root: Path) -> None:
    """A link is not followed out of the repository, so that a pattern ends at once."""
    (root / "machine").symlink_to("/")
    (root / "reconciler.yaml").write_text("policies: ['machine/**/*.json', '**/*.schema.json']\n")
    begun = time.monotonic()
    ended = _run("validate", root)
    assert time.monotonic() - begun < 10
    assert ended.stdout.count(b"no policy matches") == 2


@pytest.mark.parametrize("thing", ["fifo", "/dev/zero", "/dev/stdin"])
@pytest.mark.parametrize("command", ["show", "apply --yes --plan"])
def test_a_plan_that_is_no_file(command: str, thing: str, tmp_path: Path) -> None:
    """A saved plan is a regular file: nothing else is waited for or read without an end."""
    path = tmp_path / "plan.json"
    if thing == "fifo":
        os.mkfifo(path)
    else:
        path = Path(thing)
    ended = _run(*command.split(), path)
    assert ended.returncode == 3
    assert b"not a regular file" in ended.stderr


def test_a_plan_that_leads_out_of_the_checkout(tmp_path: Path) -> None:
    """A link in a checkout to the environment of the job is not read, and not quoted."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "plan.json").symlink_to(ENVIRON)
    ended = _run("show", tmp_path / "plan.json")
    assert ended.returncode == 3
    assert ended.stderr.startswith(
        f"error: the plan {tmp_path}/plan.json does not lie inside the repository\n".encode()
    )


def test_a_plan_is_not_quoted_at_length(tmp_path: Path) -> None:
    """A damaged plan is told of in a line, and without what its words may hold."""
    text = f'{{"format_version": "1.1", "saved": "token={CANARY} {"x" * 5000}"}}'
    (tmp_path / "plan.json").write_text(text)
    ended = _run("show", tmp_path / "plan.json")
    assert ended.returncode == 3
    assert len(ended.stderr) < 600
    assert CANARY.encode() not in ended.stderr


QUOTED = {
    ".reconcilerignore": "//API_TOKEN=@@\n",
    "a.yaml": "? [API_TOKEN=@@]\n: 1\n",
    "b.yaml": "API_TOKEN=@@: 1\nAPI_TOKEN=@@: 2\n",
    "c.json": '{"API_TOKEN=@@": 1, "API_TOKEN=@@": 2}',
    "d.yaml": "x: !API_TOKEN=@@ 1\n",
    "e.yaml": "x: *API_TOKEN=@@\n",
    "f.yaml": "apiVersion: v1\nkind: API_TOKEN=@@\n",
    "g.yaml": "metadata: {name: 'API_TOKEN=@@', project: 'API_TOKEN=@@'}\nmanifest: {kind: X}\n",
    "h.yaml": "metadata: {name: a, projectId: '1', password: @@}\nmanifest: {}\n",
    "reconciler.yaml": "concurrency: 'API_TOKEN=@@'\nclient_secret: @@\n",
    "i.yaml": (
        "metadata: {name: i, projectId: '1'}\n"
        "manifest:\n  apiVersion: apps/v1\n  kind: Deployment\n  spec:\n    selector: {}\n"
        "    template:\n      metadata: {labels: {a: 'API_TOKEN=@@'}}\n      spec:\n"
        "        containers:\n        - {name: 'API_TOKEN=@@', image: x, env: ["
        "{name: A_TOKEN, value: {x: @@}}]}\n"
    ),
}


@pytest.mark.parametrize("name", QUOTED)
def test_what_a_finding_quotes_has_no_secret(name: str, tmp_path: Path) -> None:
    """A text of a file that a finding repeats is short, and passes the redactor."""
    root = tmp_path / "w"
    root.mkdir()
    (root / name).write_text(QUOTED[name].replace("@@", CANARY + "x" * 3000))
    ended = _run("validate", root)
    assert ended.returncode == 3
    assert b": error:" in ended.stdout
    assert CANARY.encode() not in ended.stdout + ended.stderr
    assert max(map(len, ended.stdout.splitlines())) < 1200


def test_a_number_that_is_a_secret_is_not_quoted(tmp_path: Path) -> None:
    """Nor is a value under a secret name, whatever its type, in message or hint."""
    root = tmp_path / "w"
    root.mkdir()
    (root / "a.yaml").write_text(
        "metadata: {name: a, projectId: '1'}\n"
        "manifest:\n  apiVersion: v1\n  kind: Pod\n  spec:\n    containers:\n"
        "    - {name: c, image: x, env: [{name: DB_PASSWORD, value: 91827364}]}\n"
    )
    ended = _run("validate", root)
    assert ended.returncode == 3
    assert b"must be a string, not the number (hidden)" in ended.stdout
    assert b"91827364" not in ended.stdout


def test_code_frames_do_not_leave_the_repository(tmp_path: Path) -> None:
    """The line that a finding is about is not read through a link that leads out."""
    from reconciler.cli.output.source_excerpts import SourceLines
    from reconciler.errors import Where

    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "a.yaml").symlink_to("/etc/hostname")
    (tmp_path / "b.yaml").write_text("a: 1\n")
    (tmp_path / "c.yaml").symlink_to("b.yaml")
    with contextlib.chdir(tmp_path):
        lines = [SourceLines().of(Where(file=f"{name}.yaml")) for name in "abc"]
    assert lines == [None, "a: 1", "a: 1"]
