from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import settings
from schemathesis import BaseSchema, Case

from reconciler.sandbox import DEMO, Effect, Ledger, Sandbox, Settings
from reconciler.sandbox.connection import Receive, Scope, Send
from reconciler.sandbox.world.kinds import KINDS, PRIORITIES
from tests.sandbox.rigs import WORKLOADS, in_base64, login

ITEM = f"{WORKLOADS}/{{WorkloadV2Id}}"
# Enough to create, read, delete and miss a workload, with a detour.
STEPS = 10
FOLDER = Path(__file__).parent
# The API version that the sandbox is, with the published document of it. The second holds from 2.24
# to 2.26; it is the own copy of the sandbox, since it must not be wrong together with a client.
DOCUMENTS = {
    "2.23": FOLDER.parents[1] / "schemas" / "openapi" / "workloads-v2-2.23.json",
    "2.26": FOLDER / "workloads-v2-later.json",
}


def document(version: str) -> dict[str, Any]:
    """The published document, and what this server keeps to beyond it; nothing is taken away."""
    declared: dict[str, Any] = json.loads(DOCUMENTS[version].read_text(encoding="utf-8"))
    add_strict_request(declared)
    if "put" in declared["paths"][ITEM]:
        add_strict_update(declared)
    add_http_itself(declared)
    add_links(declared)
    return declared


def add_strict_request(declared: dict[str, Any]) -> None:
    """Say of a create request what the document leaves to the server.

    The request gets schemas of its own: the answers share the published ones, and keep them.
    """
    schemas = declared["components"]["schemas"]
    metadata = deepcopy(schemas["WorkloadV2MetadataCreateParams"])
    # A field that the document does not know is refused: it is a typo more often than not.
    metadata["additionalProperties"] = False
    # The messages say what is required; a cluster instead of a project has tests of its own, since
    # the manifest's namespace then has to be a project's.
    metadata["required"] = ["name", "projectId"]
    metadata["properties"].pop("clusterId", None)
    if "configuration" in metadata["properties"]:
        # To a server in Go, null and absent are the same.
        configuration = metadata["properties"]["configuration"]
        mnnvl = {"type": "string", "nullable": True, "enum": ["Required", "None", None]}
        configuration |= {"nullable": True, "properties": {"mnnvl": mnnvl}}
        # The enum leaves out null, which the document allows.
        values = ["preemptible", "non-preemptible", None]
        metadata["properties"]["preemptibility"] = {
            "type": "string",
            "nullable": True,
            "enum": values,
        }
    metadata["properties"] |= {
        # The server's own messages give the rule; the document allows any text.
        "name": {"type": "string", "pattern": "^[a-z][a-z0-9-]*$", "minLength": 1, "maxLength": 63},
        # No project has an empty id.
        "projectId": {"type": "string", "minLength": 1},
        **priority_and_category(),
    }
    request = deepcopy(schemas["WorkloadV2CreateRequest"])
    request["additionalProperties"] = False
    request["properties"] = {
        "metadata": metadata,
        "manifest": manifest(),
        # No schema can say what must be inside the base64: these are samples of it.
        "manifestBase64Encoded": {"type": "string", "enum": encoded_manifests()},
    }
    # The descriptions say "either": neither and both are refused.
    request["oneOf"] = [{"required": ["manifest"]}, {"required": ["manifestBase64Encoded"]}]
    body = declared["paths"][WORKLOADS]["post"]["requestBody"]
    body["content"]["application/json"]["schema"] = request
    # A dry run answers with an id that nobody has; it has tests of its own.
    declared["paths"][WORKLOADS]["post"].pop("parameters", None)


def priority_and_category() -> dict[str, Any]:
    """The names that there are."""
    return {
        # The description lists the priorities, the schema does not.
        "priority": {"type": "string", "nullable": True, "enum": [*PRIORITIES, None]},
        # Names of categories are the tenant's; these are the ones that every tenant begins with.
        "category": {
            "type": "string",
            "nullable": True,
            "enum": [*Settings().categories, None],
        },
    }


