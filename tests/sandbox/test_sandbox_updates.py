from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.sandbox import Credential, Effect, UpdateRecord
from tests.sandbox.rigs import START, WORKLOADS, Rig, in_base64

NOBODY = "5d1f0000-0000-4000-8000-000000000000"
OP, REV = "workload-reconciler/op", "workload-reconciler/rev"


def deployment(replicas: int = 1, image: str = "nginx:1", **annotations: str) -> dict[str, Any]:
    """A Deployment; its annotations are given without their prefix."""
    marks = {f"workload-reconciler/{name}": value for name, value in annotations.items()}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a", "annotations": {OP: "lineage/op-1", **marks}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "a"}},
            "template": {"spec": {"containers": [{"name": "main", "image": image}]}},
        },
    }


def job(image: str = "busybox", **spec: Any) -> dict[str, Any]:
    """A Job."""
    template = {"spec": {"containers": [{"name": "main", "image": image}]}}
    metadata = {"name": "a"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {"template": template, **spec},
    }


def created(rig: Rig, manifest: dict[str, Any] | None = None, **metadata: Any) -> str:
    """Create a workload and return its id."""
    body = {
        "metadata": {"name": "a", "projectId": "4501", **metadata},
        "manifest": manifest or deployment(),
    }
    answer = rig.ask("POST", WORKLOADS, json=body)
    assert answer.status_code == 202, answer.text
    workload_id: str = answer.json()["metadata"]["id"]
    return workload_id


def records(rig: Rig) -> list[UpdateRecord]:
    """What the ledger says about the updates, in their order."""
    updates = [entry.update for entry in rig.sandbox.ledger.effects(Effect.UPDATED)]
    return [update for update in updates if update is not None]


@pytest.mark.parametrize("version", ["2.24", "2.25", "2.26", "3.0"])
def test_an_update_changes_manifest_and_metadata_under_the_same_id(version: str) -> None:
    """A PUT answers 202 with the whole WorkloadV2, which a GET shows from then on."""
    rig = Rig(api_version=version)
    workload_id = created(rig)
    before = rig.get(workload_id).json()["workload"]
    rig.now += 60
    answer = rig.put(workload_id, deployment(2), priority="low", category="Train")
    workload = rig.get(workload_id).json()["workload"]
    assert (answer.status_code, answer.json()) == (202, workload)
    assert workload["metadata"] == before["metadata"] | {
        "priority": "low",
        "category": "Train",
        "preemptibility": "preemptible",
        "updatedAt": "2027-01-15T08:01:00.000Z",
    }
    assert workload["rawManifest"] == deployment(2)
    assert workload["workloadManifest"]["spec"]["replicas"] == 2
    assert workload["workloadManifest"]["metadata"]["labels"] == {
        "runai/queue": "project-4501",
        "priorityClassName": "low",
        "kai.scheduler/preemptibility": "preemptible",
    }
    assert rig.sandbox.store.running(workload_id) == deployment(2)


def test_2_23_has_no_update() -> None:
    """The route answers 405 as a server does that knows the path and not the method."""
    rig = Rig(api_version="2.23")
    workload_id = created(rig)
    answers = [rig.put(workload_id, deployment(2)), rig.put(NOBODY)]
    assert [(a.status_code, a.headers["allow"], a.json()["code"]) for a in answers] == [
        (405, "DELETE, GET", 405),
        (405, "DELETE, GET", 405),
    ]
    assert rig.raw(workload_id) == deployment()


def test_the_probe_for_updates_has_no_effect() -> None:
    """An empty PUT to an id that nobody has is a 404 in the envelope, wherever PUT exists."""
    rig = Rig(api_version="2.24")
    answer = rig.put(NOBODY)
    assert (answer.status_code, answer.json()) == (
        404,
        {"code": 404, "message": f"workload {NOBODY} not found"},
    )
    assert rig.sandbox.store.all() == ()


