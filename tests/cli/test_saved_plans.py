"""A plan that is saved, shown, approved and carried out: nothing but it, and only once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.digest import digest
from reconciler.core.review.saved_plan import plan_checksum
from tests.cli.conftest import Cli
from tests.cli.repositories import new_project, spec, without_updates, write_specs

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def project() -> str:
    """A project of this test's own."""
    return new_project()


@pytest.fixture
def specs(cli: Cli, tmp_path: Path, project: str) -> Path:
    """Three workloads that are there, of which one is removed and one is changed."""
    folder = write_specs(tmp_path / "w", *(spec(name, project) for name in ("a", "b", "c")))
    assert cli("apply", folder, "--yes", "--init", "-q").code == 0
    (folder / "a.json").unlink()
    change(folder, "b", replicas=2)
    return without_updates(folder)


def change(folder: Path, name: str, *, replicas: int) -> None:
    """Edit one spec."""
    path = folder / f"{name}.json"
    document = json.loads(path.read_text())
    document["manifest"]["spec"]["replicas"] = replicas
    path.write_text(json.dumps(document))


def test_what_was_approved_is_done_and_nothing_else(cli: Cli, specs: Path, project: str) -> None:
    """A change that came after the approval waits for a plan of its own."""
    planned = cli("plan", specs, "--save", "p.json")
    change(specs, "c", replicas=4)

    applied = cli("apply", specs, "--plan", "p.json", "--yes")
    left = cli("plan", specs)

    again = f"reconciler apply {specs} --plan p.json"
    assert planned.err == f"Saved: reconciler show p.json; {again}\n"
    assert applied.code == 0
    assert applied.err == (
        "Not as it was approved: 1 workload\n"
        f"  {project}/c  now replace; not in the approved plan\n"
        "changes that are not in the saved plan, and are not applied: 1\n"
    )
    assert applied.out.splitlines()[-1].startswith(
        "Applied: 0 created, 0 updated, 1 replaced, 1 deleted; 0 failed, 0 down, 0 in doubt ("
    )
    assert left.out.startswith(f"  ± replace  {project}/c  Deployment  1 → 4 GPUs")


def test_what_has_changed_since_is_refused_and_the_rest_is_done(
    cli: Cli, specs: Path, project: str
) -> None:
    """By name, and with an exit code of its own."""
    cli("plan", specs, "--save", "p.json")
    change(specs, "b", replicas=5)

    applied = cli("apply", specs, "--plan", "p.json", "--yes")

    refusal = "not as it was approved: its spec has changed since; plan again"
    assert applied.code == 7
    assert f"failed    {project}/b\n" in applied.out
    assert f"error: {refusal} ({project}/b)\n" in applied.out
    assert (
        "Applied: 0 created, 0 updated, 0 replaced, 1 deleted; 1 failed, 0 down, 0 in doubt ("
        in applied.out
    )


def test_a_plan_is_taken_once(cli: Cli, specs: Path) -> None:
    """The history of the state knows it, and names the run; nothing is sent."""
    cli("plan", specs, "--save", "p.json")
    assert cli("apply", specs, "--plan", "p.json", "--yes").code == 0

    again = cli("apply", specs, "--plan", "p.json", "--yes")
    shown = cli("show", "p.json", "--state", specs / ".reconciler" / "state.db")

    (run,) = (run for run in json.loads(history(cli, specs).out) if run["plan"])
    words = f"this plan has been applied already, by run {run['id']} at {run['started']}\n"
    assert (again.code, again.out) == (7, "")
    assert again.err.startswith(f"error: {words}")
    assert (shown.code, shown.err.startswith(f"refused: {words}")) == (0, True)


def history(cli: Cli, specs: Path) -> Any:
    """The runs of the state of a repository."""
    return cli("runs", "list", "--state", specs / ".reconciler" / "state.db", "-o", "json")


def test_a_saved_plan_shows_as_it_was(cli: Cli, specs: Path) -> None:
    """The same text and the same document, without a server and without the specs."""
    planned = cli("plan", specs, "--save", "p.json", "-o", "json=plan.json")
    document = json.loads(Path("plan.json").read_text())

    shown = json.loads(cli("show", "p.json", "-o", "json").out)

    assert shown | {"created_at": ""} == document | {"created_at": ""}
    assert planned.code == 0
    text = cli("show", "p.json").out
    assert text.splitlines()[-1] == cli("plan", specs).out.splitlines()[-1]


def test_every_format_of_a_plan_shows_a_saved_one(cli: Cli, specs: Path) -> None:
    """A comment is rendered from the plan that was approved, and from no other."""
    cli("plan", specs, "--save", "p.json")
    formats = ("markdown", "html", "gitlab", "gitlab-plan", "json", "text")
    shown = cli("show", "p.json", *(f"-o{name}={name}.out" for name in formats))
    assert (shown.code, shown.out, shown.err) == (0, "", "")
    assert [name for name in formats if not Path(f"{name}.out").read_text()] == []
    assert "1 to replace, 1 to delete" in Path("markdown.out").read_text()


