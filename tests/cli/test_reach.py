"""What a repository that somebody else wrote can make the program read, and print."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM, Cli
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
# Many command lines in one process, since starting one takes most of the time; what each printed.
SEVERAL = """
import contextlib, io, json, sys
from reconciler.cli.main import run
for words in json.load(sys.stdin):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = run(words)
    print(json.dumps([code, printed.getvalue()]))
"""


def make_root(folder: Path) -> Path:
    """A repository with one good spec, and one whose manifest is read from a file."""
    root = write_specs(folder / "w", spec("one", new_project()))
    (root / "manifest").write_text("apiVersion: tekton.dev/v1\nkind: TaskRun\n")
    (root / "two.yaml").write_text(
        'metadata: {name: two, projectId: "1"}\nmanifestFile: manifest\n'
    )
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of this test's own."""
    return make_root(tmp_path)


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs in this process is a step of the job as well."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def _run(*arguments: object, timeout: float = 20.0) -> subprocess.CompletedProcess[bytes]:
    """A process of its own: `/proc/self/environ` shows the variables that a process began with."""
    return _start(str(PROGRAM), *map(str, arguments), timeout=timeout)


def _start(
    *command: str, stdin: bytes | None = None, timeout: float = 20.0
) -> subprocess.CompletedProcess[bytes]:
    variables = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **SECRETS}
    return subprocess.run(
        command, env=variables, input=stdin, capture_output=True, check=False, timeout=timeout
    )


def _commands(folder: Path) -> list[list[str]]:
    """Every form of what is said about a repository."""
    forms = [word for form in FORMS for word in ("-o", f"{form}={folder}/out.{form}")]
    root = str(folder / "w")
    return [["validate", root, *forms], ["plan", root, "-o", "markdown", "--deadline", "5s"]]


def _outputs(folder: Path) -> list[str]:
    return [path.read_text("utf-8") for path in folder.glob("out.*")]


@pytest.fixture(scope="module")
def led_to_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What is printed and written where each way leads to the variables of its process."""
    folders = {way: tmp_path_factory.mktemp("way") for way in WAYS}
    for way, folder in folders.items():
        WAYS[way](make_root(folder), ENVIRON)
    commands = [command for folder in folders.values() for command in _commands(folder)]
    ended = _start(sys.executable, "-c", SEVERAL, stdin=json.dumps(commands).encode(), timeout=55)
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [code for code, _ in lines] == [3] * len(commands), ended.stderr
    printed = [text for _, text in lines]
    return {
        way: [printed[2 * number], printed[2 * number + 1], *_outputs(folder)]
        for number, (way, folder) in enumerate(folders.items())
    }


@pytest.mark.parametrize("way", WAYS)
def test_no_output_shows_the_variables_of_the_job(
    led_to_environment: dict[str, list[str]], way: str
) -> None:
    """What leads to its environment is a finding that quotes none of it."""
    _check_outputs(led_to_environment[way])


@pytest.mark.parametrize("way", WAYS)
def test_no_output_shows_the_credentials_of_the_checkout(
    cli: Cli, way: str, root: Path, tmp_path: Path
) -> None:
    """What leads to git's own configuration is one as well."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    target = tmp_path / ".git" / "config"
    target.write_text(f"[remote]\n\turl = {CANARY} //\n")
    WAYS[way](root, str(target))
    results = [cli(*command) for command in _commands(tmp_path)]
    assert [result.code for result in results] == [3, 3]
    _check_outputs([*(result.out + result.err for result in results), *_outputs(tmp_path)])


def _check_outputs(texts: list[str]) -> None:
    assert len(texts) == 2 + len(FORMS)
    # The first command prints nothing: all of its forms go to files.
    assert all(texts[1:])
    assert [text for text in texts if CANARY in text] == []


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
def test_a_pattern_that_names_no_policy(cli: Cli, pattern: str, root: Path) -> None:
    """It is one finding at its place, and no traceback."""
    (root / "reconciler.yaml").write_text(f'policies: ["{pattern}"]\n')
    ended = cli("validate", root)
    assert ended.code == 3
    assert ended.out.count("error:") == 1
    assert "w/reconciler.yaml:1:" in ended.out


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
def test_what_a_finding_quotes_has_no_secret(cli: Cli, name: str, tmp_path: Path) -> None:
    """A text of a file that a finding repeats is short, and passes the redactor."""
    root = tmp_path / "w"
    root.mkdir()
    (root / name).write_text(QUOTED[name].replace("@@", CANARY + "x" * 3000))
    ended = cli("validate", root)
    assert ended.code == 3
    assert ": error:" in ended.out
    assert CANARY not in ended.out + ended.err
    assert max(map(len, ended.out.splitlines())) < 1200


def test_a_number_that_is_a_secret_is_not_quoted(cli: Cli, tmp_path: Path) -> None:
    """Nor is a value under a secret name, whatever its type, in message or hint."""
    root = tmp_path / "w"
    root.mkdir()
    (root / "a.yaml").write_text(
        "metadata: {name: a, projectId: '1'}\n"
        "manifest:\n  apiVersion: v1\n  kind: Pod\n  spec:\n    containers:\n"
        "    - {name: c, image: x, env: [{name: DB_PASSWORD, value: 91827364}]}\n"
    )
    ended = cli("validate", root)
    assert ended.code == 3
    assert "must be a string, not the number (hidden)" in ended.out
    assert "91827364" not in ended.out


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
