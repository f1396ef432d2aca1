from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.diff.diff import find_changes, is_same
from reconciler.core.diff.equality import MERGE_KEYS, is_equal, normal_form, reword
from reconciler.core.diff.quantities import normal_quantity
from reconciler.core.digest import canonical
from tests.support.factories import REDACTOR, make_manifest
from tests.support.strategies import edits, json_values

POD = "spec/template/spec"
MAIN = f"{POD}/containers/0"


def with_part(path: str, part: Any, manifest: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A spec whose manifest has a part at a path."""
    document = {"metadata": {"name": "llm"}, "manifest": copy.deepcopy(manifest or make_manifest())}
    here: Any = document["manifest"]
    *way, last = (int(step) if step.isdecimal() else step for step in path.split("/"))
    for step in way:
        here = here[step] if isinstance(step, int) else here.setdefault(step, {})
    here[last] = part
    return document


def without() -> dict[str, Any]:
    """The same spec with no such part."""
    return {"metadata": {"name": "llm"}, "manifest": make_manifest()}


SAME = [
    # quantities by value
    *(
        (f"{MAIN}/resources", {"limits": {"cpu": one}}, {"limits": {"cpu": other}})
        for one, other in [
            ("1000m", "1"),
            ("1000m", 1),
            (1, "1"),
            (1.0, 1),
            ("0.5", "500m"),
            (0.5, "500m"),
            ("1e3", "1k"),
            ("1Ki", 1024),
            ("1.5Gi", "1536Mi"),
            ("1E", "1000P"),
            (".5", "+0.50"),
            ("-0", 0),
        ]
    ),
    (f"{MAIN}/resources", {"requests": {"nvidia.com/gpu": 1}},
     {"requests": {"nvidia.com/gpu": "1"}}),
    (f"{POD}/overhead", {"cpu": "250m"}, {"cpu": 0.25}),
    (f"{POD}/volumes", [{"name": "a", "emptyDir": {"sizeLimit": "1Gi"}}],
     [{"name": "a", "emptyDir": {"sizeLimit": 1073741824}}]),
    # lists that Kubernetes merges by key, in any order
    (f"{POD}/volumes", [{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}]),
    (f"{POD}/imagePullSecrets", [{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}]),
    (f"{POD}/tolerations", [{"key": "a"}, {"operator": "Exists"}],
     [{"operator": "Exists"}, {"key": "a"}]),
    (f"{POD}/containers", [{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}]),
    (f"{MAIN}/ports", [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}],
     [{"protocol": "UDP", "containerPort": 80}, {"containerPort": 80, "protocol": "TCP"}]),
    (f"{MAIN}/env", [{"name": "A", "value": "1"}, {"name": "B"}],
     [{"name": "B", "value": ""}, {"name": "A", "value": "1"}]),
    (f"{MAIN}/env", [{"name": "A", "value": "$(HOME)"}, {"name": "B"}],
     [{"name": "B"}, {"name": "A", "value": "$(HOME)"}]),
    (f"{MAIN}/volumeMounts", [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}],
     [{"name": "v", "mountPath": "/b"}, {"name": "v", "mountPath": "/a"}]),
    # numbers that may be quoted
    (f"{MAIN}/readinessProbe", {"httpGet": {"port": 80}}, {"httpGet": {"port": "80"}}),
    ("spec/strategy", {"rollingUpdate": {"maxSurge": 1}}, {"rollingUpdate": {"maxSurge": "1"}}),
]  # fmt: skip
NOTHING: list[tuple[str, Any]] = [
    (f"{MAIN}/env", []),
    (f"{MAIN}/args", []),
    (f"{MAIN}/command", None),
    (f"{MAIN}/securityContext", {"capabilities": {"drop": []}}),
    (f"{MAIN}/tty", False),
    (f"{POD}/nodeSelector", {}),
    (f"{POD}/affinity", {"nodeAffinity": None}),
    (f"{POD}/hostNetwork", False),
    ("metadata/labels", {}),
    ("metadata/creationTimestamp", None),
    ("spec/template/metadata", {"creationTimestamp": None}),
    ("spec/strategy", {"rollingUpdate": {}}),
    ("status", {}),
]
OTHER = [
    (f"{MAIN}/args", ["a", "b"], ["b", "a"]),
    (f"{MAIN}/command", ["a", "b"], ["b", "a"]),
    (f"{MAIN}/envFrom", [{"prefix": "a"}, {"prefix": "b"}], [{"prefix": "b"}, {"prefix": "a"}]),
    (f"{POD}/initContainers", [{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}]),
    (f"{MAIN}/env", [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)"}],
     [{"name": "B", "value": "$(A)"}, {"name": "A", "value": "1"}]),
    (f"{MAIN}/env", [{"name": "A", "value": "(sensitive 0123456789abcdef)"}, {"name": "B"}],
     [{"name": "B"}, {"name": "A", "value": "(sensitive 0123456789abcdef)"}]),
    (f"{MAIN}/env", [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}],
     [{"name": "A", "value": "2"}, {"name": "A", "value": "1"}]),
    (f"{MAIN}/env", [{"name": "A", "value": "1000m"}], [{"name": "A", "value": "1"}]),
    (f"{MAIN}/resources", {"limits": {"cpu": "1m"}}, {"limits": {"cpu": "1M"}}),
    (f"{MAIN}/resources", {"limits": {"cpu": True}}, {"limits": {"cpu": 1}}),
    (f"{MAIN}/resources", {"limits": {"cpu": "15e-1x"}}, {"limits": {"cpu": "1.5x"}}),
    (f"{MAIN}/readinessProbe", {"httpGet": {"port": 80}}, {"httpGet": {"port": "080"}}),
    (f"{MAIN}/tty", True, False),
    ("spec/replicas", 1, True),
    ("spec/selector", {}, None),
    (f"{POD}/volumes", [{"name": "a", "emptyDir": {}}], [{"name": "a"}]),
    ("metadata/annotations", {"a": ""}, {}),
    ("metadata/annotations", {"a": "1"}, {"a": "1.0"}),
    ("spec/params", [{"name": "a", "value": []}], [{"name": "a"}]),
]  # fmt: skip


@pytest.mark.parametrize(("path", "one", "other"), SAME)
def test_what_means_the_same_is_equal(path: str, one: Any, other: Any) -> None:
    """To Kubernetes there is no difference between the two, so none is worth a delete."""
    assert is_equal(with_part(path, one), with_part(path, other))
    assert reword(with_part(path, one), with_part(path, other)) == with_part(path, other)


@pytest.mark.parametrize(("path", "part"), NOTHING)
def test_what_says_nothing_is_as_if_it_were_absent(path: str, part: Any) -> None:
    """Null and empty are left out by Kubernetes itself when it writes an object."""
    assert is_equal(with_part(path, part), with_part(path, None))
    assert reword(without(), with_part(path, part)) == with_part(path, part)


@pytest.mark.parametrize(("path", "one", "other"), OTHER)
def test_what_may_mean_something_else_is_not_equal(path: str, one: Any, other: Any) -> None:
    """Order that counts, a presence that counts, text that only looks like a number."""
    assert not is_equal(with_part(path, one), with_part(path, other))
    worded = reword(with_part(path, one), with_part(path, other))
    assert not is_same(worded, with_part(path, other))


SWAPPED = [{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}]
KINDS_WITH_A_LEADER = [
    ({"apiVersion": "ray.io/v1", "kind": "RayCluster"},
     "spec/headGroupSpec/template/spec/containers"),
    ({"apiVersion": "kubeflow.org/v2beta1", "kind": "MPIJob"},
     "spec/mpiReplicaSpecs/Launcher/template/spec/containers"),
    ({"apiVersion": "kubeflow.org/v1", "kind": "Notebook"}, "spec/template/spec/containers"),
    ({"apiVersion": "example.com/v1", "kind": "Fleet"}, "spec/pods/containers"),
    ({"apiVersion": "apps/v1", "kind": "Deployment",
      "spec": {"template": {"metadata": {"annotations": {"gpu-fraction": "0.5"}}}}},
     "spec/template/spec/containers"),
]  # fmt: skip
KINDS_WITHOUT = [
    ({"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob"},
     "spec/pytorchReplicaSpecs/Worker/template/spec/containers"),
    ({"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"},
     "spec/predictor/containers"),
    ({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"metadata": {
        "annotations": {"gpu-fraction": "0.5", "gpu-fraction-container-name": "b"}}}}},
     "spec/template/spec/containers"),
]  # fmt: skip


@pytest.mark.parametrize(("manifest", "path"), KINDS_WITH_A_LEADER)
def test_the_first_container_counts_where_somebody_looks_at_it(
    manifest: dict[str, Any], path: str
) -> None:
    """Ray, MPIJob and Notebook change it, it gets a share of a GPU, and of others nobody knows."""
    one, other = (with_part(path, order, manifest) for order in SWAPPED)
    assert not is_equal(one, other)


@pytest.mark.parametrize(("manifest", "path"), KINDS_WITHOUT)
def test_containers_are_told_apart_by_name(manifest: dict[str, Any], path: str) -> None:
    """Wherever a kind keeps its pods."""
    one, other = (with_part(path, order, manifest) for order in SWAPPED)
    assert is_equal(one, other)


def test_pods_are_compared_alike_in_every_kind() -> None:
    """What a pod is made of means the same in a kind that nobody here knows."""
    manifest = {"apiVersion": "example.com/v1", "kind": "Fleet"}
    one, other = (with_part("spec/ships/volumes", order, manifest) for order in SWAPPED)
    assert is_equal(one, other)


def test_a_secret_is_compared_as_its_mark() -> None:
    """Equal secrets have equal marks; whether two others mean the same, nobody can tell."""
    one, other = (
        REDACTOR.redact(with_part(f"{MAIN}/env", [{"name": "API_TOKEN", "value": value}]))
        for value in ("abcdefgh", "hgfedcba")
    )
    assert is_equal(one, one)
    assert not is_equal(one, other)


# Documents in which much of the table occurs, and which are often equal to one another.
scalars = st.sampled_from(
    [None, "", 0, 1, 1.0, True, False, "1", "1000m", "TCP", "UDP", "$(a)",
     "(sensitive 0123456789abcdef)"]
)  # fmt: skip
names = st.sampled_from(["a", "b", "c"])
keys = st.sampled_from(
    [*MERGE_KEYS, "args", "resources", "limits", "value", "name", "kind", "apiVersion", "metadata",
     "annotations", "gpu-fraction", "labels", "selector", "port", "httpGet", "sizeLimit", "tty",
     "tolerations", "initContainers", "spec", "protocol", "containerPort", "mountPath"]
)  # fmt: skip
items = st.fixed_dictionaries(
    {"name": names}, optional={"value": scalars, "containerPort": scalars, "mountPath": names}
)
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.dictionaries(keys, inner, max_size=4),
        st.lists(inner, max_size=3),
        st.dictionaries(keys, st.lists(items, max_size=3), max_size=2),
    ),
    max_leaves=15,
)
anything = st.one_of(documents, json_values)


@st.composite
def restated(draw: st.DrawFn, value: Any) -> Any:
    """A document with some of its lists in another order and some of what says nothing added."""
    chance = draw(st.randoms(use_true_random=False))

    def restate(value: Any) -> Any:
        if isinstance(value, dict):
            spare = {key: item for key, item in [("tty", False), ("labels", {}), ("args", [])]
                     if key not in value and chance.random() < 0.2}  # fmt: skip
            return {key: restate(item) for key, item in value.items()} | spare
        if isinstance(value, list):
            return chance.sample([restate(item) for item in value], len(value))
        return value

    return restate(value)


@given(anything)
def test_equality_is_reflexive_and_a_normal_form_is_its_own(value: Any) -> None:
    """And the normal form means what the document means."""
    normal = normal_form(value)
    assert is_equal(value, copy.deepcopy(value))
    assert is_equal(value, normal)
    assert canonical(normal_form(normal)) == canonical(normal)


@given(documents, st.data())
def test_equality_is_symmetric_and_transitive(value: Any, data: st.DataObject) -> None:
    """Whatever three documents are held against each other, in all their orders."""
    three = [value, data.draw(restated(value)), data.draw(restated(value))]
    for one, other in itertools.permutations(three, 2):
        assert is_equal(one, other) is is_equal(other, one)
    for one, two, last in itertools.permutations(three):
        assert not (is_equal(one, two) and is_equal(two, last)) or is_equal(one, last)


@given(anything, anything)
def test_equal_documents_have_equal_canonical_bytes(one: Any, other: Any) -> None:
    """If and only if: and what is the same text in another order of keys is equal."""
    same = canonical(normal_form(one)) == canonical(normal_form(other))
    assert is_equal(one, other) is same
    assert is_equal(one, other) or not is_same(one, other)


@given(st.one_of(edits(), documents.flatmap(lambda x: st.tuples(st.just(x), restated(x)))))
def test_rewording_leaves_what_differs_and_nothing_else(pair: tuple[Any, Any]) -> None:
    """It keeps the meaning, and becomes the other text if and only if both mean the same."""
    value, like = pair
    worded = reword(value, like)
    assert is_equal(worded, value)
    assert (find_changes(worded, like) == []) is is_equal(value, like)


SUFFIXES = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "P": Decimal(10**15), "E": Decimal(10**18), "Ki": Decimal(2**10), "Mi": Decimal(2**20),
    "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
    "e3": Decimal(10**3), "E-2": Decimal("0.01"), "e+06": Decimal(10**6),
}  # fmt: skip


@st.composite
def quantities(draw: st.DrawFn) -> tuple[str, Decimal]:
    """A quantity and its value, which Python's own decimals work out from its parts."""
    number = draw(st.from_regex(r"[+-]?([0-9]{1,12}(\.[0-9]{0,6})?|\.[0-9]{1,6})", fullmatch=True))
    suffix = draw(st.sampled_from(sorted(SUFFIXES)))
    with localcontext(prec=80):
        return number + suffix, Decimal(number) * SUFFIXES[suffix]


@given(quantities(), quantities(), st.integers(-3, 3))
def test_quantities_are_equal_if_and_only_if_their_values_are(
    one: tuple[str, Decimal], other: tuple[str, Decimal], power: int
) -> None:
    """Also of one that was written in another unit."""
    assert (normal_quantity(one[0]) == normal_quantity(other[0])) is (one[1] == other[1])
    with localcontext(prec=80):
        respelt = f"{one[1].scaleb(-power):f}e{power}"
    assert normal_quantity(respelt) == normal_quantity(one[0])
    assert normal_quantity(normal_quantity(one[0])) == normal_quantity(one[0])


@pytest.mark.parametrize(
    "value",
    ["", "one", "1 m", "1mm", "0x10", "1e", "--1", "1e9999", "9" * 5000, "1,5", None, True, []],
)
def test_what_is_no_quantity_stays_as_it_is(value: Any) -> None:
    """Neither an error nor a guess, and no exponent fills the memory with digits."""
    assert normal_quantity(value) is value


def test_the_order_of_a_large_list_does_not_matter() -> None:
    """A pod with many variables, volumes and mounts in any order is the same pod."""
    manifest = make_manifest()
    pod = manifest["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": f"v{i}"} for i in range(60)]
    pod["containers"][0]["env"] = [{"name": f"V{i}", "value": "x"} for i in range(60)]
    other = copy.deepcopy(manifest)
    chance = random.Random(4)  # noqa: S311 - shuffles, hides nothing
    chance.shuffle(other["spec"]["template"]["spec"]["volumes"])
    chance.shuffle(other["spec"]["template"]["spec"]["containers"][0]["env"])
    assert reword(manifest, other) == other
