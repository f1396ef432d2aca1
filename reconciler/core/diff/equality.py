"""When two Kubernetes objects mean the same: one normal form, and everything follows from it.

A difference costs a delete, so it must be one to Kubernetes and not only to a text. Where it is
not certain that two spellings mean the same, they are told apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.core.diff.diff import is_same
from reconciler.core.diff.quantities import normal_quantity
from reconciler.core.digest import canonical
from reconciler.core.redact import is_redacted
from reconciler.kinds.registry import KINDS, group_kind

# Kubernetes' own keys: `patchMergeKey` and `x-kubernetes-list-map-keys` of what a pod holds. The
# names mean the same wherever a kind takes a part of a pod. Init containers have a key as well, but
# run in the order in which they stand. A second row is for what is called the same elsewhere.
MERGE_KEYS: Mapping[str, Sequence[tuple[str, ...]]] = {
    "claims": [("name",)],
    "containers": [("name",)],
    "env": [("name",)],
    "ephemeralContainers": [("name",)],
    "hostAliases": [("ip",)],
    "imagePullSecrets": [("name",)],
    "ports": [("containerPort", "protocol"), ("port", "protocol")],
    "resourceClaims": [("name",)],
    "schedulingGates": [("name",)],
    "topologySpreadConstraints": [("topologyKey", "whenUnsatisfiable")],
    "volumeDevices": [("devicePath",)],
    "volumeMounts": [("mountPath",)],
    "volumes": [("name",)],
}
# Lists without a key in which no item comes before another.
SETS = frozenset({"finalizers", "tolerations"})
# Maps and structures of which an empty one says what none says. A selector is not among them (an
# empty one selects everything, none selects nothing), nor is what is chosen by being there
# (`emptyDir: {}`).
EMPTY_MAPS = frozenset(
    {
        *("affinity", "annotations", "capabilities", "dnsConfig", "labels", "lifecycle", "limits"),
        *("matchLabels", "metadata", "nodeAffinity", "nodeSelector", "overhead", "podAffinity"),
        *("podAntiAffinity", "rayStartParams", "requests", "resources", "rollingUpdate"),
        *("runPolicy", "seLinuxOptions", "securityContext", "status", "strategy"),
        *("updateStrategy", "windowsOptions"),
    }
)
# A typed list of Kubernetes that is empty is not written at all; these hold whatever their author
# put there, and an empty list may be a value.
FREE_VALUES = frozenset({"default", "value"})
EMPTY_TEXTS = frozenset(
    {
        *("effect", "hostname", "namespace", "nodeName", "priorityClassName", "schedulerName"),
        *("serviceAccountName", "subPath", "subPathExpr", "subdomain", "workingDir"),
    }
)
FALSE_FLAGS = frozenset(
    {
        *("hostIPC", "hostNetwork", "hostPID", "paused", "privileged", "readOnly", "stdin"),
        *("stdinOnce", "suspend", "tty"),
    }
)
QUANTITIES = frozenset({"averageValue", "divisor", "sizeLimit"})
INT_OR_STRING = frozenset({"maxSurge", "maxUnavailable", "minAvailable", "targetPort"})
_PROBES = frozenset({"grpc", "httpGet", "tcpSocket"})
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,9}")
_REFERENCE = re.compile(r"\$\(([^()]*)\)")
# A share of a GPU goes to the first container unless one is named.
_SHARES = ("gpu-fraction", "gpu-memory")
_SHARED_WITH = "gpu-fraction-container-name"


class Spot(NamedTuple):
    """Where a value stands: under which key, within what, and what follows from places above.

    `counts` says that scalars here are quantities, `led` that the first container is special.
    """

    name: str = ""
    within: str = ""
    counts: bool = False
    led: bool = False


ROOT = Spot()


def normal_form(document: Any) -> Any:
    """A JSON value as all that mean the same are written; itself its own normal form.

    A mark that stands for a secret is compared as it is.
    """
    return _normal(document, ROOT)


def is_equal(one: Any, other: Any) -> bool:
    """Whether two documents mean the same to Kubernetes."""
    return canonical(normal_form(one)) == canonical(normal_form(other))


def means_same(one: Any, other: Any, spot: Spot) -> bool:
    """Whether two values mean the same to Kubernetes where they stand."""
    return is_same(_normal(one, spot), _normal(other, spot))


def _normal(value: Any, spot: Spot) -> Any:
    if isinstance(value, Mapping):
        return _normal_map(value, spot)
    if isinstance(value, list):
        return _normal_list(value, spot)
    if spot.counts or spot.name in QUANTITIES:
        return normal_quantity(value)
    if _is_int_or_string(spot) and isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_int_or_string(spot: Spot) -> bool:
    return spot.name in INT_OR_STRING or (spot.name == "port" and spot.within in _PROBES)


def _normal_map(value: Mapping[str, Any], spot: Spot) -> dict[str, Any]:
    normal = {}
    for key, item in value.items():
        below = step_into(value, key, spot)
        normal_item = _normal(item, below)
        if not _says_nothing(normal_item, below):
            normal[key] = normal_item
    return normal


def step_into(value: Mapping[str, Any], key: str, spot: Spot) -> Spot:
    """Where the value under a key of a map stands."""
    counts = spot.name in ("limits", "requests") and spot.within.lower().endswith("resources")
    led = spot.led or _has_leader(value)
    return Spot(key, spot.name, counts or spot.name == "overhead", led)


def _has_leader(value: Mapping[str, Any]) -> bool:
    """Whether somebody looks at the first container of the pods in here."""
    if "kind" in value and "apiVersion" in value:
        kind = KINDS.get(group_kind(value))
        if kind is None or kind.first_container_counts:
            # Of a kind that is not known here, nobody can tell.
            return True
    metadata = value.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    if not isinstance(annotations, Mapping) or annotations.get(_SHARED_WITH):
        return False
    return any(annotations.get(share) is not None for share in _SHARES)


def _says_nothing(value: Any, spot: Spot) -> bool:
    """Whether a normal value under a key is what no value there would be."""
    if value is None:
        return True
    if value == "" and isinstance(value, str):
        return spot.name in EMPTY_TEXTS or (spot.name == "value" and spot.within in _EMPTY_VALUES)
    if value is False:
        return spot.name in FALSE_FLAGS
    if value == "TCP":
        return spot.name == "protocol" and spot.within == "ports"
    if value == []:
        return spot.name not in FREE_VALUES
    return value == {} and spot.name in EMPTY_MAPS


_EMPTY_VALUES = frozenset({"env", "tolerations"})


def _normal_list(items: Sequence[Any], spot: Spot) -> list[Any]:
    normal = [_normal(item, spot) for item in items]
    keys = keys_of(normal, spot)
    if keys is None:
        return normal
    return [item for _, item in sorted(zip(keys, normal, strict=True), key=lambda pair: pair[0])]


def keys_of(items: Sequence[Any], spot: Spot) -> list[str] | None:
    """What tells the items of a list apart, in their order; None where it means something."""
    if spot.name in SETS:
        return _numbered([canonical(_normal(item, spot)) for item in items])
    for names in MERGE_KEYS.get(spot.name, ()):
        keys = [key for item in items if (key := _key(item, names, spot))]
        if len({*keys}) == len(items):
            return None if _is_ordered(items, spot) else keys
    return None


def _numbered(texts: Sequence[str]) -> list[str]:
    """Texts that are all different: what comes twice is numbered."""
    count: Counter[str] = Counter()
    keys = []
    for text in texts:
        count[text] += 1
        keys.append(f"{text}#{count[text]}")
    return keys


def _key(item: Any, names: tuple[str, ...], spot: Spot) -> str | None:
    """The values of an item's keys in their normal form; its first one must be there."""
    if not isinstance(item, Mapping):
        return None
    spots = [step_into(item, name, spot) for name in names]
    values = [_normal(item.get(below.name), below) for below in spots]
    if not isinstance(values[0], str | int):
        return None
    pairs = zip(values, spots, strict=True)
    return canonical([None if _says_nothing(value, below) else value for value, below in pairs])