def test_an_update_by_another_client_says_who_it_was() -> None:
    """updatedBy is whoever sent it, createdBy stays."""
    other = Credential(client_id="other", client_secret="s")
    rig = Rig(credentials=(other, *Rig().sandbox.settings.credentials))
    workload_id = created(rig)
    token = rig.token(other)
    rig.ask("PUT", f"{WORKLOADS}/{workload_id}", json={"manifest": deployment(3)}, token=token)
    metadata = rig.get(workload_id).json()["workload"]["metadata"]
    assert (metadata["createdBy"], metadata["updatedBy"]) == ("demo", "other")


def test_an_update_needs_the_right_to_write() -> None:
    """Whoever may only look, or sees another project, gets a 403."""
    viewer = Credential(client_id="viewer", client_secret="s", writes=False)
    stranger = Credential(client_id="stranger", client_secret="s", projects=frozenset({"9"}))
    rig = Rig(credentials=(*Rig().sandbox.settings.credentials, viewer, stranger))
    path = f"{WORKLOADS}/{created(rig)}"
    for credential in (viewer, stranger):
        token = rig.token(credential)
        answer = rig.ask("PUT", path, json={"manifest": deployment(2)}, token=token)
        assert answer.status_code == 403
    assert rig.ask("PUT", path, json={}, token=None).status_code == 401


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "request body must be a JSON object"),
        ({"manifest": []}, "manifest must be an object"),
        ({"metadata": []}, "metadata must be an object"),
        ({"metadata": {"priority": "urgent"}}, "priority 'urgent' is not available"),
        ({"metadata": {"category": "Play"}}, "category 'Play' is not available"),
        ({"metadata": {"priorty": "low"}}, 'unknown field "priorty" in metadata'),
        ({"metdata": {}}, 'unknown field "metdata" in request'),
        ({"manifest": {"kind": "Job"}}, "missing required field: apiVersion"),
        ({"manifest": job()}, "the workload type cannot be changed, it is apps/v1/Deployment"),
        ({"manifest": deployment(), "manifestBase64Encoded": "eA=="}, "mutually exclusive"),
        ({"manifestBase64Encoded": "?"}, "failed to decode manifestBase64Encoded"),
    ],
)
def test_an_update_is_checked_as_a_create_is(body: Any, message: str) -> None:
    """What a create refuses, an update refuses, and nothing changes."""
    rig = Rig()
    workload_id = created(rig)
    answer = rig.ask("PUT", f"{WORKLOADS}/{workload_id}", json=body)
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert (rig.raw(workload_id), records(rig)) == (deployment(), [])


def test_an_update_comes_as_json() -> None:
    """Another content type is a 415."""
    rig = Rig()
    answer = rig.ask("PUT", f"{WORKLOADS}/{created(rig)}", content=b"x", headers={})
    assert answer.status_code == 415


def test_an_update_in_base64_is_an_update() -> None:
    """YAML in base64 says the same as an object."""
    rig = Rig()
    workload_id = created(rig)
    encoded = in_base64(json.dumps(deployment(4)))
    answer = rig.ask("PUT", f"{WORKLOADS}/{workload_id}", json={"manifestBase64Encoded": encoded})
    assert (answer.status_code, rig.raw(workload_id)) == (202, deployment(4))


def test_an_update_never_moves_or_renames() -> None:
    """A name or a project in the request changes nothing about where the workload is."""
    rig = Rig()
    workload_id = created(rig)
    manifest = deployment(2) | {"metadata": {"name": "b", "namespace": "runai-other"}}
    rig.put(workload_id, manifest, name="b", projectId="9")
    workload = rig.get(workload_id).json()["workload"]
    metadata = workload["metadata"]
    assert (metadata["name"], metadata["projectId"], metadata["id"]) == ("a", "4501", workload_id)
    assert workload["workloadManifest"]["metadata"]["namespace"] == "runai-project-4501"
    assert [w.id for w in rig.sandbox.store.live()] == [workload_id]


