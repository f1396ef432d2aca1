from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

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
PUBLISHED = Path(__file__).parents[2] / "schemas" / "openapi" / "workloads-v2-2.23.json"


def document() -> dict[str, Any]:
    """The published document, and what this server keeps to beyond it; nothing is taken away."""
    declared: dict[str, Any] = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    add_strict_request(declared)
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
    metadata["properties"] |= {
        # The server's own messages give the rule; the document allows any text.
        "name": {"type": "string", "pattern": "^[a-z][a-z0-9-]*$", "minLength": 1, "maxLength": 63},
        # No project has an empty id.
        "projectId": {"type": "string", "minLength": 1},
        # The description lists the priorities, the schema does not.
        "priority": {"type": "string", "nullable": True, "enum": [*PRIORITIES, None]},
        # Names of categories are the tenant's; these are the ones that every tenant begins with.
        "category": {
            "type": "string",
            "nullable": True,
            "enum": [*Settings().categories, None],
        },
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
        for operation in declared["paths"][path].values():
            operation["responses"]["405"] = {**failure, "headers": allow}
    declared["paths"][WORKLOADS]["post"]["responses"] |= {"413": failure, "415": failure}


def add_links(declared: dict[str, Any]) -> None:
    """Say that the id in an answer is the id to ask with; the document says so in prose only."""
    post = declared["paths"][WORKLOADS]["post"]["responses"]["202"]
    get = declared["paths"][ITEM]["get"]["responses"]["200"]
    delete = declared["paths"][ITEM]["delete"]["responses"]["202"]
    read, remove = "get_workload_v2_by_id", "delete_workload_v2"
    for answer, pointer, targets in (
        (post, "/metadata/id", (read, remove)),
        (get, "/workload/metadata/id", (read, remove)),
        (delete, "/metadata/id", (read, remove)),
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

    def __init__(self) -> None:
        self.reset()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on to the present sandbox."""
        await self.sandbox.app(scope, receive, send)

    def reset(self) -> None:
        """Forget everything, the ledger included."""
        self.sandbox = Sandbox(Settings(api_version="2.23"))


def headers() -> dict[str, str]:
    """What a client sends that has logged in; good in every sandbox with the same secret."""
    grant = Sandbox(Settings()).tokens.grant(json.dumps(login(DEMO)).encode())
    return {"Authorization": f"Bearer {grant['accessToken']}"}


def load(**generation: Any) -> BaseSchema:
    """The document under test, served by the stage."""
    loaded = schemathesis.openapi.from_dict(document())
    loaded.app = STAGE
    loaded.config.generation.update(**generation)
    return loaded


EXAMPLES = settings().max_examples
STAGE = Stage()
HEADERS = headers()
schema = load(max_examples=EXAMPLES)


@schema.parametrize()
def test_every_operation_keeps_the_document(case: Case[Any]) -> None:
    """Valid data is accepted, invalid data refused, and every answer is one that is declared."""
    STAGE.reset()
    answer = case.call_and_validate(headers=HEADERS)
    if case.method == "POST" and case.meta is not None and case.meta.generation.mode.is_positive:
        # The check of that name would also take a 404 or a 409 for an acceptance.
        assert answer.status_code == 202


def test_every_life_keeps_the_document() -> None:
    """What was created can be read and deleted, what was deleted is gone, and all this happens."""
    whole_lives = 0
    # With a made-up header in play, schemathesis does not hold a 404 against an id from a link.
    machine: Any = load(with_security_parameters=False).as_state_machine()

    class Life(machine):  # type: ignore[misc]  # built from the document, at run time
        def setup(self) -> None:
            STAGE.reset()

        def get_call_kwargs(self, _: Case[Any]) -> dict[str, Any]:
            return {"headers": HEADERS}

        def teardown(self) -> None:
            nonlocal whole_lives
            ledger = STAGE.sandbox.ledger
            whole_lives += sum(is_whole(ledger, e.id) for e in ledger.effects(Effect.CREATED))

    Life.run(settings=settings(max_examples=EXAMPLES // 2, stateful_step_count=STEPS))
    assert whole_lives > 0


def is_whole(ledger: Ledger, workload_id: str | None) -> bool:
    """Whether a workload was read, deleted, and then missed, in this order."""
    answers = iter((e.method, e.status) for e in ledger if e.path == f"{WORKLOADS}/{workload_id}")
    # Searching an iterator uses it up to the find: what comes next is looked for behind it.
    return all(step in answers for step in (("GET", 200), ("DELETE", 202), ("GET", 404)))
