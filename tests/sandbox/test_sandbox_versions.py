from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from reconciler.sandbox import DEMO_SECRET, Project, Sandbox, SandboxError, Settings
from tests.sandbox.rigs import DEPLOYMENT, JOB, WORKLOADS, Rig, in_base64, request

CLUSTER = Settings().cluster_id
ALL = ("2.23", "2.24", "2.25", "2.26", "3.0")
FORM = {"content-type": "application/x-www-form-urlencoded"}
LOGIN = {"grant_type": "client_credentials", "client_id": "demo", "client_secret": DEMO_SECRET}


def log_in(rig: Rig, **form: str) -> Any:
    """Ask for a token in the second way."""
    return rig.ask(
        "POST",
        "/api/v2/token",
        content=urlencode(form).encode(),
        headers=FORM,
        token=None,
    )


def test_a_version_that_does_not_exist_is_said_at_once(tmp_path: Path) -> None:
    """With those that do, and before any file is opened."""
    ledger = tmp_path / "ledger"
    with pytest.raises(SandboxError, match=r"'2\.22'; known are 2\.23, 2\.24, 2\.25, 2\.26, 3\.0"):
        Sandbox(Settings(api_version="2.22", ledger=ledger))
    assert not ledger.exists()


# Dry runs


@pytest.mark.parametrize("version", ["2.24", "2.25", "2.26", "3.0"])
def test_a_dry_run_checks_and_creates_nothing(version: str) -> None:
    """202 with a body whose id nobody has; the name stays free, the next id is as it would be."""
    rig, twin = Rig(api_version=version), Rig(api_version=version)
    answer = rig.ask("POST", f"{WORKLOADS}?dryRun=true", json=request())
    body = answer.json()
    assert (answer.status_code, body["rawManifest"]) == (202, JOB)
    assert (rig.sandbox.store.all(), rig.get(body["metadata"]["id"]).status_code) == ((), 404)
    (entry, *_) = rig.sandbox.ledger
    assert (entry.status, entry.effect, entry.id) == (202, None, None)
    assert rig.create() == twin.create() != body["metadata"]["id"]


@pytest.mark.parametrize(
    ("rules", "version"),
    [((), "2.23"), (("ignore-dry-run",), "2.24"), (("ignore-dry-run",), "3.0")],
)
def test_an_old_server_creates_although_it_was_asked_not_to(rules: Any, version: str) -> None:
    """2.23 ignores the query, the first 2.24 does so by rule."""
    rig = Rig(*rules, api_version=version)
    answer = rig.ask("POST", f"{WORKLOADS}?dryRun=true", json=request())
    assert answer.status_code == 202
    assert [w.id for w in rig.sandbox.store.live()] == [answer.json()["metadata"]["id"]]


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        ("dryRun=true", request(priority="urgent"), 400),
        ("dryRun=true", request("taken"), 409),
        ("dryRun=true", request(project="2"), 403),
        ("dryRun=perhaps", request(), 400),
        ("dryRun=false", request(), 202),
    ],
)
def test_a_dry_run_refuses_what_a_create_refuses(query: str, body: Any, status: int) -> None:
    """The checks are the same, a name that is taken included."""
    rig = Rig(projects=(Project(id="4501", name="team-a"),))
    rig.create("taken")
    assert rig.ask("POST", f"{WORKLOADS}?{query}", json=body).status_code == status


# Tokens


def test_the_second_way_to_log_in_is_a_form() -> None:
    """It answers as OAuth does; either token can renew itself."""
    rig = Rig(token_lifetime=60.0)
    answer = log_in(rig, **LOGIN)
    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert {name: body[name] for name in ("token_type", "expires_in")} == {
        "token_type": "Bearer",
        "expires_in": 60,
    }
    assert sorted(body) == ["access_token", "expires_in", "refresh_token", "token_type"]
    again = log_in(rig, grant_type="refresh_token", refresh_token=body["refresh_token"])
    for token in (body["access_token"], again.json()["access_token"]):
        listed = rig.ask("GET", "/api/v1/workloads", token=token)
        assert listed.status_code == 200


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "client_credentials"}, 400, "invalid_request"),
        (LOGIN | {"client_secret": "wrong"}, 401, "invalid_client"),
        (LOGIN | {"client_id": "nobody"}, 401, "invalid_client"),
        (LOGIN | {"grant_type": "app_token"}, 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_grant"),
    ],
)
def test_its_errors_are_those_of_oauth(form: dict[str, str], status: int, error: str) -> None:
    """Not the envelope of every other call."""
    answer = log_in(Rig(), **form)
    body = answer.json()
    assert (answer.status_code, body["error"]) == (status, error)
    assert sorted(body) == ["error", "error_description"]


