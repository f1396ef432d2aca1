from __future__ import annotations

import dataclasses
import itertools
import ssl
import sys
import threading
import zlib
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from reconciler.core.model import Header, Own
from reconciler.core.redact import Redactor
from reconciler.core.states.inspection import Inspection, StateFlaw
from reconciler.core.states.places import ObjectPlace, parse_place
from reconciler.errors import ReconcilerError, StateError, UnreachableError
from reconciler.resources import install_command
from reconciler.state.objects import segments
from reconciler.state.objects.bucket import Bucket
from reconciler.state.places import (
    create_state,
    inspect_state,
    is_there,
    open_state,
    report_storage,
    summarize_state,
    try_lock,
)
from reconciler.state.shared.timings import DEFAULT
from tests.state.runs import begun, done
from tests.support.factories import make_recorded, make_target
from tests.support.object_server import ObjectServer, Stored, running_objects
from tests.support.postgres import free_port

STACK = make_target().stack
FIXTURE = Path(__file__).parent / "fixtures" / "bucket-1"
FOLDER = f"x/{STACK}"


def place(server: ObjectServer, scheme: str = "s3", stack: str = STACK) -> ObjectPlace:
    """A state in the bucket."""
    found = parse_place(server.url("x", scheme), stack=stack)
    assert isinstance(found, ObjectPlace)
    return found


def says(error: ReconcilerError) -> tuple[str, str, int]:
    """What a person is told, and the exit code."""
    return error.message, error.hint, error.exit_code


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
def test_a_state_lives_in_the_storage_of_each_cloud(objects: ObjectServer, scheme: str) -> None:
    """Made, held, written, compacted and read again, each in its own dialect of conditions."""
    here = place(objects, scheme)
    assert not is_there(here)
    with closing(create_state(here, make_target())) as store:
        store.hold("reconciler apply")
        for number in range(20):
            store.write([make_recorded(address=f"1/{number}", op=f"{number:02}")])
        store.begin_run(begun("1"))
        store.add_actions("1", [done("1/0")])
        store.back_up()
    with closing(create_state(place(objects, scheme, "another"), make_target(stack="another"))):
        assert is_there(here)
    with closing(open_state(here)) as store:
        assert [row.op for row in store.read()] == [f"{number:02}" for number in range(20)]
        assert (list(store.runs()), list(store.actions("1"))) == ([begun("1")], [done("1/0")])
        assert [copy.serial for copy in store.copies()] == [1]
        assert store.writer() == ""
    assert inspect_state(here) == Inspection(
        path=f"{scheme}://team-states/x",
        format=1,
        lineage=inspect_state(here).lineage,
        records=20,
        in_doubt=0,
        runs=1,
        backups=1,
    )
    assert summarize_state(here).owned[Own.ACCEPTED] == 20
    with pytest.raises(StateError) as caught:
        open_state(place(objects, scheme, "third"))
    assert says(caught.value) == (
        f"there is no state of stack third ({scheme}://team-states/x); it has: another, {STACK}",
        "give --stack or --config; only the very first apply makes one, with --init",
        1,
    )


HONEST = (
    "use storage that keeps conditional writes, as Amazon S3, Google Cloud Storage and Azure Blob "
    "Storage do, or a state in PostgreSQL; nothing was changed"
)


@pytest.mark.parametrize("condition", ["If-None-Match", "If-Match"])
def test_storage_that_ignores_conditions_is_refused(objects: ObjectServer, condition: str) -> None:
    """In one sentence, before anything is written; also where it begins to do so later."""
    here = place(objects)
    objects.ignores.add(condition)
    with pytest.raises(StateError) as caught:
        create_state(here, make_target())
    sentence = (
        (
            f"the storage of the state of stack {STACK} (s3://team-states/x) ignores {condition}: "
            "two runs could write at once"
        ),
        HONEST,
        1,
    )
    assert says(caught.value) == sentence
    assert objects.keys() == []
    objects.ignores.clear()
    with closing(create_state(here, make_target())) as store:
        objects.ignores.add(condition)
        with pytest.raises(StateError) as caught:
            store.hold("reconciler apply")
    assert says(caught.value) == sentence
    assert objects.keys() == [f"{FOLDER}/log/000000000001"]