def test_a_plan_made_without_a_state_is_for_the_first_apply(
    cli: Cli, tmp_path: Path, project: str
) -> None:
    """The pull request that adds the first workloads has a plan too."""
    folder = write_specs(tmp_path / "new", spec("first", project))
    cli("plan", folder, "--save", "p.json")
    first = cli("apply", folder, "--plan", "p.json", "--yes", "--init")
    assert first.code == 0
    assert "Applied: 1 created" in first.out


def test_a_plan_of_another_state_is_refused(cli: Cli, specs: Path) -> None:
    """Whatever it says would be about other records."""
    cli("plan", specs, "--save", "p.json")
    other = write_specs(specs.parent / "other", spec("a", new_project()))
    cli("apply", other, "--yes", "--init")
    refused = cli("apply", other, "--plan", "p.json", "--yes")
    assert (refused.code, refused.out) == (7, "")
    assert refused.err.startswith("error: this plan was made from the state of lineage ")


@pytest.mark.parametrize(("flag", "value"), [("--stack", "other"), ("--url", "http://localhost:1")])
def test_a_plan_for_another_target_is_refused(cli: Cli, specs: Path, flag: str, value: str) -> None:
    """It is found out before anything is sent."""
    cli("plan", specs, "--save", "p.json")
    refused = cli("apply", specs, "--plan", "p.json", "--yes", flag, value)
    assert (refused.code, refused.out) == (7, "")
    assert refused.err.startswith("error: this plan is for s")


def test_a_selection_is_part_of_the_plan(cli: Cli, specs: Path) -> None:
    """What was planned for one workload is applied to it alone, without saying so again."""
    cli("plan", specs, "-t", "*/b", "--save", "p.json")
    applied = cli("apply", specs, "--plan", "p.json", "--yes")
    assert (applied.code, applied.err) == (0, "")
    assert "Applied: 0 created, 0 updated, 1 replaced, 0 deleted" in applied.out
    twice = cli("apply", specs, "--plan", "p.json", "--yes", "-t", "*/a")
    assert twice.code == 64
    assert "--target cannot be added to --plan: the saved plan has its own" in twice.err


def test_many_deletes_that_were_approved_are_carried_out(
    cli: Cli, tmp_path: Path, project: str
) -> None:
    """The number was given once, when the plan was made; each of them stands in it by name."""
    names = [f"w{number}" for number in range(6)]
    folder = write_specs(tmp_path / "w", *(spec(name, project) for name in names))
    cli("apply", folder, "--yes", "--init")
    for name in names[:5]:
        (folder / f"{name}.json").unlink()

    refused = cli("plan", folder, "--save", "p.json")
    saved = cli("plan", folder, "--save", "q.json", "--allow-deletes", "5")
    applied = cli("apply", folder, "--plan", "q.json", "--yes")

    assert (refused.code, Path("p.json").exists()) == (5, False)
    assert refused.err.splitlines()[-1] == (
        "not saved to p.json: an apply of this plan would be refused"
    )
    assert (saved.code, applied.code) == (0, 0)
    assert "5 deleted" in applied.out


def test_the_digest_that_was_approved_is_the_saved_one(cli: Cli, specs: Path) -> None:
    """Both can be asked for at once."""
    cli("plan", specs, "--save", "p.json")
    approved = json.loads(Path("p.json").read_text())["digest"]
    wrong = digest("another")
    refused = cli("apply", specs, "--plan", "p.json", "--yes", "--expect-digest", wrong)
    applied = cli("apply", specs, "--plan", "p.json", "--yes", "--expect-digest", approved)
    assert (refused.code, applied.code) == (7, 0)
    assert approved in refused.err


def _edit(document: dict[str, Any]) -> None:
    document["actions"][0]["address"] = "1/other"


def _drop(document: dict[str, Any]) -> None:
    del document["saved"]["bindings"]


def _sign(document: dict[str, Any]) -> None:
    document["saved"]["bindings"][0]["action"] = 7
    document["saved"]["checksum"] = plan_checksum(document)


def _age(document: dict[str, Any]) -> None:
    document["format_version"] = "0.9"


def _strip(document: dict[str, Any]) -> None:
    del document["saved"]


