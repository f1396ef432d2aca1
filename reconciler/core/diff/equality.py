"""When two Kubernetes objects mean the same: one normal form, and everything follows from it.

A difference may cost a delete, so it must be one to Kubernetes and not only to a text. Where it is
not certain that two spellings mean the same, they count as different.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.core.diff.diff import is_same
from reconciler.core.diff.quantities import normal_quantity
from reconciler.core.digest import canonical
from reconciler.core.named_items import items_by_name
from reconciler.core.secrets.marks import is_redacted
from reconciler.core.stored_json import MAPS, decoded
from reconciler.kinds.registry import KINDS, group_kind

# Kubernetes' own keys: `patchMergeKey` and `x-kubernetes-list-map-keys` of the lists in a pod. The
# names mean the same wherever a kind has a part of a pod. Init containers have a key as well, but
# run in their order. A second row is for another list with the same name (ports of a Service).
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
# Maps and structures of which an empty one means the same as none. A selector is not among them
# (an empty one selects everything, none selects nothing), nor is a choice that is made by its mere
# presence (`emptyDir: {}`).
EMPTY_MAPS = frozenset(
    {
        *("affinity", "annotations", "capabilities", "dnsConfig", "labels", "lifecycle", "limits"),
        *("matchLabels", "metadata", "nodeAffinity", "nodeSelector", "overhead", "podAffinity"),
        *("podAntiAffinity", "rayStartParams", "requests", "resources", "rollingUpdate"),
        *("runPolicy", "seLinuxOptions", "securityContext", "status", "strategy"),
        *("updateStrategy", "windowsOptions"),
    }
)
# Kubernetes does not write an empty typed list at all; these fields take any JSON, in which an
# empty list may be a value.
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
# A share of a GPU goes to the first container unless an annotation names one.
_SHARES = ("gpu-fraction", "gpu-memory")
_SHARED_WITH = "gpu-fraction-container-name"


class Spot(NamedTuple):
    """Where a value stands: its key, the key above, and what follows from places further above.

    `counts` says that scalars are quantities, `led` that the first container is special.
    """

    name: str = ""
    within: str = ""
    counts: bool = False
    led: bool = False


ROOT = Spot()


def normal_form(document: Any) -> Any:
    """One JSON value for all that mean the same; a normal form is its own normal form.

    A mark that stands for a secret is compared as it is.
    """
    return _normal(document, ROOT)


def is_equal(a: Any, b: Any) -> bool:
    """Whether two documents mean the same to Kubernetes."""
    return canonical(normal_form(a)) == canonical(normal_form(b))


def means_same(a: Any, b: Any, spot: Spot) -> bool:
    """Whether two values mean the same to Kubernetes where they stand."""
    return is_same(a, b) or is_same(_normal(a, spot), _normal(b, spot))


def _normal(value: Any, spot: Spot) -> Any:
    if isinstance(value, MAPS):
        normal, spot_of = {}, spots_below(value, spot)
        for key, item in value.items():
            below = spot_of(key)
            # First what is below, then whether that says nothing: `{limits: {}}` is empty as well.
            normal_item = _normal(item, below)
            if not _says_nothing(normal_item, below):
                normal[key] = normal_item
        return normal
    if isinstance(value, list):
        items = [_normal(item, spot) for item in value]
        keys = keys_of(items, spot)
        if keys is None:
            return items
        pairs = zip(keys, items, strict=True)
        return [item for _, item in sorted(pairs, key=lambda pair: pair[0])]
    if spot.counts or spot.name in QUANTITIES:
        return normal_quantity(value)
    is_int_or_string = spot.name in INT_OR_STRING or (
        spot.name == "port" and spot.within in _PROBES
    )
    if is_int_or_string and isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    # Servers in Go write 1.0 as 1.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def spots_below(value: Mapping[str, Any], spot: Spot) -> Callable[[str], Spot]:
    """Where the value under each key of a map stands; what all of them share is found once."""
    counts = spot.name in ("limits", "requests") and spot.within.lower().endswith("resources")
    counts = counts or spot.name == "overhead"
    led = spot.led or _has_leader(value)
    return lambda key: Spot(key, spot.name, counts, led)


def _has_leader(value: Mapping[str, Any]) -> bool:
    """Whether the first container of the pods in this object has a meaning of its own."""
    if "kind" in value and "apiVersion" in value:
        kind = KINDS.get(group_kind(value))
        # The controller of an unknown kind may look at the first container.
        if kind is None or kind.first_container_counts:
            return True
    metadata = value.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, MAPS) else None
    if not isinstance(annotations, MAPS) or annotations.get(_SHARED_WITH):
        return False
    return any(annotations.get(share) is not None for share in _SHARES)


def _says_nothing(value: Any, spot: Spot) -> bool:
    """Whether a normal value under a key means the same as no value there."""
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


def keys_of(items: Sequence[Any], spot: Spot) -> list[str] | None:
    """A key for each item of a list, all different; None for a list whose order has a meaning."""
    if spot.name in SETS:
        # The whole item is its key; equal ones are numbered, since a set may be written with both.
        count: Counter[str] = Counter()
        keys = []
        for item in items:
            text = canonical(_normal(item, spot))
            count[text] += 1
            keys.append(f"{text}#{count[text]}")
        return keys
    for names in MERGE_KEYS.get(spot.name, ()):
        keys = [key for item in items if (key := _item_key(item, names, spot))]
        if len({*keys}) < len(items):
            continue
        is_ordered = spot.led if spot.name == "containers" else _refer_to_another(items, spot)
        return None if is_ordered else keys
    return None


def _item_key(item: Any, names: tuple[str, ...], spot: Spot) -> str | None:
    """The values of an item's key fields in their normal form; the first field must be there."""
    if not isinstance(item, MAPS):
        return None
    spots = [*map(spots_below(item, spot), names)]
    values = [_normal(item.get(below.name), below) for below in spots]
    if not isinstance(values[0], str | int):
        return None
    pairs = zip(values, spots, strict=True)
    return canonical([None if _says_nothing(value, below) else value for value, below in pairs])