@pytest.mark.parametrize(
    "content", [b"grant_type=a&grant_type=b", "grant_type=ä".encode(), b"no form"]
)
def test_a_form_that_is_none_is_an_invalid_request(content: bytes) -> None:
    """So is JSON, which the first way takes."""
    rig = Rig()
    answers = [
        rig.ask("POST", "/api/v2/token", content=content, headers=FORM, token=None),
        rig.ask("POST", "/api/v2/token", json=LOGIN, token=None),
    ]
    assert [(a.status_code, a.json()["error"]) for a in answers] == [(400, "invalid_request")] * 2


def test_which_ways_to_log_in_there_are() -> None:
    """The second came with 2.24; the first may be gone after 3.0, by option or by rule."""
    first = {"grantType": "client_credentials", "clientID": "demo", "clientSecret": DEMO_SECRET}
    statuses = {}
    for label, rig in {
        "2.23": Rig(api_version="2.23"),
        "2.24": Rig(api_version="2.24"),
        "3.0": Rig(),
        "later": Rig(v1_token=False),
        "later, by rule": Rig("404 at=token-v1"),
        "an ingress without v2": Rig("404 at=token-v2 page=html"),
        "none": Rig("503 at=token"),
    }.items():
        v1 = rig.ask("POST", "/api/v1/token", json=first, token=None)
        statuses[label] = (v1.status_code, log_in(rig, **LOGIN).status_code)
    assert statuses == {
        "2.23": (200, 404),
        "2.24": (200, 200),
        "3.0": (200, 200),
        "later": (404, 200),
        "later, by rule": (404, 200),
        "an ingress without v2": (200, 404),
        "none": (503, 503),
    }


def test_a_rule_can_answer_in_the_form_of_oauth() -> None:
    """As a token endpoint in trouble does."""
    answer = log_in(Rig("503 at=token-v2 page=oauth retry-after=2s"), **LOGIN)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["error"] == "server_error"


# Fields of a create


@pytest.mark.parametrize("version", ALL)
def test_fields_of_other_versions_are_ignored(version: str) -> None:
    """The vendor's own client sends some; what the version knows, counts."""
    rig = Rig(api_version=version)
    workload_id = rig.create(
        useGivenNameAsPrefix=False,
        preemptibility="preemptible",
        configuration={"mnnvl": "Required"},
    )
    workload = rig.sandbox.store.workload(workload_id)
    metadata = rig.get(workload_id).json()["workload"]["metadata"]
    preemptibility = None if version == "2.23" else "preemptible"
    assert workload.preemptibility == preemptibility
    assert metadata.get("preemptibility") == preemptibility
    assert workload.mnnvl == ("Required" if version in ("2.25", "2.26", "3.0") else None)


@pytest.mark.parametrize("version", ALL)
def test_a_field_of_no_version_is_a_typo(version: str) -> None:
    """It is refused, as a create has always refused it."""
    answer = Rig(api_version=version).ask("POST", WORKLOADS, json=request(preemptability="x"))
    assert (answer.status_code, answer.json()["message"]) == (
        400,
        'unknown field "preemptability" in metadata',
    )


@pytest.mark.parametrize(
    ("version", "value", "status"),
    [
        ("2.24", "preemptible", 202),
        ("2.24", "non-preemptible", 202),
        ("2.24", None, 202),
        ("2.26", "semi-preemptible", 400),
        ("3.0", "semi-preemptible", 202),
        ("3.0", "sometimes", 400),
        ("2.23", "sometimes", 202),
    ],
)
def test_preemptibility_by_version(version: str, value: str | None, status: int) -> None:
    """3.0 knows one more; 2.23 does not read it."""
    rig = Rig(api_version=version)
    answer = rig.ask("POST", WORKLOADS, json=request(preemptibility=value))
    assert answer.status_code == status