def _is_ordered(items: Sequence[Mapping[str, Any]], spot: Spot) -> bool:
    if spot.name == "containers":
        return spot.led
    return spot.name == "env" and _refer_to_another(items)


def _refer_to_another(variables: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a variable uses another one, which must then stand before it.

    A secret that is kept back may use any of them: nobody can tell.
    """
    names = {variable["name"] for variable in variables}
    values = [value for each in variables if isinstance(value := each.get("value"), str)]
    return any(
        is_redacted(value) or not names.isdisjoint(_REFERENCE.findall(value)) for value in values
    )


def reword(value: Any, like: Any) -> Any:
    """A document in the words of another one, as far as both mean the same.

    What is returned means what `value` means, and is equal to `like` if and only if that means the
    same. What still differs is a difference to Kubernetes.
    """
    return _reword(value, like, ROOT)


def _reword(value: Any, like: Any, spot: Spot) -> Any:
    if value == like:
        # The same in Python but for a true that is a 1, and that stays as it is.
        return value
    if isinstance(value, Mapping) and isinstance(like, Mapping):
        return _reword_map(value, like, spot)
    if isinstance(value, list) and isinstance(like, list):
        return _reword_list(value, like, spot)
    return like if is_same(_normal(value, spot), _normal(like, spot)) else value


def _reword_map(value: Mapping[str, Any], like: Mapping[str, Any], spot: Spot) -> dict[str, Any]:
    worded: dict[str, Any] = {}
    for key in [*value, *(key for key in like if key not in value)]:
        below = step_into(value, key, spot)
        said = key in value and not is_nothing(value[key], below)
        if said and key in like:
            worded[key] = _reword(value[key], like[key], below)
        elif said:
            worded[key] = value[key]
        elif key in like and is_nothing(like[key], below):
            worded[key] = like[key]
    return worded


def is_nothing(value: Any, spot: Spot) -> bool:
    """Whether the normal form leaves a value out; without making that of a large one."""
    if isinstance(value, Mapping):
        return spot.name in EMPTY_MAPS and all(
            is_nothing(item, step_into(value, key, spot)) for key, item in value.items()
        )
    return _says_nothing(value, spot)


def _reword_list(value: list[Any], like: list[Any], spot: Spot) -> list[Any]:
    keys, wanted = keys_of(value, spot), keys_of(like, spot)
    if keys is None or wanted is None:
        pairs = _pair(value, like)
        return [
            item if at is None else _reword(item, like[at], spot)
            for item, at in zip(value, pairs, strict=True)
        ]
    items, others = dict(zip(keys, value, strict=True)), dict(zip(wanted, like, strict=True))
    first = [_reword(items[key], others[key], spot) for key in wanted if key in items]
    return [*first, *(items[key] for key in keys if key not in others)]


def _pair(value: list[Any], like: list[Any]) -> list[int | None]:
    """Which item of the second list each of the first is held against, by name or by order."""
    names, others = ([_name(item) for item in items] for items in (value, like))
    if None not in (*names, *others) and all(len({*x}) == len(x) for x in (names, others)):
        return [others.index(name) if name in others else None for name in names]
    return [*range(len(value))] if len(value) == len(like) else [None] * len(value)


def _name(item: Any) -> str | None:
    name = item.get("name") if isinstance(item, Mapping) else None
    return name if isinstance(name, str) else None