def test_an_update_replaces_what_was_submitted() -> None:
    """What the new manifest leaves out is gone; what the request leaves out as a whole stays."""
    rig = Rig()
    workload_id = created(rig, priority="low", category="Train")
    without = deployment(2)
    del without["spec"]["template"]
    rig.put(workload_id, without)
    assert rig.raw(workload_id) == without
    metadata = rig.get(workload_id).json()["workload"]["metadata"]
    assert (metadata["priority"], metadata["category"]) == ("low", "Train")
    rig.put(workload_id, category="Train")
    metadata = rig.get(workload_id).json()["workload"]["metadata"]
    assert (metadata["priority"], metadata["category"]) == ("very-high", "Train")
    rig.put(workload_id, priority=None, category=None)
    metadata = rig.get(workload_id).json()["workload"]["metadata"]
    assert (metadata["priority"], metadata["category"]) == ("very-high", "Deploy")


def test_a_server_that_merges_keeps_what_an_update_leaves_out() -> None:
    """By rule maps are merged, lists replaced, and null or absent metadata kept."""
    rig = Rig("merge")
    workload_id = created(rig, priority="low")
    change = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "other"}]}}},
    }
    rig.put(workload_id, change, priority=None, category="Train")
    expected = deployment(2)
    expected["spec"]["template"]["spec"]["containers"] = [{"name": "other"}]
    assert rig.raw(workload_id) == expected
    metadata = rig.get(workload_id).json()["workload"]["metadata"]
    assert (metadata["priority"], metadata["category"]) == ("low", "Train")


def test_annotations_survive_an_update_unless_a_rule_drops_them() -> None:
    """By rule an update loses them all, or only those of a name."""
    marked = deployment(2, rev="r2")
    shown = []
    for rules in ((), ("strip-annotations on=PUT",), (f"strip-annotations={REV} on=PUT",)):
        rig = Rig(*rules)
        workload_id = created(rig)
        rig.put(workload_id, marked)
        shown.append(rig.raw(workload_id)["metadata"])
    assert shown == [
        marked["metadata"],
        {"name": "a"},
        {"name": "a", "annotations": {OP: "lineage/op-1"}},
    ]


def test_an_update_is_synced_again() -> None:
    """The status goes back to Queued, and on to Synced, each after half of the delay."""
    rig = Rig(sync_delay=4.0)
    workload_id = created(rig)
    rig.now += 10
    rig.put(workload_id, deployment(2))
    seen = []
    for _ in range(5):
        seen.append((rig.status(workload_id), rig.sandbox.store.running(workload_id)))
        rig.now += 1
    assert seen == [
        ("Queued", deployment()),
        ("Queued", deployment()),
        ("Applying", deployment()),
        ("Applying", deployment()),
        ("Synced", deployment(2)),
    ]


@pytest.mark.parametrize(("rule", "stale"), [("", "Synced"), ("sync-fails='no'", "Failed")])
def test_the_status_may_speak_about_the_old_content_for_a_while(rule: str, stale: str) -> None:
    """By rule the old word stays, the document is new; only then the sync begins."""
    rig = Rig(*filter(None, ["stale-status=10s", rule]), sync_delay=4.0)
    workload_id = created(rig)
    rig.now += 100
    rig.put(workload_id, deployment(2))
    seen = []
    for _ in range(8):
        assert rig.raw(workload_id) == deployment(2)
        seen.append(rig.status(workload_id))
        rig.now += 2
    assert seen == [stale] * 5 + ["Queued", "Applying", "Synced"]


def test_an_update_may_take_a_while_to_be_seen() -> None:
    """By rule documents show the old form, whatever the status says; the answer shows the new."""
    rig = Rig("lag=30s on=PUT")
    workload_id = created(rig)
    answer = rig.put(workload_id, deployment(2), priority="low")
    assert answer.json()["rawManifest"] == deployment(2)
    before = rig.get(workload_id).json()
    row = rig.ask("GET", "/api/v1/workloads?filterBy=name==a").json()["workloads"][0]
    rig.now += 30
    after = rig.get(workload_id).json()
    assert (before["workload"]["rawManifest"], before["workload"]["metadata"]["priority"]) == (
        deployment(),
        "very-high",
    )
    assert (before["syncInfo"], row["priorityClassName"]) == ({"status": "Synced"}, "very-high")
    assert (after["workload"]["rawManifest"], after["workload"]["metadata"]["priority"]) == (
        deployment(2),
        "low",
    )