def test_a_preemptibility_beats_the_category() -> None:
    """It is shown, and labelled for the scheduler; without one the category decides."""
    rig = Rig()
    workload_id = rig.create(category="Train", preemptibility="non-preemptible")
    workload = rig.get(workload_id).json()["workload"]
    labels = workload["workloadManifest"]["metadata"]["labels"]
    assert workload["metadata"]["preemptibility"] == "non-preemptible"
    assert labels["kai.scheduler/preemptibility"] == "non-preemptible"
    other = rig.get(rig.create("b", category="Train")).json()["workload"]["metadata"]
    assert other["preemptibility"] == "preemptible"


@pytest.mark.parametrize(
    ("configuration", "status"), [({"mnnvl": "None"}, 202), ({"mnnvl": "yes"}, 400), ([], 400)]
)
def test_mnnvl_is_required_or_none(configuration: Any, status: int) -> None:
    """Anything else is refused."""
    body = request(configuration=configuration)
    assert Rig().ask("POST", WORKLOADS, json=body).status_code == status


def test_a_given_name_may_be_a_prefix() -> None:
    """The server then makes up the rest, and two of one prefix may live."""
    rig = Rig()
    names = [
        rig.get(rig.create("a", useGivenNameAsPrefix=True)).json()["workload"]["metadata"]["name"]
        for _ in range(2)
    ]
    assert len(set(names)) == 2
    assert all(name.startswith("a-") and len(name) == 7 for name in names)
    wrong = rig.ask("POST", WORKLOADS, json=request(useGivenNameAsPrefix="yes"))
    assert wrong.status_code == 400


def test_a_prefix_gives_no_id_twice_over_a_restart(tmp_path: Path) -> None:
    """Names are made from ids, and both are new."""
    path = tmp_path / "data.jsonl"
    ids = []
    for _ in range(2):
        rig = Rig(data=path)
        ids += [rig.create("a", useGivenNameAsPrefix=True) for _ in range(2)]
        rig.sandbox.close()
    assert len(set(ids)) == 4


@pytest.mark.parametrize("projects", [(), (Project(id="4501", name="team-a"),)])
def test_a_cluster_takes_the_place_of_a_project(projects: tuple[Project, ...]) -> None:
    """The project is then the one that owns the manifest's namespace."""
    rig = Rig(projects=projects)
    namespace = "runai-team-a" if projects else "runai-project-4501"
    manifest = DEPLOYMENT | {"metadata": {"namespace": namespace}}
    metadata = {"name": "a", "clusterId": CLUSTER}
    answer = rig.ask("POST", WORKLOADS, json={"metadata": metadata, "manifest": manifest})
    assert (answer.status_code, answer.json()["metadata"]["projectId"]) == (202, "4501")


@pytest.mark.parametrize(
    ("version", "metadata", "message"),
    [
        ("3.0", {"projectId": "1", "clusterId": CLUSTER}, "mutually exclusive, provide only one"),
        ("3.0", {}, "either projectId or clusterId must be provided"),
        ("2.23", {"clusterId": CLUSTER}, "either projectId or clusterId must be provided"),
        ("3.0", {"clusterId": CLUSTER}, "has the namespace 'None'"),
        ("3.0", {"clusterId": "5d1f0000-0000-4000-8000-000000000000"}, "no project of cluster"),
        ("3.0", {"clusterId": 7}, "metadata.clusterId must be a string"),
    ],
)
def test_a_create_names_a_project_or_a_cluster(
    version: str, metadata: dict[str, Any], message: str
) -> None:
    """One of them, and not both; a namespace must be a project's."""
    rig = Rig(api_version=version)
    body = {"metadata": {"name": "a", **metadata}, "manifest": DEPLOYMENT}
    answer = rig.ask("POST", WORKLOADS, json=body)
    assert answer.status_code == 400
    assert message in answer.json()["message"]


@pytest.mark.parametrize(("version", "status"), [("2.23", 202), ("2.24", 202), ("2.25", 400)])
def test_a_manifest_in_base64_has_a_limit_from_2_25_on(version: str, status: int) -> None:
    """2,097,152 characters, for creates and updates alike."""
    rig = Rig(api_version=version)
    manifest = "apiVersion: batch/v1\nkind: Job\n#"
    encoded = in_base64(manifest + "x" * (1_572_865 - len(manifest)))
    assert len(encoded) == 2_097_156
    body = {"manifestBase64Encoded": encoded}
    answer = rig.ask("POST", WORKLOADS, json=body | {"metadata": request("b")["metadata"]})
    assert answer.status_code == status
    if version != "2.23":
        answer = rig.ask("PUT", f"{WORKLOADS}/{rig.create()}", json=body)
        assert answer.status_code == status
    if status == 400:
        message = "manifestBase64Encoded must not exceed 2097152 characters"
        assert answer.json()["message"] == message
        assert rig.ask("POST", WORKLOADS, json=request("c")).status_code == 202


