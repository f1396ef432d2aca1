"""Specs for what runs already: readable, without secrets, and an empty plan."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.app.importing import importing
from reconciler.app.importing.importing import ImportRequest, import_workloads, spec_folder
from reconciler.app.planning.planning import PlanResult
from reconciler.app.planning.workspace import Workspace, open_workspace
from reconciler.app.settings import Flags
from reconciler.app.state.adopting import AdoptOptions
from reconciler.app.status.unmanaged import ProjectSearch
from reconciler.app.wholefiles import write_new
from reconciler.core.model import Desired
from reconciler.core.planning.actions import Hold, Reason
from reconciler.core.planning.adoption import NotAdoptedReason, Proposal
from reconciler.core.states.places import FilePlace
from reconciler.errors import InvalidInputError, LockedError, UnreachableError, UsageError
from reconciler.state.sqlite import open_state
from tests.support.timing import run
from tests.support.worlds import World, wish


def made(name: str, *, kind: str = "Deployment", **container: Any) -> Desired:
    """A workload as somebody submits it: one that Kubernetes takes."""
    plain = wish(name, kind=kind)
    labels = {"app": name}
    pods: dict[str, Any] = {"containers": [{"name": "main", "image": "nginx:1", **container}]}
    if kind == "Job":
        spec = {"template": {"spec": {**pods, "restartPolicy": "Never"}}}
    else:
        spec = {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pods},
        }
    return dataclasses.replace(plain, manifest={**plain.manifest, "spec": spec})


class Importer:
    """A repository without specs, in front of a server where others have made workloads."""

    def __init__(self, folder: Path, **sandbox: Any) -> None:
        self.root = folder / "repository"
        (self.root / "new").mkdir(parents=True)
        (self.root / "reconciler.yaml").write_text("stack: blue\n")
        self.state = folder / "state.db"
        self.world = World(path=self.state, **sandbox)
        self.settings = dataclasses.replace(
            self.world.settings, state=FilePlace(path=self.state), root=self.root
        )
        self.files: dict[str, str] = {}
        self.agrees = True

    def plant(
        self, spec: Desired, *, manifest: Mapping[str, Any] | None = None, **more: Any
    ) -> str:
        """Somebody makes a workload by hand; `manifest` adds to its manifest."""
        body = {
            "metadata": dict(spec.metadata),
            "manifest": {**spec.manifest, **(manifest or {})},
        }
        body["metadata"] |= more.pop("metadata", {})
        return self.world.sandbox.store.plant(body, **more).id

    def read(self, drafts: Mapping[str, str]) -> Workspace:
        """The repository as it is now, with the settings of this world."""
        read = open_workspace([self.root], Flags(), {}, drafts=drafts)
        return dataclasses.replace(read, settings=self.settings)

    def run(self, *patterns: str, into: str = "new", dry_run: bool = False) -> Proposal | None:
        """Import what is not recorded."""
        request = ImportRequest(
            search=ProjectSearch(projects=["4501"]),
            root=self.root,
            folder=spec_folder(self.root / into, self.root),
            read=self.read,
            patterns=patterns,
            on_files=self.files.update,
        )
        options = AdoptOptions(
            command="reconciler import", agree=lambda _: self.agrees, dry_run=dry_run
        )
        main = import_workloads(
            self.read({}),
            options,
            request,
            connector=self.world.connector(),
            say=lambda _: None,
        )
        return run(main, self.world.timeline)

    def plan(self) -> PlanResult:
        """What an apply of the repository would do."""
        return self.world.plan(*self.read({}).desired)

    def written(self) -> list[str]:
        """The files below the folder for new specs."""
        return sorted(path.name for path in (self.root / "new").iterdir())

    def names(self) -> list[str]:
        """What the state records."""
        return sorted(row.address.name for row in self.world.rows())


@pytest.fixture
def importer(tmp_path: Path) -> Importer:
    """Nothing is recorded, and nothing runs."""
    return Importer(tmp_path)


def why(proposal: Proposal | None) -> dict[str, NotAdoptedReason]:
    """Why workloads were left alone, by name."""
    assert proposal is not None
    return {one.address.name: one.why for one in proposal.skipped if one.address}


def test_a_spec_says_what_was_submitted(importer: Importer) -> None:
    """Without status, marks, defaults of the server, or what Kubernetes writes into objects."""
    declared = made(
        "llm",
        command=["sh", "-c", "echo one\nexec sleep 3600\n"],
        resources={"limits": {"nvidia.com/gpu": 2}},
    )
    declared.manifest["spec"]["template"]["metadata"]["creationTimestamp"] = None
    importer.plant(
        declared,
        manifest={
            "status": {"replicas": 2},
            "metadata": {
                "uid": "1b4e",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "resourceVersion": "7",
                "managedFields": [{"manager": "kubectl"}],
                "namespace": "runai-project-4501",
                "name": "llm",
                "annotations": {
                    "kubectl.kubernetes.io/last-applied-configuration": "{}",
                    "team": "search",
                },
            },
        },
        metadata={"priority": "very-high", "category": "Train"},
    )

    importer.run()

    assert (importer.root / "new" / "llm.yaml").read_text() == (
        "metadata:\n"
        "  name: llm\n"
        "  projectId: '4501'\n"
        "  category: Train\n"
        "manifest:\n"
        "  apiVersion: apps/v1\n"
        "  kind: Deployment\n"
        "  metadata:\n"
        "    name: llm\n"
        "    annotations:\n"
        "      team: search\n"
        "  spec:\n"
        "    selector:\n"
        "      matchLabels:\n"
        "        app: llm\n"
        "    template:\n"
        "      metadata:\n"
        "        labels:\n"
        "          app: llm\n"
        "      spec:\n"
        "        containers:\n"
        "        - name: main\n"
        "          image: nginx:1\n"
        "          command:\n"
        "          - sh\n"
        "          - -c\n"
        "          - |\n"
        "            echo one\n"
        "            exec sleep 3600\n"
        "          resources:\n"
        "            limits:\n"
        "              nvidia.com/gpu: 2\n"
    )
    assert not importer.plan().plan.has_changes


def test_two_hundred_by_hand_are_two_hundred_files(importer: Importer) -> None:
    """The plan is empty, nothing is sent but GETs, and the history has one edit."""
    for number in range(200):
        importer.plant(made(f"w{number:03}", kind="Job" if number % 2 else "Deployment"))
    before = len(importer.world.ledger("POST", "PUT", "DELETE"))

    proposal = importer.run()

    assert proposal is not None
    assert len(proposal.adoptions) == 200
    assert importer.written() == [f"w{number:03}.yaml" for number in range(200)]
    assert not importer.plan().plan.has_changes
    assert len(importer.world.ledger("POST", "PUT", "DELETE")) == before
    store = open_state(importer.state)
    assert [entry.counts for entry in store.runs()] == [{"adopted": 200}]
    store.close()


SECRETS: dict[str, dict[str, Any]] = {
    "env": {"env": [{"name": "HF_TOKEN", "value": "s3cret-value-of-ann"}]},
    "command": {"command": ["sh", "-c", "export API_KEY=s3cret-value-of-ann; run"]},
    "flag": {"args": ["--password", "s3cret-value-of-ann"]},
}


def test_what_looks_like_a_secret_is_never_written(importer: Importer) -> None:
    """Its workload is listed with the place and what to do; no file and no backup has the value."""
    for name, more in SECRETS.items():
        importer.plant(made(name, **more))
    importer.plant(made("plain"))

    proposal = importer.run()

    assert why(proposal) == dict.fromkeys(SECRETS, NotAdoptedReason.SENSITIVE)
    assert proposal is not None
    assert "/manifest/spec/template/spec/containers/0/env/0/value" in next(
        one.message for one in proposal.skipped if "4501/env" in one.message
    )
    assert all("Secret of Kubernetes" in one.hint for one in proposal.skipped)
    assert (importer.written(), importer.names()) == (["plain.yaml"], ["plain"])
    for path in importer.root.parent.rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes(), path


def test_an_apply_without_the_files_deletes_nothing(importer: Importer) -> None:
    """They wait in a pull request; once an apply has seen one, its removal is a removal."""
    importer.plant(made("a"))
    importer.plant(made("b"))
    importer.world.apply(wish("main"))
    importer.run()

    applied = importer.world.apply(wish("main"))

    assert applied.planned is not None
    holds = [action for action in applied.planned.plan.actions if isinstance(action, Hold)]
    assert [(str(one.address), one.reason) for one in holds] == [
        ("4501/a", Reason.NOT_DECLARED_YET),
        ("4501/b", Reason.NOT_DECLARED_YET),
    ]
    assert (applied.exit_code, applied.summary) == (0, {})
    declared = importer.read({}).desired
    assert importer.world.apply(wish("main"), *declared).summary == {}
    removed = importer.world.apply(wish("main"), declared[0])
    assert removed.summary == {"deleted": 1}
    assert importer.world.live() == ["a", "main"]


def test_no_file_is_overwritten(importer: Importer) -> None:
    """A name that is taken gives way to one with the project; where that is taken, it is said."""
    for number, name in enumerate(("A.yaml", "b.yaml", "b.4501.yaml")):
        spec = {"metadata": {"name": f"mine-{number}", "projectId": "4501"}}
        spec["manifest"] = dict(made("mine", kind="Job").manifest)
        (importer.root / "new" / name).write_text(yaml.safe_dump(spec))
    mine = (importer.root / "new" / "b.yaml").read_text()
    for name in ("a", "b", "reconciler"):
        importer.plant(made(name))

    proposal = importer.run()

    assert importer.written() == [
        "A.yaml",
        "a.4501.yaml",
        "b.4501.yaml",
        "b.yaml",
        "workload-reconciler.yaml",
    ]
    assert why(proposal) == {"b": NotAdoptedReason.FILE_EXISTS}
    assert (importer.root / "new" / "b.yaml").read_text() == mine
    assert [str(one.address) for one in importer.plan().plan.changes] == [
        "4501/mine-0",
        "4501/mine-1",
        "4501/mine-2",
    ]


def test_a_dry_run_writes_nothing(importer: Importer) -> None:
    """It shows the files and what the plan would be."""
    importer.plant(made("a"))
    before = importer.state.read_bytes()
    proposal = importer.run(dry_run=True)
    assert proposal is not None
    assert [one.then.kind for one in proposal.adoptions] == ["keep"]
    assert yaml.safe_load(importer.files["new/a.yaml"])["metadata"]["name"] == "a"
    assert (importer.written(), importer.state.read_bytes() == before) == ([], True)


def test_what_is_declined_leaves_nothing(importer: Importer) -> None:
    """Neither a file nor a record."""
    importer.plant(made("a"))
    importer.agrees = False
    assert importer.run() is None
    assert (importer.written(), importer.names()) == ([], [])


class KilledError(Exception):
    """The process ends here."""


@pytest.mark.parametrize("step", range(4))
def test_after_a_kill_the_next_run_goes_on(
    importer: Importer, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Before, between and after the files: none is lost, none is written twice, and all adopted."""
    for name in ("a", "b", "c"):
        importer.plant(made(name))
    calls = iter(range(100))

    def die(path: Path, text: str) -> None:
        if next(calls) == step:
            raise KilledError
        write_new(path, text)

    def die_before_records(*_: Any, **__: Any) -> None:
        raise KilledError

    if step < 3:
        monkeypatch.setattr(importing, "write_new", die)
    else:
        monkeypatch.setattr("reconciler.app.state.adopting.amend", die_before_records)
    with pytest.raises(KilledError):
        importer.run()
    assert (len(importer.written()), importer.names()) == (step, [])
    monkeypatch.undo()
    new = importer.root / "new"
    before = {path: path.stat().st_mtime_ns for path in new.iterdir()}

    importer.run()

    assert (importer.written(), importer.names()) == (
        ["a.yaml", "b.yaml", "c.yaml"],
        ["a", "b", "c"],
    )
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not importer.plan().plan.has_changes
    assert importer.run() is not None
    assert importer.names() == ["a", "b", "c"]
    # Those that an earlier run has written wait for their apply like the others.
    assert importer.world.apply(wish("main")).summary == {"created": 1}