def test_two_updates_within_a_lag_show_the_form_before_both() -> None:
    """The first is not seen because the second came: each waits for its own time."""
    rig = Rig("lag=30s on=PUT")
    workload_id = created(rig)
    seen = []
    for replicas in (2, 3):
        rig.put(workload_id, deployment(replicas))
        rig.now += 20
        seen.append(rig.raw(workload_id)["spec"]["replicas"])
    rig.now += 10
    seen.append(rig.raw(workload_id)["spec"]["replicas"])
    assert seen == [1, 2, 3]


@pytest.mark.parametrize(
    ("rule", "status"),
    [("sync-fails='no quota' on=PUT", "Failed"), ("sync-stuck on=PUT", "Applying")],
)
def test_an_update_that_fails_leaves_the_old_program_running(rule: str, status: str) -> None:
    """The document shows what was asked for; what runs is what ran before."""
    rig = Rig(rule)
    workload_id = created(rig)
    rig.put(workload_id, deployment(2))
    assert rig.status(workload_id) == status
    assert rig.raw(workload_id) == deployment(2)
    assert rig.sandbox.store.running(workload_id) == deployment()
    rig.sandbox.set_faults()
    rig.put(workload_id, deployment(3))
    assert (rig.status(workload_id), rig.sandbox.store.running(workload_id)) == (
        "Synced",
        deployment(3),
    )


def test_what_never_synced_runs_nothing() -> None:
    """Nothing runs before the first sync, nor after the deletion."""
    rig = Rig("sync-fails='no' times=1")
    workload_id = created(rig)
    running = [rig.sandbox.store.running(workload_id)]
    rig.put(workload_id, deployment(2))
    running.append(rig.sandbox.store.running(workload_id))
    rig.delete(workload_id)
    running.append(rig.sandbox.store.running(workload_id))
    assert running == [None, deployment(2), None]


@pytest.mark.parametrize(("rules", "status"), [((), 404), (("deleting-conflict",), 409)])
def test_an_update_never_revives_what_is_being_deleted(rules: Any, status: int) -> None:
    """It is a 404, by rule a 409; once it is gone, a 404."""
    rig = Rig(*rules, delete_delay=60.0)
    workload_id = created(rig)
    rig.delete(workload_id)
    answers = [rig.put(workload_id, deployment(2)).status_code]
    rig.now += 60
    answers.append(rig.put(workload_id, deployment(2)).status_code)
    assert (answers, rig.sandbox.store.live(), records(rig)) == ([status, 404], (), [])


def test_an_update_whose_deletion_failed_is_refused_as_well() -> None:
    """The platform still wants it gone: an update must not change that."""
    rig = Rig("delete-fails")
    workload_id = created(rig)
    rig.delete(workload_id)
    assert (rig.put(workload_id, deployment(2)).status_code, rig.status(workload_id)) == (
        404,
        "Failed",
    )


def test_the_ledger_says_what_an_update_asked_for_and_what_it_won_over() -> None:
    """Body, revisions and pointers; the next entry says who won over this one."""
    rig = Rig()
    workload_id = created(rig, deployment(rev="r1"))
    rig.sandbox.store.edit(workload_id, manifest=deployment(7, rev="r1"))
    answer = rig.put(workload_id, deployment(2, rev="r2"), priority="low")
    rig.put(workload_id, deployment(2, rev="r2"), priority="low")
    second, third = records(rig)
    assert second == UpdateRecord(
        body=sha256(answer.request.content).hexdigest(),
        rev="r2",
        live_rev="r2",
        replaced_rev="r1",
        replaced_by="somebody-else",
        changed=(
            "/manifest/metadata/annotations/workload-reconciler~1rev",
            "/manifest/spec/replicas",
            "/metadata/priority",
        ),
        refused=(),
        without_effect=(),
    )
    assert (third.changed, third.replaced_rev, third.replaced_by) == ((), "r2", "demo")
    entry = rig.sandbox.ledger.effects(Effect.UPDATED)[0]
    assert (entry.method, entry.status, entry.id, entry.name, entry.marker) == (
        "PUT",
        202,
        workload_id,
        "a",
        "lineage/op-1",
    )


