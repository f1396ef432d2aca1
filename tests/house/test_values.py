"""Our dataclasses beside those of the standard library: whoever uses one cannot tell them apart."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import field, replace
from typing import Any

import pytest

from reconciler.values import dataclass

Decorator = Callable[..., Any]


def classes(decorator: Decorator) -> dict[str, Any]:
    """One class of each form that the program has."""

    @decorator(frozen=True, slots=True, kw_only=True)
    class Base:
        """A value."""

        name: str
        tags: tuple[str, ...] = ()

    @decorator(frozen=True, slots=True, kw_only=True)
    class Derived(Base):
        """A value with more in it, some of which makes no difference."""

        size: float
        memory: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

        def __str__(self) -> str:
            return f"{self.name}/{self.size}"

    @decorator(frozen=True, slots=True, kw_only=True)
    class Empty:
        """A value that has only its kind."""

    @decorator(frozen=True, kw_only=True)
    class Open:
        """A value without slots."""

        name: str

    @decorator(slots=True, kw_only=True)
    class Mutable:
        """What changes, with something to do at first."""

        items: list[Any] = field(default_factory=list)
        count: int = field(default=0, compare=False)

        def __post_init__(self) -> None:
            self.count += 1

    @decorator(frozen=True, slots=True)
    class Positional:
        """A value whose fields need no names, and which says how it is shown."""

        first: int
        second: int = 2

        def __repr__(self) -> str:
            return f"<{self.first}>"

    @decorator(frozen=True, slots=True, kw_only=True, order=True)
    class Ordered:
        """A value that is sorted."""

        number: int

    return {
        kind.__name__: kind for kind in (Base, Derived, Empty, Open, Mutable, Positional, Ordered)
    }


OURS, STANDARD = classes(dataclass), classes(dataclasses.dataclass)


def outcome(act: Callable[[], Any]) -> tuple[type, str]:
    """What comes of something, or how it fails."""
    try:
        result = act()
    except Exception as error:
        return type(error), str(error).replace("classes.<locals>.", "")
    return type(result) if isinstance(result, bool | int | tuple) else object, repr(result)


def cyclic(kind: Any) -> Any:
    """A value that holds itself."""
    value = kind(items=[1])
    value.items.append(value)
    return value


STORIES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "shown": lambda of: of["Derived"](name="a", size=1.5, memory={"a": 1}),
    "text": lambda of: str(of["Derived"](name="a", size=1.5)),
    "empty": lambda of: of["Empty"](),
    "empty, equal": lambda of: of["Empty"]() == of["Empty"](),
    "own text": lambda of: of["Positional"](1),
    "cyclic": lambda of: cyclic(of["Mutable"]),
    "missing": lambda of: of["Derived"](name="a"),
    "two missing": lambda of: of["Derived"](),
    "unknown": lambda of: of["Base"](name="a", other=1),
    "positional": lambda of: of["Base"]("a"),
    "too many": lambda of: of["Positional"](1, 2, 3),
    "equal": lambda of: of["Derived"](name="a", size=1) == of["Derived"](name="a", size=1),
    "different": lambda of: of["Derived"](name="a", size=1) == of["Derived"](name="b", size=1),
    "of another class": lambda of: of["Base"](name="a") == of["Derived"](name="a", size=1),
    "of no class": lambda of: of["Base"](name="a") == ("a", ()),
    "not compared": lambda of: (
        of["Derived"](name="a", size=1, memory={"a": 1}) == of["Derived"](name="a", size=1)
    ),
    "one field": lambda of: of["Open"](name="a") == of["Open"](name="a"),
    "no number": lambda of: of["Open"](name=float("nan")) == of["Open"](name=float("nan")),
    "a set": lambda of: len({of["Base"](name=name) for name in "aab"}),
    "unhashable field": lambda of: hash(of["Base"](name="a", tags=[])),
    "unhashable": lambda of: hash(of["Mutable"]()),
    "set": lambda of: setattr(of["Base"](name="a"), "name", "b"),
    "set inherited": lambda of: setattr(of["Derived"](name="a", size=1), "name", "b"),
    "set without slots": lambda of: setattr(of["Open"](name="a"), "name", "b"),
    "delete": lambda of: delattr(of["Base"](name="a"), "name"),
    "set mutable": lambda of: setattr(of["Mutable"](), "count", 3),
    "slots": lambda of: hasattr(of["Derived"](name="a", size=1), "__dict__"),
    "set unknown": lambda of: setattr(of["Mutable"](), "other", 3),
    "begun": lambda of: of["Mutable"](count=4).count,
    "own default": lambda of: of["Mutable"]().items is of["Mutable"]().items,
    "replaced": lambda of: replace(of["Derived"](name="a", size=1), size=2),
    "replaced unknown": lambda of: replace(of["Derived"](name="a", size=1), other=2),
    "as a mapping": lambda of: dataclasses.asdict(of["Derived"](name="a", size=1)),
    "names": lambda of: [one.name for one in dataclasses.fields(of["Derived"])],
    "patterns": lambda of: (of["Base"].__match_args__, of["Positional"].__match_args__),
    "copied": lambda of: copy.copy(of["Base"](name="a", tags=("b",))),
    "copied deeply": lambda of: copy.deepcopy(of["Derived"](name="a", size=1, memory={"a": 1})),
    "copied without slots": lambda of: copy.deepcopy(of["Open"](name="a")),
    "sorted": lambda of: sorted(of["Ordered"](number=number) for number in (2, 1)),
    "unordered": lambda of: of["Base"](name="a") < of["Base"](name="b"),
}


@pytest.mark.parametrize("name", STORIES)
def test_both_behave_alike(name: str) -> None:
    """Values, texts and errors: all that a caller sees of either."""
    story = STORIES[name]
    assert outcome(lambda: story(OURS)) == outcome(lambda: story(STANDARD))


def test_a_constructor_is_compiled_with_the_first_value() -> None:
    """A command loads hundreds of classes, and makes no value of most of them."""
    ours, standard = classes(dataclass)["Positional"], classes(dataclasses.dataclass)["Positional"]
    before = list(inspect.signature(ours).parameters)
    assert (before, ours(1), list(inspect.signature(ours).parameters)) == (
        ["arguments", "named"],
        ours(1, second=2),
        list(inspect.signature(standard).parameters),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A value that a process hands to another."""

    name: str
    tags: tuple[str, ...] = ()


def test_a_value_survives_its_way_to_another_process() -> None:
    """What is frozen is set once more where it arrives."""
    value = Sent(name="a", tags=("b",))
    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301 - it was made one line above