@pytest.mark.parametrize(
    ("damage", "code", "words"),
    [
        (_edit, 3, "p.json is not as it was saved: its checksum does not match"),
        (_drop, 3, "p.json is not a whole plan: $.saved: 'bindings' is a required property"),
        (_sign, 3, "p.json is not a whole plan: $.saved.bindings[0].action: 7 is not of type"),
        (_age, 7, "p.json is a plan of format 0.9, and this program knows 1.1"),
        (_strip, 3, "p.json shows a plan, but was not written by 'plan --save'"),
    ],
)
def test_a_plan_that_was_edited_is_none(
    cli: Cli, specs: Path, damage: Callable[[dict[str, Any]], None], code: int, words: str
) -> None:
    """By hand, by a newer version, or by a print of the plan instead of the plan."""
    cli("plan", specs, "--save", "p.json")
    document = json.loads(Path("p.json").read_text())
    damage(document)
    Path("p.json").write_text(json.dumps(document))
    for command in (("show", "p.json"), ("apply", specs, "--plan", "p.json", "--yes")):
        refused = cli(*command)
        assert (refused.code, refused.out) == (code, "")
        assert refused.err.startswith(f"error: {words}")


def test_a_plan_of_an_earlier_format_is_refused(cli: Cli, specs: Path) -> None:
    """It says too little of what is sent, and is not guessed at."""
    saved = Path(__file__).parents[1] / "state" / "fixtures" / "format-3" / "saved.plan"
    for command in (("show", saved), ("apply", specs, "--plan", saved, "--yes")):
        refused = cli(*command)
        assert (refused.code, refused.out) == (7, "")
        assert refused.err == (
            f"error: {saved} is a plan of format 1.0, and this program knows 1.1\n"
            "  hint: plan again and have the new plan approved\n"
        )


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b"{", b"[" * 100_000, b'{"a": NaN}'])
def test_what_is_no_plan_is_refused(cli: Cli, content: bytes) -> None:
    """Whatever it is, a message says so."""
    Path("p.json").write_bytes(content)
    refused = cli("show", "p.json")
    assert (refused.code in (3, 7), refused.out) == (True, "")
    assert refused.err.startswith("error: p.json is ")


def test_a_plan_is_not_saved_among_the_specs(cli: Cli, specs: Path) -> None:
    """The next run would take it for one; another ending, or a hidden name, is no spec."""
    refused = cli("plan", specs, "--save", specs / "p.json")
    assert (refused.code, refused.out) == (64, "")
    assert "it is among the specs and would be read as one; use another folder" in refused.err
    for name in ("p.plan", ".p.json", "_p.json"):
        assert cli("plan", specs, "--save", specs / name).code == 0
    assert cli("validate", specs).code == 0


def test_a_plan_that_cannot_be_read_or_written(cli: Cli, specs: Path) -> None:
    """Both name the file."""
    missing = cli("show", "nothing.json")
    unwritable = cli("plan", specs, "--save", "no/such/folder/p.json")
    assert (missing.code, unwritable.code) == (3, 1)
    assert missing.err.startswith("error: the plan nothing.json does not exist\n  hint: make one")
    assert "the plan cannot be saved to no/such/folder/p.json: " in unwritable.err


def test_a_plan_that_is_not_the_approved_one_is_shown_with_what_differs(
    cli: Cli, specs: Path, project: str
) -> None:
    """Nobody approves a digest unseen: every format names each entry that differs."""
    assert cli("plan", specs, "-o", "json=approved.json").code == 0
    write_specs(specs, spec("a", project), spec("new", project))
    change(specs, "b", replicas=4)

    forms = ("-o", "text", "-o", "markdown=apply.md", "-o", "html=apply.html")
    applied = cli("apply", specs, "--yes", "--expect-digest", "approved.json", *forms)

    assert applied.code == 7
    assert f"  + create   {project}/new  Deployment  0 → 1 GPU" in applied.out
    told = applied.err.split("error: ")[0]
    assert told == (
        "Not as it was approved: 3 workloads\n"
        f"  {project}/a  approved as delete, and not in the plan any more\n"
        f"  {project}/b  now replace; what is sent is not what was approved\n"
        "    ~ /manifest/spec/replicas: 2 → 4\n"
        f"  {project}/new  now create; not in the approved plan\n"
    )
    page, html = Path("apply.md").read_text("utf-8"), Path("apply.html").read_text("utf-8")
    assert page.splitlines()[0] == "<!-- reconciler:apply:default -->"
    assert page.splitlines()[2].startswith("## Not applied. Plan: ")
    assert "### Not as it was approved (3)" in page
    assert "! /manifest/spec/replicas: 2 → 4" in page
    assert '<h2 id="approved">Not as it was approved</h2>' in html


def test_what_is_expected_is_a_digest_or_a_plan(cli: Cli, specs: Path) -> None:
    """A file that is no plan is wrong usage, not a plan that has changed."""
    applied = cli("apply", specs, "--yes", "--expect-digest", specs / "b.json")
    assert applied.code == 64
    assert applied.err == (
        f"error: --expect-digest {specs / 'b.json'}: neither a digest nor the file of a plan\n"
        "  hint: pass sha256:… as a plan shows it, or the file of 'plan -o json=FILE'\n"
    )
