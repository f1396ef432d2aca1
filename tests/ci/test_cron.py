"""The examples of unattended applies: valid where they run, and true to what the program does."""

from __future__ import annotations

import configparser
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from reconciler.core.states.places import PostgresPlace, parse_place
from reconciler.specs.kubernetes.structure import definition_schema
from reconciler.specs.schema.compiled_schema import find_violations
from tests.ci.command_lines import find_command_lines
from tests.ci.conftest import NewRunner
from tests.ci.tools import ROOT

CRON = ROOT / "examples" / "cron"
CRON_JOB = CRON / "kubernetes-cronjob.yaml"
SHARED_JOB = CRON / "kubernetes-cronjob-postgresql.yaml"
EXAMPLES = (
    "crontab",
    "kubernetes-cronjob.yaml",
    "kubernetes-cronjob-postgresql.yaml",
    "systemd/reconciler.service",
)
ALWAYS = {
    "--yes": None,
    "--lock-timeout": "10m",
    "--deadline": "25m",
}
# Seconds that an apply may take before its deadline, at its lock, and after a signal.
DEADLINE, LOCK, DRAIN = 25 * 60, 10 * 60, 5


def documents(path: Path = CRON_JOB) -> dict[str, Any]:
    """The manifests of a file by kind."""
    found = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    return {document["kind"]: document for document in found}


@pytest.mark.parametrize(
    ("path", "kind"),
    [(CRON_JOB, "CronJob"), (CRON_JOB, "PersistentVolumeClaim"), (SHARED_JOB, "CronJob")],
)
def test_kubernetes_takes_the_manifests(path: Path, kind: str) -> None:
    """Kubernetes' own schema has nothing against them."""
    assert list(find_violations(definition_schema(kind), documents(path)[kind])) == []


def test_the_address_of_a_shared_state_is_understood_and_leads_to_its_database() -> None:
    """Without a password, verified, at the service and with the secrets that the operator makes."""
    found = documents(SHARED_JOB)
    name = found["Cluster"]["metadata"]["name"]
    pod = found["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (address,) = [arg for arg in container["args"] if arg.startswith("--state=")]
    place = parse_place(address.removeprefix("--state="), stack="s")
    assert isinstance(place, PostgresPlace)
    parts = urlsplit(place.url)
    database = found["Cluster"]["spec"]["bootstrap"]["initdb"]
    assert (parts.hostname, parts.path) == (f"{name}-rw", f"/{database['database']}")
    assert parts.username == database["owner"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert parse_qs(parts.query) == {
        "sslmode": ["verify-full"],
        "sslrootcert": [f"{mounts['db']}/ca.crt"],
    }
    (password,) = [entry for entry in container["env"] if entry["name"] == "PGPASSWORD"]
    assert password["valueFrom"]["secretKeyRef"] == {"name": f"{name}-app", "key": "password"}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["db"]["secret"]["secretName"] == f"{name}-ca"
    assert set(mounts) == set(volumes)


@pytest.mark.parametrize("path", [CRON_JOB, SHARED_JOB], ids=lambda path: path.name)
def test_a_cron_job_runs_alone_and_has_time_to_end(path: Path) -> None:
    """No second run beside it, no repetition of a refusal, and no kill before the deadline."""
    spec = documents(path)["CronJob"]["spec"]
    job = spec["jobTemplate"]["spec"]
    pod = job["template"]["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert (job["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
    assert job["activeDeadlineSeconds"] > DEADLINE + LOCK + DRAIN
    assert pod["terminationGracePeriodSeconds"] > DRAIN


def test_a_cron_job_has_no_rights_that_it_does_not_need() -> None:
    """Not root, nothing to write but its volumes, no token, and no secret in the manifest."""
    pod = documents()["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [entry["name"] for entry in container["env"]] == ["RUNAI_BASE_URL"]
    assert container["envFrom"] == [{"secretRef": {"name": "runai-credentials"}}]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_the_volume_belongs_to_one_pod() -> None:
    """The state's lock is the kernel's, so no second node may have the file."""
    claim = documents()["PersistentVolumeClaim"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    pod = documents()["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["state"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_scheduler_runs_the_same_command(name: str) -> None:
    """Guards on, a wait for the lock, a deadline before the next run, and figures."""
    lines = [line.words for line in find_command_lines(CRON / name, name)]
    (words,) = [words for words in lines if "--yes" in words or "--yes" in shlex.join(words)]
    split = [part for word in words for part in word.split("=", 1)]
    assert split[0] == "apply"
    for flag, value in ALWAYS.items():
        assert split[split.index(flag) + 1] == value or value is None
    assert "--metrics-file" in split
    assert [word for word in split if word.startswith(("--allow", "--max-delete", "--init"))] == []


def test_the_unit_outlasts_the_deadline() -> None:
    """systemd kills nothing that would have ended by itself."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign] # names are in mixed case
    unit.read(CRON / "systemd" / "reconciler.service", encoding="utf-8")
    service = unit["Service"]
    assert service["Type"] == "oneshot"
    assert service["TimeoutStartSec"] == "40min"
    assert DEADLINE + LOCK + DRAIN < (40 * 60)
    assert int(service["TimeoutStopSec"]) > DRAIN
    assert not any(name in service for name in ("Environment", "Restart"))


def test_specs_are_read_from_a_config_map(new_runner: NewRunner) -> None:
    """A ConfigMap's files are links into a hidden folder; each is read, and read once."""
    runner = new_runner()
    mounted = runner.folder / "specs"
    hidden = mounted / "..2026_11_23"
    hidden.mkdir(parents=True)
    (mounted / "..data").symlink_to(hidden.name)
    runner.write_spec("mounted")
    (runner.folder / "mounted.yaml").rename(hidden / "mounted.yaml")
    (mounted / "mounted.yaml").symlink_to("..data/mounted.yaml")
    done = runner.run("reconciler", "validate", "specs")
    assert (done.returncode, done.stdout) == (0, "1 workload in 1 file: valid.\n"), done.stderr


def test_the_command_of_the_examples_runs(
    new_runner: NewRunner, control_plane: Mapping[str, str]
) -> None:
    """As a Job of the CronJob would: first with --init, then as it stands."""
    runner = new_runner(**control_plane)
    (runner.folder / "specs").mkdir()
    runner.write_spec("scheduled")
    (runner.folder / "scheduled.yaml").rename(runner.folder / "specs" / "scheduled.yaml")
    pod = documents()["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    args = [
        arg.replace("/state/", f"{runner.folder}/state/").replace("/specs", "specs")
        for arg in pod["containers"][0]["args"]
    ]
    assert runner.run("reconciler", *args).returncode == 1
    assert runner.run("reconciler", *args, "--init").returncode == 0
    assert runner.run("reconciler", *args).returncode == 0
    assert "reconciler_" in (runner.folder / "state" / "reconciler.prom").read_text("utf-8")