def test_one_at_a_time(importer: Importer) -> None:
    """The state is held from before the server is read: a second import is told by whom."""
    importer.plant(made("a"))
    store = open_state(importer.state)
    store.hold("reconciler import")
    try:
        with pytest.raises(LockedError, match="reconciler import"):
            importer.run()
    finally:
        store.close()
    assert importer.written() == []


def test_a_file_that_appears_meanwhile_is_left(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else imports into the same folder, under another state."""
    importer.plant(made("a"))

    def be_late(path: Path, text: str) -> None:
        path.write_text("# theirs\n")
        write_new(path, text)

    monkeypatch.setattr(importing, "write_new", be_late)
    with pytest.raises(InvalidInputError, match=r"new/a\.yaml has been made meanwhile"):
        importer.run()
    assert (importer.root / "new" / "a.yaml").read_text() == "# theirs\n"
    assert importer.names() == []


def test_each_that_is_left_is_said(importer: Importer) -> None:
    """Of another stack, native, declared elsewhere, with an error, changed by defaults."""
    other = World(stack="green")
    other.sandbox, other.timeline, other.clock = (
        importer.world.sandbox,
        importer.world.timeline,
        importer.world.clock,
    )
    other.apply(wish("theirs"))
    importer.plant(made("notes"), native="Workspace")
    importer.plant(made("known"))
    importer.plant(made("broken"), manifest={"metadata": {"labels": {"a b": "c"}}})
    (importer.root / "known.yaml").write_text(
        "metadata: {name: known, projectId: '4501'}\n"
        "manifest: {apiVersion: batch/v1, kind: Job, spec: {template: {spec: {"
        "restartPolicy: Never, containers: [{name: main, image: 'nginx:1'}]}}}}\n"
    )

    assert why(importer.run()) == {
        "theirs": NotAdoptedReason.FOREIGN,
        "notes": NotAdoptedReason.NATIVE,
        "known": NotAdoptedReason.DECLARED,
        "broken": NotAdoptedReason.INVALID,
    }
    assert (importer.written(), importer.names()) == ([], [])


def test_defaults_that_would_change_it_are_seen(importer: Importer) -> None:
    """What the folder adds to a spec is in its plan."""
    (importer.root / "new" / "_defaults.yaml").write_text("manifest: {spec: {replicas: 3}}\n")
    importer.plant(made("same"), metadata={"priority": "low"})
    importer.plant(made("other", kind="Job"))
    assert why(importer.run()) == {
        "same": NotAdoptedReason.DIFFERS,
        "other": NotAdoptedReason.INVALID,
    }
    assert (importer.written(), importer.names()) == (["_defaults.yaml"], [])


def test_globs_choose(importer: Importer) -> None:
    """On the name, or on the address; one that means nothing is more likely misspelt."""
    importer.plant(made("train-1"))
    importer.plant(made("serve"))
    importer.run("train-*")
    assert importer.names() == ["train-1"]
    with pytest.raises(UsageError, match="no unmanaged workload matches 4501/train-"):
        importer.run("4501/train-*")


def test_without_the_list_nothing_is_imported(importer: Importer) -> None:
    """It says why, and how to go about it by hand."""
    importer.settings = dataclasses.replace(importer.settings, discovery=False)
    with pytest.raises(UnreachableError, match="the list is switched off"):
        importer.run()


@pytest.mark.parametrize("folder", [".hidden", "_drafts", "new/.git"])
def test_a_folder_that_is_not_read_is_refused(importer: Importer, folder: str) -> None:
    """A spec there would be none."""
    (importer.root / folder).mkdir(parents=True)
    with pytest.raises(InvalidInputError, match="no specs are read in"):
        importer.run(into=folder)


def test_a_folder_outside_is_refused(importer: Importer, tmp_path: Path) -> None:
    """Also behind a link."""
    (tmp_path / "elsewhere").mkdir()
    (importer.root / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidInputError, match="leads out of the repository"):
        importer.run(into="link")


def test_an_ignored_folder_is_noticed_before_anything_is_recorded(importer: Importer) -> None:
    """The files are there, and no apply would ever see them."""
    (importer.root / ".reconcilerignore").write_text("new/\n")
    importer.plant(made("a"))
    with pytest.raises(InvalidInputError, match="is not read below new"):
        importer.run()
    assert importer.names() == []
