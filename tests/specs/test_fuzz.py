from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.specs.config import Config, load_config
from reconciler.specs.loading import load_specs
from tests.specs.strategies import mutated
from tests.support.specs import write

SPECS = [
    """\
metadata: {name: llm, projectId: "4501", priority: high}
manifest: &m
  apiVersion: apps/v1
  kind: Deployment
  metadata: {name: llm, labels: {app: "x"}}
  spec: {replicas: 1, mode: 0644, list: [1, 2.5, null, true]}
lifecycle: {protect: true, ignoreChanges: [/manifest/spec]}
""",
    (
        '{"metadata": {"name": "llm", "projectId": "1"}, "manifest": {"apiVersion": "v1", "kind":'
        ' "Pod"}}'
    ),
    "metadata: {name: llm, project: team-a}\nmanifestFile: m/job.yaml\n",
    "metadata: {name: a}\n---\nmetadata:\n  name: b\nmanifestBase64Encoded: "
    + base64.b64encode(b"apiVersion: v1\nkind: Pod\n").decode(),
]
CONFIG = 'projects: {team-a: "4501"}\nlimits: {max_delete: 30%}\npolicies: [p.json]\n'
POLICY = '{"title": "t", "properties": {"metadata": {"pattern": "a", "$ref": "#/$defs/x"}}}'
TEXT = mutated(st.sampled_from(SPECS))
DATA = st.one_of(
    TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=40),
    st.tuples(TEXT, st.sampled_from(["utf-16", "utf-32", "utf-16-be"])).map(
        lambda pair: pair[0].encode(pair[1], "surrogatepass")
    ),
)


def check(root: Path, data: bytes, config: Config) -> None:
    """Load standard input, and use everything that comes of it."""
    loaded = load_specs([Path("-")], root=root, config=config, stdin=BytesIO(data))
    for found in loaded.diagnostics:
        found.to_json()
        str(found.where).encode()
    for desired in loaded.desired:
        loaded.locate(desired.address, "/manifest/spec/list/1")
    assert loaded.desired or loaded.diagnostics


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(data=DATA)
def test_any_input_gives_specs_or_findings(data: bytes, tmp_path: Path) -> None:
    """No input, however damaged, raises anything or vanishes without a word."""
    write(tmp_path, {"m/job.yaml": "apiVersion: batch/v1\nkind: Job\n"})
    check(tmp_path, data, Config(projects={"team-a": "4501"}))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.fixed_dictionaries(
        {
            "a.yaml": TEXT,
            "_defaults.yaml": TEXT,
            "m/job.yaml": TEXT,
            "p.json": st.one_of(TEXT, mutated(st.just(POLICY))),
            "reconciler.yaml": mutated(st.just(CONFIG)),
        }
    )
)
def test_any_repository_gives_specs_or_findings(texts: dict[str, str], tmp_path: Path) -> None:
    """Nor does any mixture of damaged files that refer to each other."""
    write(tmp_path, {name: text.encode("utf-8", "replace") for name, text in texts.items()})
    loaded = load_specs([tmp_path], root=tmp_path, config=load_config(tmp_path / "reconciler.yaml"))
    assert loaded.desired or loaded.diagnostics