# Clusters and projects


def test_the_cluster_tells_a_version() -> None:
    """A bare array, and the only call that tells one; it follows the API version or is told."""
    rig = Rig(api_version="2.24", cluster_version="2.24.1")
    answer = rig.ask("GET", f"/api/v1/clusters/minimal?filterBy=uuid=={CLUSTER}")
    assert answer.json() == [
        {
            "uuid": CLUSTER,
            "name": "sandbox",
            "tenantId": 1,
            "version": "2.24.1",
            "domain": "sandbox.localhost",
            "platform": {"type": "vanilla"},
            "state": "Connected",
        }
    ]
    assert Rig().ask("GET", "/api/v1/clusters/minimal").json()[0]["version"] == "3.0.0"
    assert rig.ask("GET", "/api/v1/clusters/minimal?filterBy=name==x").json() == []
    assert rig.ask("GET", "/api/v1/clusters/minimal", token=None).status_code == 401
    old = Rig(api_version="2.23").ask("GET", "/api/v1/clusters/minimal")
    assert old.status_code == 404


def test_projects_of_one_name_on_two_clusters_are_told_apart() -> None:
    """By the cluster; the API filters by name and cluster, never by id."""
    other = "5d1f0000-0000-4000-8000-000000000000"
    rig = Rig(
        projects=(
            Project(id="1", name="team-a"),
            Project(id="2", name="team-a", cluster_id=other),
            Project(id="3", name="team-b"),
        )
    )
    path = "/api/v1/org-unit/projects"
    queries = ("name==team-a", f"name==team-a,clusterId=={other}", f"clusterId=={CLUSTER}")
    listed = [rig.ask("GET", f"{path}?filterBy={query}").json()["projects"] for query in queries]
    assert [[row["id"] for row in rows] for rows in listed] == [["1", "2"], ["2"], ["1", "3"]]
    assert rig.ask("GET", f"{path}?filterBy=id==1").status_code == 400


def test_workloads_are_filtered_by_phase_and_cluster() -> None:
    """The phase is the one of this instant, and says since when."""
    rig = Rig("sync-delay=60s name=b", "sync-fails='no quota' name=c")
    for name in ("a", "b", "c"):
        rig.create(name)
    rig.now += 40
    rows = {
        row["name"]: (row["phase"], row["phaseUpdatedAt"], row["phaseMessage"], row["runningPods"])
        for row in rig.ask("GET", f"/api/v1/workloads?filterBy=clusterId=={CLUSTER}").json()[
            "workloads"
        ]
    }
    assert rows == {
        "a": ("Running", "2027-01-15T08:00:00.000Z", "", 1),
        "b": ("Initializing", "2027-01-15T08:00:30.000Z", "", 0),
        "c": ("Failed", "2027-01-15T08:00:00.000Z", "no quota", 0),
    }
    answer = rig.ask("GET", "/api/v1/workloads/count?filterBy=phase==Failed")
    assert answer.json() == {"count": 1}


@pytest.mark.parametrize(
    ("spec", "pods"),
    [
        ({}, 1),
        ({"replicas": 3}, 3),
        ({"parallelism": 2}, 2),
        ({"replicas": "many"}, 1),
        ({"mpiReplicaSpecs": {"Launcher": {}, "Worker": {"replicas": 4}}}, 5),
        ("none", 1),
    ],
)
def test_the_list_counts_pods(spec: Any, pods: int) -> None:
    """Replicas, parallelism or the groups of a training job; 1 where nothing is said."""
    rig = Rig()
    body = {"metadata": request()["metadata"], "manifest": DEPLOYMENT | {"spec": spec}}
    assert rig.ask("POST", WORKLOADS, json=body).status_code == 202
    (row,) = rig.ask("GET", "/api/v1/workloads").json()["workloads"]
    assert (row["runningPods"], row["requestedPods"]) == (pods, {"number": pods})