def test_what_the_cloud_refuses_is_said_with_a_way_out(
    objects: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who logs in, what that account may do, which bucket there is."""
    here = place(objects)
    create_state(here, make_target()).close()
    elsewhere = dataclasses.replace(here, bucket="no-bucket")
    with pytest.raises(StateError, match="there is no bucket no-bucket") as caught:
        create_state(elsewhere, make_target())
    assert caught.value.exit_code == 1
    objects.may_write = False
    with closing(open_state(here)) as store:
        assert list(store.read()) == []
        with pytest.raises(StateError) as caught:
            store.hold("reconciler apply")
    assert says(caught.value) == (
        (
            f"this account may not use the state of stack {STACK} (s3://team-states/x) (403 "
            "Forbidden AccessDenied)"
        ),
        (
            "let it read, write, list and delete objects below this folder; whoever only plans "
            "needs to read and to list"
        ),
        1,
    )
    (flaw,) = report_storage(here).flaws
    assert flaw.message == caught.value.message
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
    with pytest.raises(UnreachableError, match="does not accept the login") as refused:
        open_state(here)
    assert (refused.value.exit_code, "AWS_ACCESS_KEY_ID" in refused.value.hint) == (9, True)


def test_storage_that_is_not_there_ends_with_9(
    objects: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has no more of the address than where it leads."""
    monkeypatch.setattr("reconciler.state.objects.bucket._PATIENCE", 0.0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}/?sig=secret")
    ways: list[Callable[[ObjectPlace], object]] = [open_state, is_there]
    for way in ways:
        with pytest.raises(UnreachableError) as caught:
            way(place(objects))
        message, hint, code = says(caught.value)
        assert message.startswith(
            f"the storage of the state of stack {STACK} (s3://team-states/x) cannot be reached: "
        )
        assert message.endswith("(Connection refused)")
        assert ("secret" in message + hint, code) == (False, 9)


def test_a_server_has_to_prove_whose_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the authorities of the system, or by those of SSL_CERT_FILE in their place."""
    monkeypatch.setattr("reconciler.state.objects.bucket._PATIENCE", 0.0)
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with running_objects(tls) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        with pytest.raises(UnreachableError, match=r"\(UnknownIssuer\)") as caught:
            is_there(place(server))
        assert caught.value.hint == (
            "give the authority that signed its certificate with SSL_CERT_FILE"
        )
        assert server.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        create_state(place(server), make_target()).close()
        assert "TLS" in report_storage(place(server)).facts


def test_no_address_leads_to_another_server(objects: ObjectServer) -> None:
    """One that a pull request can change gets no credentials: the environment names servers."""
    found = parse_place(objects.url("x"), stack=STACK, by_repository=True)
    assert isinstance(found, ObjectPlace)
    assert found.by_repository
    create_state(found, make_target()).close()
    heard = [name for _, name in objects.requests]
    assert all(name.startswith("team-states/") for name in heard)


def written(objects: ObjectServer) -> ObjectPlace:
    """A state with two snapshots and a log."""
    here = place(objects)
    with closing(create_state(here, make_target())) as store:
        for part in "ab":
            store.hold("reconciler apply")
            store.begin_run(begun(part))
            store.add_actions(part, [done(f"1/{part}")])
            for number in range(20):
                store.write([make_recorded(address=f"1/{part}{number}", op=f"{part}{number:02}")])
            store.release()
        store.hold("reconciler apply")
        store.write([make_recorded(address="1/c", op="c")])
    return here


def test_a_damaged_snapshot_is_read_around_and_told(objects: ObjectServer) -> None:
    """The one before it and the log since have the same."""
    here = written(objects)
    with closing(open_state(here)) as store:
        before = store.content()
    *_, newest = objects.keys(f"{FOLDER}/snapshots/")
    stored = objects.objects[f"team-states/{newest}"]
    stored.content = stored.content[:-1]
    with closing(open_state(here)) as store:
        assert store.content() == before
    assert inspect_state(here).flaws == (
        StateFlaw(
            message=f"the object snapshots/{newest[-12:]} of the state is damaged: it is cut off, "
            "or too large",
            hint="get its last version back where the bucket keeps versions, or 'reconciler state "
            "recover' into another folder",
        ),
    )
    # The next long run leaves two sound ones.
    with closing(open_state(here)) as store:
        store.hold("reconciler apply")
        for number in range(20):
            store.write([make_recorded(address=f"1/d{number}", op=f"d{number:02}")])
    with closing(open_state(here)) as store:
        assert len(store.read()) == 61


def test_a_segment_that_is_missing_or_changed_is_noticed(objects: ObjectServer) -> None:
    """What comes after it is believed by nobody: a bucket was emptied in part, or put back."""
    here = written(objects)
    newest = max(objects.keys(f"{FOLDER}/log/"))
    name, before = f"team-states/{newest}", f"team-states/{newest[:-2]}{int(newest[-2:]) - 1:02}"
    saved = objects.objects.pop(before)
    with pytest.raises(StateError, match=r"has no segment \d+, and has later ones"):
        open_state(here)
    other = segments.unpack_segment(saved.content, before)
    objects.objects[before] = dataclasses.replace(
        saved, content=segments.pack_segment(dataclasses.replace(other, was_forced=True))
    )
    with pytest.raises(StateError, match=r"segment \d+ does not follow from the one before"):
        open_state(here)
    objects.objects[before] = saved
    objects.objects[name].content = b"no segment"
    with pytest.raises(StateError, match=r"the object log/\d+ of the state is damaged"):
        open_state(here)


def test_objects_of_a_newer_version_are_left_alone(
    objects: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is read into them that this version does not know."""
    monkeypatch.setattr(segments, "FORMAT", 2)
    here = place(objects)
    create_state(here, make_target()).close()
    monkeypatch.undo()
    for name, value in objects.environment().items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StateError, match=r"written by a newer version .+ \(format 2, this one"):
        open_state(here)