def test_the_ledger_file_carries_updates(tmp_path: Path) -> None:
    """An update's line has a member `update`, other lines have none."""
    path = tmp_path / "ledger.jsonl"
    rig = Rig(ledger=path)
    rig.put(created(rig), deployment(2))
    rig.sandbox.close()
    create, update = (json.loads(line) for line in path.read_text().splitlines())
    assert ("update" in create, update["effect"], update["update"]["changed"]) == (
        False,
        "updated",
        ["/manifest/spec/replicas"],
    )


@pytest.mark.parametrize(
    ("rule", "executed"),
    [
        ("lost on=PUT", True),
        ("drop on=PUT", False),
        ("500 executed on=PUT", True),
        ("500 on=PUT", False),
        ("503 on=PUT retry-after=2s", False),
        ("truncate on=PUT", True),
        ("garble on=PUT", True),
        ("405 on=PUT", False),
        ("405 on=PUT page=html", False),
    ],
)
def test_an_update_goes_wrong_in_every_way(rule: str, executed: bool) -> None:
    """Whatever the client hears, the ledger knows whether it was done."""
    rig = Rig(rule)
    workload_id = created(rig)
    with suppress(httpx.TransportError):
        answer = rig.put(workload_id, deployment(2))
        html = answer.headers["content-type"].startswith("text/html")
        assert html == ("page=html" in rule)
    expected = deployment(2) if executed else deployment()
    assert rig.raw(workload_id) == expected
    assert len(records(rig)) == executed
    assert all(entry.misled for entry in rig.sandbox.ledger.effects(Effect.UPDATED))


def test_late_updates_may_overtake_each_other() -> None:
    """The first is held back, the second wins, then the first comes true after all."""
    rig = Rig("late=20s hangup on=PUT nth=1")
    workload_id = created(rig)
    headers = {"authorization": f"Bearer {rig.sandbox_token()}"}
    path = f"{WORKLOADS}/{workload_id}"

    async def overtake() -> None:
        slow = {"manifest": deployment(2, rev="r1")}
        asked = asyncio.create_task(rig.send("PUT", path, json=slow, headers=headers))
        await asyncio.sleep(0)
        await rig.send("PUT", path, json={"manifest": deployment(3, rev="r2")}, headers=headers)
        await asyncio.wait([asked])
        asked.exception()

    asyncio.run(overtake())
    rig.now += 20
    assert rig.raw(workload_id)["spec"]["replicas"] == 2
    assert [(u.rev, u.replaced_rev) for u in records(rig)] == [("r2", None), ("r1", "r2")]


def test_a_late_update_of_a_deleted_workload_does_nothing() -> None:
    """It comes true as a 404: it neither creates nor revives."""
    rig = Rig("late=20s hangup on=PUT")
    workload_id = created(rig)
    with pytest.raises(Exception, match="connection"):
        rig.put(workload_id, deployment(2))
    rig.delete(workload_id)
    rig.now += 20
    assert rig.get(workload_id).status_code == 404
    assert (rig.sandbox.store.live(), records(rig)) == ((), [])


def test_a_foreign_edit_between_read_and_write_is_won_over() -> None:
    """There is no ETag: the last one wins, and the ledger says whom it won over."""
    rig = Rig(control=True)
    workload_id = created(rig)
    rig.get(workload_id)
    order = {"do": "edit", "id": workload_id, "manifest": deployment(9)}
    rig.ask("POST", "/sandbox/workloads", json=order, token=None)
    rig.put(workload_id, deployment(2))
    (record,) = records(rig)
    assert (record.replaced_by, rig.raw(workload_id)) == ("somebody-else", deployment(2))