def add_strict_update(declared: dict[str, Any]) -> None:
    """Say of an update what the document leaves to the server."""
    metadata = {
        "type": "object",
        "additionalProperties": False,
        "properties": priority_and_category(),
    }
    request = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "metadata": metadata,
            "manifest": manifest(),
            "manifestBase64Encoded": {"type": "string", "enum": encoded_manifests()},
        },
        # Neither changes nothing, and is accepted.
        "not": {"required": ["manifest", "manifestBase64Encoded"]},
    }
    put = declared["paths"][ITEM]["put"]
    put["requestBody"]["content"]["application/json"]["schema"] = request
    # The document lists neither, but a manifest of another kind has to be refused somehow.
    failure = declared["components"]["responses"]["400BadRequest"]
    put["responses"] |= {"400": failure, "409": failure, "413": failure, "415": failure}


def manifest() -> dict[str, Any]:
    """A Kubernetes object of a registered type: only those can be submitted."""
    maps = {"type": "object", "nullable": True}
    return {
        "type": "object",
        "required": ["apiVersion", "kind"],
        # One branch for each type, not two enums: a Job of apps/v1 is no type.
        "oneOf": [
            {
                "properties": {
                    "apiVersion": {"type": "string", "enum": [api_version]},
                    "kind": {"type": "string", "enum": [kind]},
                }
            }
            for api_version, kind in registered()
        ],
        # Kubernetes reads these as maps, and so does everybody who labels a workload.
        "properties": {
            "metadata": {
                "type": "object",
                "properties": {"labels": maps, "annotations": maps},
            }
        },
    }


def registered() -> list[tuple[str, str]]:
    """Every apiVersion and kind that the sandbox knows out of the box."""
    return [
        (f"{kind.group}/{version}".lstrip("/"), kind.name)
        for kind in KINDS
        for version in kind.versions
    ]


def encoded_manifests() -> list[str]:
    """YAML and JSON manifests as base64 carries them."""
    return [
        in_base64("apiVersion: apps/v1\nkind: Deployment\nspec: {replicas: 2}\n"),
        in_base64('{"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}}}'),
    ]


def add_http_itself(declared: dict[str, Any]) -> None:
    """Declare what HTTP demands of any server: 405 with Allow, and for a body 413 and 415."""
    failure = declared["components"]["responses"]["400BadRequest"]
    allow = {"Allow": {"required": True, "schema": {"type": "string"}}}
    for path in (WORKLOADS, ITEM):
        methods = declared["paths"][path].keys() & {"get", "put", "post", "delete"}
        for operation in (declared["paths"][path][method] for method in sorted(methods)):
            operation["responses"]["405"] = {**failure, "headers": allow}
    declared["paths"][WORKLOADS]["post"]["responses"] |= {"413": failure, "415": failure}


def add_links(declared: dict[str, Any]) -> None:
    """Say that the id in an answer is the id to ask with; the document says so in prose only."""
    post = declared["paths"][WORKLOADS]["post"]["responses"]["202"]
    get = declared["paths"][ITEM]["get"]["responses"]["200"]
    delete = declared["paths"][ITEM]["delete"]["responses"]["202"]
    read, remove = "get_workload_v2_by_id", "delete_workload_v2"
    put = declared["paths"][ITEM].get("put")
    targets = (read, remove) if put is None else (read, "update_workload_v2", remove)
    for answer, pointer in (
        (post, "/metadata/id"),
        (get, "/workload/metadata/id"),
        (delete, "/metadata/id"),
        *(() if put is None else ((put["responses"]["202"], "/metadata/id"),)),
    ):
        answer["links"] = {
            target: {
                "operationId": target,
                "parameters": {"WorkloadV2Id": f"$response.body#{pointer}"},
            }
            for target in targets
        }