def test_an_object_that_unfolds_without_end_is_refused(
    objects: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can write into a bucket could otherwise use up all memory."""
    monkeypatch.setattr(segments, "_LARGEST", 100)
    here = place(objects)
    with pytest.raises(StateError, match="it is cut off, or too large"):
        create_state(here, make_target())


def test_what_is_long_over_is_forgotten(objects: ObjectServer) -> None:
    """Runs and ended records of more than ninety days ago go when a run begins."""
    here = place(objects)
    with closing(create_state(here, make_target())) as store:
        store.hold("reconciler apply")
        old, new = "2026-08-21T08:59:59.000+00:00", "2026-08-23T00:00:00.000+00:00"
        store.write(
            [
                make_recorded(op="old", own=Own.GONE, last_sent_at=old),
                make_recorded(op="new", own=Own.GONE, last_sent_at=new),
                make_recorded(op="alive", last_sent_at=old),
            ]
        )
        store.begin_run(dataclasses.replace(begun("0"), started=old))
        store.begin_run(begun("1"))
    with closing(open_state(here)) as store:
        content = store.content()
    assert [row.op for row in content.rows] == ["alive", "new"]
    assert [run.id for run, _ in content.runs] == ["1"]


def test_nothing_of_what_is_hidden_now_is_left_in_the_bucket(objects: ObjectServer) -> None:
    """A log never writes over; so all of before goes at once, also where only a message had it."""
    here, secret = place(objects), "ghp_0123456789abcdefghijABCDEFGHIJ012345"
    with closing(create_state(here, make_target())) as store:
        for _ in range(2):
            store.hold("reconciler apply")
            store.begin_run(begun("1"))
            store.add_actions("1", [done("1/a", message=f"no {secret}")])
            for number in range(20):
                spec = {"manifest": {"env": [{"name": "CODE", "value": secret}]}}
                store.write([make_recorded(op=f"{number:02}", spec=spec, echo=None)])
            store.release()
        assert holds(objects, secret)
        redactor = Redactor(store.header.lineage)
        store.hold("reconciler apply")
        store.renew(redactor)
        assert not holds(objects, secret)
        puts = objects.count("PUT")
        store.renew(redactor)
        assert objects.count("PUT") == puts
        (action, _) = store.actions("1")
        assert action.message.startswith("no ")
        assert len(store.read()) == 20
    with closing(open_state(here)) as store:
        assert len(store.read()) == 20


def holds(objects: ObjectServer, text: str) -> bool:
    """Whether any object has a text, once it is unfolded."""
    contents = (zlib.decompress(one.content) for one in objects.objects.values())
    return any(text.encode() in content for content in contents)


def test_a_lock_can_be_tried(objects: ObjectServer) -> None:
    """It is free afterwards."""
    here = place(objects)
    create_state(here, make_target()).close()
    try_lock(here, "reconciler doctor")
    with closing(open_state(here)) as store:
        assert store.writer() == ""
        store.hold("reconciler apply")
        with pytest.raises(ReconcilerError, match="is in use by") as caught:
            try_lock(here, "reconciler doctor")
        assert caught.value.exit_code == 6


def test_a_copy_that_is_gone_is_named(objects: ObjectServer) -> None:
    """Only the last few are kept."""
    with closing(create_state(place(objects), make_target())) as store:
        store.hold("reconciler apply")
        store.back_up()
        (copy,) = store.copies()
        objects.objects.pop(f"team-states/{FOLDER}/{copy.name}")
        with pytest.raises(StateError, match=f"has no copy of {copy.taken_at[:19]}"):
            store.read_copy(copy)


def test_without_the_library_the_way_to_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and databases need none of it."""
    for name in list(sys.modules):
        if name.split(".")[0] == "obstore" or name.startswith("reconciler.state.objects"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(StateError, match="in object storage needs a library") as caught:
        open_state(parse_place("s3://states/x", stack=STACK))
    assert caught.value.hint == install_command("objects")


def test_of_many_that_write_one_object_at_once_one_does(objects: ObjectServer) -> None:
    """The server that these tests trust judges conditions one after the other."""
    bucket, start = Bucket(place(objects), DEFAULT), threading.Barrier(8)
    won: list[int] = []
    first = bucket.put_new("x", b"0")
    assert first is not None

    def write(number: int) -> None:
        start.wait()
        made = bucket.put_new("new", bytes([number])), bucket.put_over("x", bytes([number]), first)
        won.extend(itertools.compress((1, 2), (one is not None for one in made)))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [1, 2]


def test_a_bucket_of_format_1_is_read_and_written(objects: ObjectServer) -> None:
    """As the program that had it first has left it: a snapshot, a log, a lease, a copy."""
    for file in FIXTURE.rglob("*"):
        if file.is_file():
            stored = Stored(
                content=file.read_bytes(), tag='"1"', generation=1, modified=datetime.now(UTC)
            )
            objects.objects[f"team-states/{FOLDER}/{file.relative_to(FIXTURE)}"] = stored
    with closing(open_state(place(objects))) as store:
        content = store.content()
        assert content.header == Header(
            lineage="lin",
            serial=2,
            target=make_target(issuer="i", tenant_id=7, can_update=True, pins={"team-a": "4501"}),
        )
        assert [(row.op, row.own) for row in content.rows] == [
            *((f"a{number:02}", Own.ACCEPTED) for number in range(18)),
            ("b", Own.CREATING),
            ("c", Own.GONE),
        ]
        assert content.rows[0] == make_recorded(address="1/a0", op="a00", protected=True)
        assert content.runs == (
            (begun("1"), (done("1/a", seconds=1.5), done("1/b"))),
            (dataclasses.replace(begun("2"), exit_code=4, counts={"created": 1}), ()),
        )
        assert [copy.serial for copy in store.copies()] == [1]
        assert len(store.read_copy(store.copies()[0])) == 18
        store.hold("reconciler apply")
        store.write([make_recorded(op="d")])
    assert inspect_state(place(objects)).flaws == ()