def _refer_to_another(items: Sequence[Mapping[str, Any]], spot: Spot) -> bool:
    """Whether one environment variable uses another one, which must then stand before it."""
    if spot.name != "env":
        return False
    names = {variable["name"] for variable in items}
    values = [value for each in items if isinstance(value := each.get("value"), str)]
    # A hidden value may use any of the others.
    return any(
        is_redacted(value) or not names.isdisjoint(_REFERENCE.findall(value)) for value in values
    )


def reword(value: Any, like: Any) -> Any:
    """A document in the spelling of another one, as far as both mean the same.

    The result means what `value` means, and equals `like` exactly where `like` means the same. So
    each remaining difference is one to Kubernetes.
    """
    return _reword(decoded(value), decoded(like), ROOT)


def _reword(value: Any, like: Any, spot: Spot) -> Any:
    if value == like:
        # Equal for Python, for which true is 1: `value` keeps the one that it has.
        return value
    if isinstance(value, MAPS) and isinstance(like, MAPS):
        reworded: dict[str, Any] = {}
        spot_of = spots_below(value, spot)
        for key in [*value, *(key for key in like if key not in value)]:
            below = spot_of(key)
            has_meaning = key in value and not is_nothing(value[key], below)
            if has_meaning and key in like:
                reworded[key] = _reword(value[key], like[key], below)
            elif has_meaning:
                reworded[key] = value[key]
            elif key in like and is_nothing(like[key], below):
                reworded[key] = like[key]
        return reworded
    if isinstance(value, list) and isinstance(like, list):
        return _reword_list(value, like, spot)
    return like if is_same(_normal(value, spot), _normal(like, spot)) else value


def is_nothing(value: Any, spot: Spot) -> bool:
    """Whether the normal form leaves a value out."""
    # Without making the normal form of a large value, which would cost time at every level.
    if isinstance(value, MAPS):
        if spot.name not in EMPTY_MAPS:
            return False
        spot_of = spots_below(value, spot)
        return all(is_nothing(item, spot_of(key)) for key, item in value.items())
    return _says_nothing(value, spot)


def _reword_list(value: list[Any], like: list[Any], spot: Spot) -> list[Any]:
    keys, like_keys = keys_of(value, spot), keys_of(like, spot)
    if keys is not None and like_keys is not None:
        items = dict(zip(keys, value, strict=True))
        likes = dict(zip(like_keys, like, strict=True))
        common = [_reword(items[key], likes[key], spot) for key in like_keys if key in items]
        return [*common, *(items[key] for key in keys if key not in likes)]
    # In an order with a meaning: items are paired by their names, or else one by one.
    named, named_likes = items_by_name(value), items_by_name(like)
    if named is not None and named_likes is not None:
        return [
            _reword(item, named_likes[name], spot) if name in named_likes else item
            for name, item in named.items()
        ]
    if len(value) != len(like):
        return value
    return [_reword(item, other, spot) for item, other in zip(value, like, strict=True)]
