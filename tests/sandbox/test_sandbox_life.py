from __future__ import annotations

from uuid import UUID

import pytest

from reconciler.sandbox import AfterDelete, Phase
from tests.sandbox.rigs import JOB, WORKLOADS, Rig, request


def test_a_workload_goes_from_queued_to_synced() -> None:
    """Half of the delay is spent in the queue, the other half applying."""
    rig = Rig(sync_delay=10.0)
    workload_id = rig.create()
    seen = []
    for _ in range(3):
        seen.append(rig.status(workload_id))
        rig.now += 5
    assert seen == ["Queued", "Applying", "Synced"]


def test_a_deleted_workload_is_deleting_then_gone() -> None:
    """While it is deleting the name is held; afterwards GET and DELETE answer 404."""
    rig = Rig(delete_delay=10.0)
    workload_id = rig.create()
    accepted = rig.delete(workload_id)
    assert (accepted.status_code, accepted.json()["desiredPhase"]) == (202, "Deleted")
    assert rig.status(workload_id) == "Deleting"
    assert rig.ask("POST", WORKLOADS, json=request()).status_code == 409
    rig.now += 10
    assert rig.get(workload_id).json() == {
        "code": 404,
        "message": f"workload {workload_id} not found",
    }
    assert rig.delete(workload_id).status_code == 404


def test_deleting_twice_is_accepted_twice_and_done_once() -> None:
    """The second DELETE neither restarts the first nor leaves an effect in the ledger."""
    rig = Rig(delete_delay=10.0)
    workload_id = rig.create()
    rig.delete(workload_id)
    rig.now += 6
    assert rig.delete(workload_id).status_code == 202
    rig.now += 6
    assert rig.status(workload_id) == "404"
    assert [entry.effect for entry in rig.sandbox.ledger if entry.method == "DELETE"] == [
        "deleted",
        None,
    ]


def test_a_name_comes_back_with_another_id() -> None:
    """An id is never given out twice, whatever happens to the name."""
    rig = Rig()
    ids = []
    for _ in range(5):
        ids.append(rig.create())
        rig.delete(ids[-1])
    assert len(set(ids)) == 5
    assert all(str(UUID(one)) == one for one in ids)


def test_ids_do_not_depend_on_the_order_of_requests() -> None:
    """One seed gives a name one id, however requests interleave; another seed does not."""
    one, two, other = Rig(seed=7), Rig(seed=7), Rig(seed=8)
    forwards = [one.create(name) for name in ("a", "b")]
    backwards = [two.create(name) for name in ("b", "a")]
    assert forwards == backwards[::-1]
    assert other.create("a") != forwards[0]


@pytest.mark.parametrize(
    ("after", "sync_info"),
    [(AfterDelete.BODY, {"status": "Deleted"}), (AfterDelete.BARE, None)],
)
def test_a_soft_deleted_workload_can_still_be_read(
    after: AfterDelete, sync_info: dict[str, str] | None
) -> None:
    """By option the body outlives the workload, with deletedAt, with or without syncInfo."""
    rig = Rig(after_delete=after)
    workload_id = rig.create()
    rig.delete(workload_id)
    body = rig.get(workload_id).json()
    assert body["workload"]["desiredPhase"] == "Deleted"
    assert body["workload"]["metadata"]["deletedAt"] == "2027-01-15T08:00:00.000Z"
    assert body["workload"]["metadata"]["deletedBy"] == "demo"
    assert body.get("syncInfo") == sync_info


def test_a_soft_deleted_workload_is_forgotten_after_two_weeks() -> None:
    """Long churn does not grow the memory without end, and touches nothing that is alive."""
    rig = Rig()
    kept = rig.create("kept")
    before = rig.get(kept).content
    for number in range(1100):
        planted = rig.sandbox.store.plant(request(f"w{number}"))
        rig.sandbox.store.vanish(planted.id)
    rig.now += 15 * 24 * 3600
    rig.create("last")
    assert [w.name for w in rig.sandbox.store.all()] == ["kept", "last"]
    assert rig.get(kept).content == before


@pytest.mark.parametrize("text", ["x", "{id}x", "not-a-uuid", "{{{id}}}", "urn:uuid:{id}"])
def test_what_is_no_uuid_is_not_found(text: str) -> None:
    """The document declares no 400 for a read, so a malformed id is a 404."""
    rig = Rig()
    path = text.replace("{id}", rig.create())
    assert rig.get(path).status_code == 404
    assert rig.delete(path).status_code == 404


def test_an_id_is_read_in_any_letter_case() -> None:
    """A UUID in capitals is the same UUID."""
    rig = Rig()
    assert rig.get(rig.create().upper()).status_code == 200


def test_the_store_shows_and_breaks_the_world() -> None:
    """A test can plant, edit, fail and remove workloads behind the client's back."""
    rig = Rig()
    store = rig.sandbox.store
    mine = rig.create()
    theirs = store.plant(request("a"), by="rival")
    assert [w.created_by for w in store.live()] == ["demo", "rival"]
    store.edit(mine, manifest={**JOB, "spec": {"parallelism": 2}}, priority="low")
    edited = rig.get(mine).json()["workload"]
    assert edited["rawManifest"]["spec"] == edited["workloadManifest"]["spec"] == {"parallelism": 2}
    assert edited["metadata"]["priority"] == "low"
    store.fail_sync(mine, "no quota")
    assert rig.get(mine).json()["syncInfo"] == {"status": "Failed", "message": "no quota"}
    store.vanish(mine)
    assert (store.phase(mine), rig.status(mine)) == (Phase.DELETED, "404")
    assert store.find("4501", "a") == theirs
    assert store.manifest(theirs.id) == JOB
