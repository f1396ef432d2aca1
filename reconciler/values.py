"""Dataclasses as the standard library makes them, in a third of the time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, FrozenInstanceError
from operator import attrgetter
from reprlib import recursive_repr
from types import MemberDescriptorType
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")

_assign = object.__setattr__


@dataclass_transform(field_specifiers=(dataclasses.field,))
def dataclass(
    *, frozen: bool = False, slots: bool = False, kw_only: bool = False, order: bool = False
) -> Callable[[type[T]], type[T]]:
    """`dataclasses.dataclass` for the arguments that are used here; fields are all of `__init__`.

    The standard one compiles six functions for each class, half a millisecond, and a command loads
    up to two hundred of them. This one compiles `__init__` when the first value is made, which a
    command does of a few classes only, and shares what the others do.
    """
    if order:
        # Addresses are compared and looked up all the time, which compiled functions do faster.
        return dataclasses.dataclass(frozen=frozen, slots=slots, kw_only=kw_only, order=True)

    def decorate(cls: type[T]) -> type[T]:
        made = dataclasses.dataclass(
            init=False, repr=False, eq=False, slots=slots, kw_only=kw_only
        )(cls)
        fields = dataclasses.fields(made)  # type: ignore[arg-type] # it has just become one
        values = _reader([field.name for field in fields if field.compare])
        methods: dict[str, Any] = {
            "__init__": _compiled_later(made, fields),
            "__repr__": _represent,
            "__eq__": _comparison(values),
            # What can change must not be looked up by what it is now.
            "__hash__": (lambda self: hash(values(self))) if frozen else None,
        }
        if frozen:
            methods |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
        if frozen and slots:
            # What copies a value sets one attribute after the other, unless this does it.
            methods["__setstate__"] = _restore
        for name, method in methods.items():
            if name not in cls.__dict__:
                setattr(made, name, method)
        return made

    return decorate


def _compiled_later(cls: type, fields: Sequence[Field[Any]]) -> Callable[..., None]:
    def initialise(self: Any, /, *arguments: Any, **named: Any) -> None:
        compiled = _initialiser(cls, fields)
        setattr(cls, "__init__", compiled)  # noqa: B010 - of a type, mypy takes no assignment
        compiled(self, *arguments, **named)

    return initialise


def _initialiser(cls: type, fields: Sequence[Field[Any]]) -> Callable[..., None]:
    known: dict[str, Any] = {"_assign": _assign, "_MISSING": MISSING}
    positional: list[str] = []
    named: list[str] = []
    lines: list[str] = []
    for field in fields:
        name, parameter, value = field.name, field.name, field.name
        if field.default is not MISSING:
            known[f"_default_{name}"] = field.default
            parameter = f"{name}=_default_{name}"
        elif field.default_factory is not MISSING:
            known[f"_make_{name}"] = field.default_factory
            parameter = f"{name}=_MISSING"
            value = f"_make_{name}() if {name} is _MISSING else {name}"
        (named if field.kw_only else positional).append(parameter)
        slot = getattr(cls, name, None)
        if isinstance(slot, MemberDescriptorType):
            # A fifth faster than by name, and a run makes dozens of values for each workload.
            known[f"_set_{name}"] = slot.__set__
            lines.append(f"_set_{name}(self, {value})")
        else:
            lines.append(f"_assign(self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    parameters = ", ".join(["self", *positional, *(["*", *named] if named else [])])
    source = "\n ".join([f"def __init__({parameters}):", *(lines or ["pass"])])
    exec(source, known)  # noqa: S102 - of names that are identifiers; dataclasses do the same
    made: Callable[..., None] = known["__init__"]
    # An argument that is missing is told with the name of the class.
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _reader(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    # Of one name, that would give no tuple.
    return lambda value: tuple(getattr(value, name) for name in names)


def _comparison(values: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any, object], bool]:
    def is_equal(self: Any, other: object) -> bool:
        return (
            values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented
        )

    return is_equal


@recursive_repr()
def _represent(self: Any) -> str:
    shown = (
        f"{field.name}={getattr(self, field.name)!r}"
        for field in dataclasses.fields(self)
        if field.repr
    )
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse_to_set(_self: object, name: str, _value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_self: object, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _restore(self: object, state: tuple[None, dict[str, Any]]) -> None:
    _, slots = state
    for name, value in slots.items():
        _assign(self, name, value)
