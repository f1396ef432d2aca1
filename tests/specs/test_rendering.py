from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model import Desired
from reconciler.specs.compose.rendering import render_documents
from reconciler.specs.config import Config
from reconciler.specs.loading import load_specs
from tests.specs.strategies import VALUES
from tests.support.specs import encoded, load

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
CHOICES = {
    "protect": st.booleans(),
    "onRemove": st.sampled_from(["delete", "forget"]),
    "onMissing": st.sampled_from(["recreate", "hold", "fail"]),
    "onChange": st.sampled_from(["update-or-replace", "update", "replace", "hold"]),
    "onFailed": st.sampled_from(["keep", "replace"]),
    "wave": st.integers(-5, 5),
    "ignoreChanges": st.just(["/manifest/spec/replicas"]),
}
DOCUMENTS = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {"name": NAMES, "projectId": st.sampled_from(["1", "4501"])},
            optional={"priority": st.sampled_from(["low", None]), "category": st.none()},
        ),
        "manifest": st.fixed_dictionaries(
            {"apiVersion": st.just("egx.nvidia.io/v1"), "kind": st.just("SPOTRequest")},
            optional={"spec": VALUES},
        ),
    },
    optional={"lifecycle": st.fixed_dictionaries({}, optional=CHOICES)},
)


def read(document: Any) -> tuple[Desired, ...]:
    """Load one document from standard input, in a repository that declares nothing else."""
    stream = BytesIO(json.dumps(document).encode())
    with TemporaryDirectory() as empty:
        return load_specs([Path("-")], root=Path(empty), config=Config(), stdin=stream).desired


@given(DOCUMENTS)
def test_what_is_rendered_reads_back_the_same(document: Any) -> None:
    """`render` into `-` declares exactly what the files declared."""
    desired = read(document)
    assert len(desired) == 1
    (rendered,) = render_documents(desired)
    assert read(rendered) == desired
    assert render_documents(read(rendered)) == [rendered]


def test_a_rendered_spec(tmp_path: Path) -> None:
    """It is the spec as it would be sent, with every setting of its lifecycle."""
    loaded = load(
        tmp_path,
        {
            "reconciler.yaml": 'projects: {team-a: "4501"}\n',
            "_defaults.yaml": "metadata: {project: team-a, priority: low}\n",
            "a.yaml": "metadata: {name: llm}\nmanifestFile: job.yaml\nlifecycle: {wave: 2}\n",
            "job.yaml": "apiVersion: tekton.dev/v1\nkind: TaskRun\n",
        },
    )
    assert render_documents(loaded.desired) == [
        {
            "metadata": {"projectId": "4501", "priority": "low", "name": "llm"},
            "manifest": {"apiVersion": "tekton.dev/v1", "kind": "TaskRun"},
            "lifecycle": {
                "protect": False,
                "onRemove": "delete",
                "onChange": "update-or-replace",
                "onFailed": "report",
                "wave": 2,
                "ignoreChanges": [],
            },
        }
    ]


def test_a_base64_manifest_stays_one(tmp_path: Path) -> None:
    """It is rendered in base64, and reads back as the same manifest."""
    loaded = load(
        tmp_path,
        {"a.yaml": encoded("apiVersion: egx.nvidia.io/v1\nkind: SPOTRequest\ndata: {a: ü}\n")},
    )
    (rendered,) = render_documents(loaded.desired)
    assert set(rendered) == {"metadata", "manifestBase64Encoded", "lifecycle"}
    (again,) = read(rendered)
    assert (again.manifest, again.encoded) == (loaded.desired[0].manifest, True)