def test_the_control_api_shows_one_workload_in_full() -> None:
    """What it declares, what runs, and who wrote it last."""
    rig = Rig(control=True)
    workload_id = created(rig, job())
    rig.put(workload_id, job("other"))
    answer = rig.ask("GET", f"/sandbox/workloads?id={workload_id}", token=None)
    assert answer.json() == {
        "workloads": [
            {
                "id": workload_id,
                "projectId": "4501",
                "name": "a",
                "kind": "Job",
                "phase": "Failed",
                "createdBy": "demo",
                "runPhase": "Running",
                "updatedBy": "demo",
                "priority": "high",
                "category": "Build",
                "preemptibility": None,
                "mnnvl": None,
                "rawManifest": job("other"),
                "running": job(),
            }
        ]
    }
    unknown = rig.ask("GET", f"/sandbox/workloads?id={NOBODY}", token=None)
    assert unknown.status_code == 404


def test_updates_survive_a_restart(tmp_path: Path) -> None:
    """Form, past form and what runs are in the data file."""
    path = tmp_path / "data.jsonl"
    rig = Rig("lag=30s on=PUT", data=path)
    workload_id = created(rig, job())
    rig.put(workload_id, job("other"))
    rig.sandbox.close()
    again = Rig(data=path, start=START + 10)
    old = (again.raw(workload_id), again.status(workload_id))
    again.now += 20
    assert old == (job(), "Failed")
    assert again.raw(workload_id) == job("other")
    assert again.sandbox.store.running(workload_id) == job()
    again.sandbox.close()


def test_an_update_of_absurd_depth_is_a_400() -> None:
    """Nothing is half done: neither the workload nor the ledger has it."""
    rig = Rig()
    workload_id = created(rig)
    deep: Any = {}
    for _ in range(700):
        deep = {"a": deep}
    answer = rig.put(workload_id, deployment() | {"spec": deep})
    assert (answer.status_code, rig.raw(workload_id), records(rig)) == (400, deployment(), [])


def test_keys_of_yaml_that_are_no_strings_become_strings() -> None:
    """As in the conversion of Kubernetes; then they are compared like all others."""
    rig = Rig()
    workload_id = created(rig)
    manifest = "apiVersion: apps/v1\nkind: Deployment\nspec: {1: a, b: c, replicas: 2}\n"
    body = {"manifestBase64Encoded": in_base64(manifest)}
    assert rig.ask("PUT", f"{WORKLOADS}/{workload_id}", json=body).status_code == 202
    metadata = {"metadata": {"name": "b", "projectId": "4501"}}
    assert rig.ask("POST", WORKLOADS, json=body | metadata).status_code == 202
    assert rig.raw(workload_id)["spec"] == {"1": "a", "b": "c", "replicas": 2}


def test_a_deletion_is_seen_although_the_update_before_it_is_not() -> None:
    """A lag hides an update, never a deletion."""
    rig = Rig("lag=30s on=PUT", "stale-status=30s", delete_delay=60.0)
    workload_id = created(rig)
    rig.put(workload_id, deployment(2))
    rig.delete(workload_id)
    body = rig.get(workload_id).json()
    assert (body["syncInfo"], body["workload"]["desiredPhase"]) == (
        {"status": "Deleting"},
        "Deleted",
    )


def test_an_edit_of_what_has_not_synced_runs_nothing() -> None:
    """Somebody else's change waits for the same sync."""
    rig = Rig(sync_delay=10.0)
    workload_id = created(rig)
    store = rig.sandbox.store
    store.edit(workload_id, manifest=deployment(2))
    running = [store.running(workload_id)]
    rig.now += 10
    running.append(store.running(workload_id))
    store.edit(workload_id, manifest=deployment(3))
    running.append(store.running(workload_id))
    assert running == [None, deployment(2), deployment(3)]
