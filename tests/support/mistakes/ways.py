"""Sixty ways to err: each makes one mistake at a place that fits, and tells where it stands."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from random import Random
from typing import Any, NamedTuple, TypeAlias

from tests.support.mistakes.places import Path, Place, is_in_pod, places


class Planted(NamedTuple):
    """A manifest with one mistake, and the paths at whose key or value it may be told."""

    manifest: Any
    paths: tuple[Path, ...]
    is_in_pod: bool


Fits: TypeAlias = Callable[[Place], bool]
Edit: TypeAlias = Callable[[Place, Random], Path | None]
"""Changes the holder of a place; returns the path of the mistake, or None if there is none."""


class Way(NamedTuple):
    """One way to err: where it fits, and what it does."""

    fits: Fits
    edit: Edit

    def plant(self, manifest: Any, random: Random) -> Planted | None:
        """Make the mistake in a copy, at a place drawn from those that fit; None without one."""
        changed = deepcopy(manifest)
        fitting = [place for place in places(changed) if self.fits(place)]
        random.shuffle(fitting)
        for place in fitting[:20]:
            if (path := self.edit(place, random)) is not None:
                return Planted(changed, (path,), is_in_pod(path))
            # What was tried and was no mistake must leave nothing behind.
            assert changed == manifest
        return None


def _rename(change: Callable[[str, Random], str]) -> Way:
    def edit(place: Place, random: Random) -> Path | None:
        name = change(place.key, random)
        known = place.holder_schema.get("properties", {})
        if not name or name in known or name in place.holder:
            return None
        items = list(place.holder.items())
        place.holder.clear()
        place.holder.update((name if key == place.key else key, value) for key, value in items)
        return (*place.path[:-1], name)

    # The head of an object is another mistake, and has ways of its own.
    return Way(lambda place: place.is_closed and len(place.path) > 1, edit)


def _put(value: Any, *types: str, fits: Fits | None = None) -> Way:
    """Another value where one of these types is asked for."""

    def edit(place: Place, random: Random) -> Path:
        place.holder[place.key] = value(place, random) if callable(value) else deepcopy(value)
        return place.path

    def is_right(place: Place) -> bool:
        return (
            set(place.types) == set(types)
            and len(place.path) > 1
            and place.path[-1] != "status"
            and (fits is None or fits(place))
        )

    return Way(is_right, edit)


def _remove(place: Place, random: Random) -> Path:
    del random
    del place.holder[place.key]
    return place.path[:-1]


def _add(place: Place, random: Random) -> Path:
    name = random.choice(["extra", "enabled", "config", "note"]) + "Field"
    place.holder[name] = random.choice(["x", 1, True, {"a": "b"}])
    return (*place.path[:-1], name)


def _letters(name: str, random: Random) -> int:
    return random.randrange(1, len(name)) if len(name) > 3 else 0


def _drop(name: str, random: Random) -> str:
    at = _letters(name, random)
    return name[:at] + name[at + 1 :] if at else ""


def _double(name: str, random: Random) -> str:
    at = _letters(name, random)
    return name[:at] + name[at] + name[at:] if at else ""


def _swap(name: str, random: Random) -> str:
    at = _letters(name, random)
    return name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :] if at else ""


def _other_letter(name: str, random: Random) -> str:
    at = _letters(name, random)
    return name[:at] + random.choice("aeiorstn") + name[at + 1 :] if at else ""


def _snake(name: str, random: Random) -> str:
    del random
    return re.sub(r"([A-Z])", lambda match: f"_{match[1].lower()}", name)


def _kebab(name: str, random: Random) -> str:
    return _snake(name, random).replace("_", "-")


def _is_limited(keyword: str) -> Fits:
    return lambda place: keyword in place.schema and "enum" not in place.schema


def _enum(place: Place) -> list[str]:
    return [choice for choice in place.schema.get("enum", ()) if choice]


def _is_map_of_texts(place: Place) -> bool:
    others = place.holder_schema.get("additionalProperties")
    return isinstance(others, dict) and others.get("type") == "string"


def _is_text_item(place: Place) -> bool:
    return isinstance(place.key, int)


def _field(name: str, value: Any, *, inside: str = "", also: Fits | None = None) -> Way:
    """Another value for a field of that name, somewhere in the manifest."""

    def edit(place: Place, random: Random) -> Path | None:
        wrong = value(place, random) if callable(value) else deepcopy(value)
        if wrong == place.value:
            return None
        place.holder[place.key] = wrong
        return place.path

    def fits(place: Place) -> bool:
        return (
            place.key == name
            and (not inside or inside in place.path)
            and (also is None or also(place))
        )

    return Way(fits, edit)


def _in_container(edit: Edit) -> Way:
    """A change of a container: of the place of its image."""

    def fits(place: Place) -> bool:
        # Where Knative names no container, it gives a probe a handler as well.
        return place.key == "image" and "containers" in place.path and "name" in place.holder

    return Way(fits, edit)


def _set(name: str, value: Any, *steps: str | int) -> Edit:
    """Give a container a field that it lacks; `steps` lead on to what is wrong in it."""

    def edit(place: Place, random: Random) -> Path | None:
        del random
        if name in place.holder:
            return None
        place.holder[name] = deepcopy(value)
        return (*place.path[:-1], name, *steps)

    return edit


def _second_container() -> Way:
    def edit(place: Place, random: Random) -> Path:
        del random
        place.value.append({"name": place.value[0].get("name", "main"), "image": "other:1"})
        return (*place.path, len(place.value) - 1, "name")

    return Way(lambda place: place.key == "containers" and "name" in place.value[0], edit)


def _resource(name: str, amount: Any) -> Way:
    def edit(place: Place, random: Random) -> Path | None:
        del random
        if not isinstance(place.value, dict):
            return None
        place.value[name] = amount
        return (*place.path, name)

    return Way(lambda place: place.key == "limits" and "resources" in place.path, edit)


def _head(changes: Mapping[str, Any]) -> Way:
    """Other values at the root of a manifest of a core kind."""

    def edit(place: Place, random: Random) -> Path:
        del random
        place.holder.update(changes)
        return (next(iter(changes)),)

    return Way(
        lambda place: (
            place.path == ("kind",) and place.holder["apiVersion"] in ("v1", "apps/v1", "batch/v1")
        ),
        edit,
    )


WAYS: Mapping[str, Way] = {
    # names of fields
    "a letter is missing": _rename(_drop),
    "a letter twice": _rename(_double),
    "two letters swapped": _rename(_swap),
    "another letter": _rename(_other_letter),
    "lower case": _rename(lambda name, _: name.lower()),
    "a capital letter": _rename(lambda name, _: name[:1].upper() + name[1:]),
    "snake case": _rename(_snake),
    "kebab case": _rename(_kebab),
    "plural": _rename(lambda name, _: f"{name}s"),
    "singular": _rename(lambda name, _: name[:-1] if name.endswith("s") else ""),
    "all capitals": _rename(lambda name, _: name.upper()),
    "a dash before it": _rename(lambda name, _: f"-{name}"),
    "a field that nobody has": Way(lambda place: place.is_closed, _add),
    "a version behind it": _rename(lambda name, _: f"{name}V2"),
    # whole numbers
    "a text for a number": _put("many", "integer"),
    "a quoted number": _put(lambda place, _: str(place.value), "integer"),
    "a fraction": _put(1.5, "integer"),
    "a truth value for a number": _put(True, "integer"),
    "a list for a number": _put([1], "integer"),
    "a mapping for a number": _put({"value": 1}, "integer"),
    "beyond 32 bits": _put(2**40, "integer", fits=_is_limited("maximum")),
    "below 32 bits": _put(-(2**40), "integer", fits=_is_limited("minimum")),
    # texts
    "a number for a text": _put(7, "string"),
    "a fraction for a text": _put(0.5, "string"),
    "a truth value for a text": _put(False, "string"),
    "a list for a text": _put(["x"], "string"),
    "a mapping for a text": _put({"name": "x"}, "string"),
    "a word that is not among the choices": _put(
        "Sometimes", "string", fits=lambda p: bool(_enum(p))
    ),
    "a choice in lower case": _put(
        lambda place, _: str(place.value).lower(),
        "string",
        fits=lambda p: bool(_enum(p)) and str(p.value).lower() not in _enum(p),
    ),
    "a choice with a blank": _put(
        lambda place, _: f"{place.value} ", "string", fits=lambda p: bool(_enum(p))
    ),
    # truth values
    "yes": _put("yes", "boolean"),
    "a quoted truth value": _put("true", "boolean"),
    "a number for a truth value": _put(1, "boolean"),
    "a list for a truth value": _put([True], "boolean"),
    # lists
    "a text for a list": _put("x", "array"),
    "a mapping for a list": _put({"a": "b"}, "array"),
    "an item for its list": _put(
        lambda place, _: place.value[0], "array", fits=lambda p: bool(p.value)
    ),
    "a number in a list of texts": _put(7, "string", fits=_is_text_item),
    "a mapping in a list of texts": _put({"a": 1}, "string", fits=_is_text_item),
    # mappings
    "a text for a mapping": _put("x", "object"),
    "a list for a mapping": _put([], "object"),
    "a list around a mapping": _put(lambda place, _: [place.value], "object"),
    "a number for a mapping": _put(3, "object"),
    "a number in a map of texts": _put(7, "string", fits=_is_map_of_texts),
    "a truth value in a map of texts": _put(True, "string", fits=_is_map_of_texts),
    # a number or a text
    "a list for a number or a text": _put([1], "integer", "string"),
    "a mapping for a number or a text": _put({"a": 1}, "integer", "string"),
    "a truth value for a number or a text": _put(True, "integer", "string"),
    # what must be there
    "a required field is missing": Way(
        lambda place: place.is_required and len(place.path) > 1, _remove
    ),
    "a required field is null": Way(
        lambda place: place.is_required and len(place.path) > 1,
        lambda place, _: (place.holder.update({place.key: None}), place.path[:-1])[1],
    ),
    # the head
    "a version that is gone": _head({"apiVersion": "extensions/v1beta1"}),
    "the version of another group": _head({"apiVersion": "batch/v2"}),
    "metadata is a list": _field("metadata", [], also=lambda place: len(place.path) == 1),
    "a name with capitals": _field("name", "LLM_1", also=lambda p: p.path == ("metadata", "name")),
    "a label that is no label": _field("team", "a b", inside="labels"),
    # pods
    "two containers of one name": _second_container(),
    "a name of a container with capitals": _field(
        "name", "Main_1", inside="containers", also=lambda p: p.path[-3:-2] == ("containers",)
    ),
    "an image with a blank": _in_container(
        lambda place, _: (place.holder.update(image="train:1 "), place.path)[1]
    ),
    "a policy in lower case": _in_container(_set("imagePullPolicy", "always")),
    "a port out of range": _field("containerPort", 80800),
    "a mount without a volume": _field(
        "name", "gone", inside="volumeMounts", also=lambda p: p.path[-3] == "volumeMounts"
    ),
    "an amount with a blank": _resource("memory", "8 Gi"),
    "an amount in capitals": _resource("cpu", "4CORES"),
    "a probe without a handler": _in_container(
        _set("readinessProbe", {"periodSeconds": 5}),
    ),
    "a variable without a name": _in_container(_set("env", [{"value": "x"}], 0)),
}