class Stage:
    """An ASGI application that is a sandbox as good as new whenever `reset` says so.

    Hypothesis replays what it did; a name still taken from the time before would make the replay
    another story.
    """

    def __init__(self, version: str) -> None:
        self._settings = Settings(api_version=version)
        self.reset()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on to the present sandbox."""
        await self.sandbox.app(scope, receive, send)

    def reset(self) -> None:
        """Forget everything, the ledger included."""
        self.sandbox = Sandbox(self._settings)


def headers() -> dict[str, str]:
    """What a client sends that has logged in; good in every sandbox with the same secret."""
    grant = Sandbox(Settings()).tokens.grant(json.dumps(login(DEMO)).encode())
    return {"Authorization": f"Bearer {grant['accessToken']}"}


def load(stage: Stage, declared: dict[str, Any], **generation: Any) -> BaseSchema:
    """A document under test, served by the stage."""
    loaded = schemathesis.openapi.from_dict(declared)
    loaded.app = stage
    loaded.config.generation.update(**generation)
    return loaded


EXAMPLES = settings().max_examples
STAGES = {version: Stage(version) for version in DOCUMENTS}
HEADERS = headers()


def check_operation(stage: Stage, case: Case[Any]) -> None:
    """Send one request, and check its answer."""
    stage.reset()
    answer = case.call_and_validate(headers=HEADERS)
    if case.method == "POST" and case.meta is not None and case.meta.generation.mode.is_positive:
        # The check of that name would also take a 404 or a 409 for an acceptance.
        assert answer.status_code == 202


@load(STAGES["2.23"], document("2.23"), max_examples=EXAMPLES).parametrize()
def test_every_operation_keeps_the_document(case: Case[Any]) -> None:
    """Valid data is accepted, invalid data refused, and every answer is one that is declared."""
    check_operation(STAGES["2.23"], case)


@load(STAGES["2.26"], document("2.26"), max_examples=EXAMPLES).parametrize()
def test_every_operation_keeps_the_later_document(case: Case[Any]) -> None:
    """So is it with updates."""
    check_operation(STAGES["2.26"], case)


@pytest.mark.parametrize("version", DOCUMENTS)
def test_every_life_keeps_the_document(version: str) -> None:
    """What was created can be read and deleted, what was deleted is gone, and all this happens."""
    whole_lives, stage = 0, STAGES[version]
    # With a made-up header in play, schemathesis does not hold a 404 against an id from a link.
    declared = document(version)
    if "put" in declared["paths"][ITEM]:
        # An update must bring a manifest of the kind that is there, which no schema can say.
        body = declared["paths"][ITEM]["put"]["requestBody"]["content"]["application/json"]
        body["schema"]["properties"] = {"metadata": body["schema"]["properties"]["metadata"]}
    machine: Any = load(stage, declared, with_security_parameters=False).as_state_machine()

    class Life(machine):  # type: ignore[misc]  # built from the document, at run time
        def setup(self) -> None:
            stage.reset()

        def get_call_kwargs(self, _: Case[Any]) -> dict[str, Any]:
            return {"headers": HEADERS}

        def teardown(self) -> None:
            nonlocal whole_lives
            ledger = stage.sandbox.ledger
            whole_lives += sum(is_whole(ledger, e.id) for e in ledger.effects(Effect.CREATED))

    Life.run(settings=settings(max_examples=EXAMPLES // 2, stateful_step_count=STEPS))
    assert whole_lives > 0


def is_whole(ledger: Ledger, workload_id: str | None) -> bool:
    """Whether a workload was read, deleted, and then missed, in this order."""
    answers = iter((e.method, e.status) for e in ledger if e.path == f"{WORKLOADS}/{workload_id}")
    # Searching an iterator uses it up to the find: what comes next is looked for behind it.
    return all(step in answers for step in (("GET", 200), ("DELETE", 202), ("GET", 404)))
