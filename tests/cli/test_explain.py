"""`plan --explain` and the end of an apply, through the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.repositories import new_project, spec, without_updates, write_specs
from tests.support.sandboxes import Sandbox


@pytest.fixture
def project() -> str:
    """A project of this test's own."""
    return new_project()


@pytest.fixture
def specs(tmp_path: Path, project: str) -> Path:
    """Two workloads."""
    specs = [spec(name, project) for name in ("one", "two")]
    return without_updates(write_specs(tmp_path / "w", *specs))


def edit(folder: Path, name: str, old: str, new: str) -> None:
    """Edit one spec."""
    path = folder / f"{name}.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def settle(text: str) -> str:
    """The text without what differs from run to run."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIME", text)


@pytest.mark.usefixtures("server")
class TestExplain:
    """One workload, from its documents to the decision."""

    def test_a_changed_workload(self, cli: Cli, specs: Path, project: str) -> None:
        """The documents with their origins, what differs, what applies, and the decision."""
        assert cli("apply", specs, "--yes", "--init").code == 0
        edit(specs, "one", '"replicas": 1', '"replicas": 3')
        result = cli("plan", specs, "--explain", f"{project}/one", "--detailed-exitcode")
        assert (result.code, result.err) == (2, "")
        blocks = settle(result.out).split("\n\n")
        heads = [block.splitlines()[0] for block in blocks]
        assert heads == [
            "Declared now:  w/one.json:1:1",
            "Last applied:  accepted, id ID, run ID, sent TIME UTC",
            "The server's echo of that:",
            "The server's echo now:  read TIME UTC",
            "Differences:",
            "Not declared:  2 fields of the server's, left alone",
            "Policies:  * marks those that decide here",
            "Decision:",
        ]
        assert "\n\n".join(blocks[3:]) == (
            "The server's echo now:  read TIME UTC\n"
            "  desiredPhase Running, syncInfo Synced\n"
            "  the same as its echo then\n"
            "\n"
            "Differences:\n"
            "  spec     ~ /manifest/spec/replicas: 1 → 3\n"
            "           w/one.json:1\n"
            "\n"
            "Not declared:  2 fields of the server's, left alone\n"
            "  /metadata/category\n"
            "  /metadata/priority\n"
            "\n"
            "Policies:  * marks those that decide here\n"
            "    onMissing: recreate  (default)\n"
            "  * onChange: update-or-replace  (default)\n"
            "    onFailed: report  (default)\n"
            "    protect: false  (default)\n"
            "    --on-drift: report  (default)\n"
            "\n"
            "Decision:\n"
            f"  ± replace  {project}/one  Deployment  1 → 3 GPUs  w/one.json:1\n"
            "             spec-changed: /manifest/spec/replicas changed; "
            "API 2.23 can only delete and create\n"
            "             releases 1 GPU, requested for less than a minute\n"
        )
        assert "    replicas: 3\n" in blocks[0]
        assert "    replicas: 1\n" in blocks[1]

    def test_the_other_workloads_are_not_read(self, cli: Cli, specs: Path, project: str) -> None:
        """What is wrong with another one is no reason not to explain this one."""
        assert cli("apply", specs, "--yes", "--init").code == 0
        kept = cli("plan", specs, "--explain", f"{project}/two", "--detailed-exitcode")
        assert kept.code == 0
        assert f"    keep     {project}/two" in kept.out
        assert "Policies:  none of them decides here" in kept.out
        new = cli("plan", specs, "--explain", f"{project}/two", "--state", "other.db")
        assert "Last applied:  never: the state does not record it" in new.out
        assert "Differences:  all of it is new" in new.out

    def test_a_value_is_shown_where_it_is_written(
        self, cli: Cli, specs: Path, project: str
    ) -> None:
        """In the defaults of its folder, in the spec itself, or nowhere."""
        (specs / "_defaults.yaml").write_text(
            "lifecycle:\n  onMissing: hold\n  onChange: update-or-replace\n"
        )
        text = cli("plan", specs, "--explain", f"{project}/two")
        document = json.loads(cli("plan", specs, "--explain", f"{project}/two", "-o", "json").out)
        assert (
            "    onMissing: hold  (w/_defaults.yaml:2)\n"
            "    onChange: update-or-replace  (w/_defaults.yaml:3)\n"
            "    onFailed: report  (default)\n"
        ) in text.out
        assert document["policies"][:1] == [
            {
                "name": "onMissing",
                "value": "hold",
                "origin": "spec",
                "applies": False,
                "where": {"file": "_defaults.yaml", "line": 2},
            }
        ]

    def test_a_removed_and_protected_workload(self, cli: Cli, specs: Path, project: str) -> None:
        """Its guard speaks, and the exit code is that of the refused apply."""
        write_specs(specs, spec("one", project, lifecycle={"protect": True}))
        assert cli("apply", specs, "--yes", "--init").code == 0
        (specs / "one.json").unlink()
        refused = cli("plan", specs, "--explain", f"{project}/one")
        assert refused.code == 5
        assert refused.out.startswith("Declared now:  no spec declares it\n")
        assert "  * onRemove: delete  (default)\n  * protect: true  (record)\n" in refused.out
        assert refused.err.startswith("refused: 1 of the planned changes would end a protected")

    def test_the_document(self, cli: Cli, specs: Path, project: str) -> None:
        """The same for programs; a secret in a spec is in neither."""
        container = '"name": "main"'
        secret = '"env": [{"name": "HF_TOKEN", "value": "canary-aaaa"}], "name": "main"'
        edit(specs, "one", container, secret)
        assert cli("apply", specs, "--yes", "--init").code == 0
        edit(specs, "one", "canary-aaaa", "canary-bbbb")
        address = f"{project}/one"
        result = cli("plan", specs, "--explain", address, "-o", "json")
        document = json.loads(result.out)
        assert list(document) == [
            *("format_version", "address", "declared", "applied", "echoed", "differences"),
            *("undeclared", "sent", "policies", "other_records", "decision", "refusals"),
        ]
        pointer = "/manifest/spec/template/spec/containers/0/env/0/value"
        change = {
            "pointer": pointer,
            "before": "(sensitive, changed)",
            "after": "(sensitive, changed)",
            "forces_replace": False,
            "origin": "spec",
        }
        assert document["differences"] == [
            {
                "pointer": pointer,
                "changed_by": "spec",
                "ignored": False,
                "where": {"file": "one.json", "line": 1},
                "spec": change,
                "remote": None,
            }
        ]
        assert document["decision"]["action"] == "replace"
        assert document["declared"]["source"] == {"file": "one.json", "line": 1}
        text = cli("plan", specs, "--explain", address)
        assert "canary" not in result.out + text.out

    def test_an_address_that_nobody_knows(self, cli: Cli, specs: Path, project: str) -> None:
        """A usage error that names what looks like it."""
        for given, meant in (
            (f"{project}/onne", f"did you mean {project}/one?"),
            ("x", "give an address as the plan shows it, <projectId>/<name>"),
        ):
            result = cli("plan", specs, "--explain", given)
            assert (result.code, result.out) == (64, "")
            assert result.err == (
                f"error: no spec declares {given}, and the state does not record it\n"
                f"  hint: {meant}\n"
            )

    def test_the_name_alone(self, cli: Cli, specs: Path, project: str) -> None:
        """It is the address of the one workload that has it."""
        explained = cli("plan", specs, "--explain", "one", "-o", "json")
        assert (explained.code, json.loads(explained.out)["address"]) == (0, f"{project}/one")

    def test_what_it_cannot_be_combined_with(self, cli: Cli, specs: Path) -> None:
        """It is about one workload, as text or JSON."""
        for more, words in (
            (("-t", "*"), "--explain is about one workload; leave out -t"),
            (("-o", "html"), "--explain has no format html; use text or json"),
        ):
            result = cli("plan", specs, "--explain", "1/a", *more)
            assert result.code == 64
            assert words in result.err


@pytest.fixture(scope="module")
def harsh_server() -> Iterator[Mapping[str, str]]:
    """A sandbox on which some workloads fail."""
    fault = "sync-fails='no such image' name=poor-*"
    with Sandbox.running("--sync-delay", "0s", "--fault", fault) as server:
        yield server.variables


def test_the_end_of_an_apply_says_what_to_do(
    cli: Cli,
    tmp_path: Path,
    project: str,
    harsh_server: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server's words at the line that they are about, and the next command."""
    for name, value in harsh_server.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "w"
    odd = spec("odd", project)
    odd["metadata"]["category"] = "Odd"
    write_specs(folder, spec("fine", project), spec("poor-one", project))
    (folder / "odd.json").write_text(json.dumps(odd, indent=1))
    result = cli("apply", folder.name, "--yes", "--init", "-t", f"{project}/*")
    assert result.code == 4
    end = result.out[result.out.index("\nRefused") :]
    assert re.sub(r"\d+\.\d s", "T s", end) == (
        "\nRefused by the server (1):\n"
        "  w/odd.json:5:15: error: the server refused it: "
        f"category 'Odd' is not available in this cluster ({project}/odd)\n"
        f"  next: fix the spec, then reconciler apply w -t '{project}/*'\n"
        "\n"
        "Refused by the cluster (1):\n"
        f"  w/poor-one.json:1:1: error: the cluster refused it: no such image "
        f"({project}/poor-one)\n"
        "  next: fix the spec and apply; to try it unchanged: "
        f"reconciler apply w -t '{project}/*' --replace {project}/poor-one\n"
        "\n"
        "Applied: 1 created, 0 updated, 0 replaced, 0 deleted; "
        "2 failed, 0 down, 0 in doubt (T s).\n"
    )
