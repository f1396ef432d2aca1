"""The process in which policies judge specs: what takes too long or too much ends here alone.

A pattern, a list of items to be compared or a fan of references can keep a validator busy for
years, or fill all memory, and who writes a policy may not own the machine. This process bounds
each judgement in the time that it computes and itself in memory; `policyprocess.py` starts it, and
ends it where a whole run has no more time.

It reads lines of JSON: its limits, the schemas, then for each spec the numbers of the schemas that
are about it, and the spec. It writes a line for each schema and for each judgement, in that order,
which is empty where nothing is wrong.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from importlib import import_module
from types import FrameType
from typing import Any, NamedTuple, NoReturn

from reconciler.specs.schema.compiled_schema import CompiledSchema, list_violations
from reconciler.specs.source.nodes import Step
from reconciler.specs.source.quoting import quote

# The share of a judgement's time for its quick try, which cannot tell where it is.
_GATE_SHARE = 0.25


class WorkerLimits(NamedTuple):
    """Seconds of a processor for one judgement; bytes of memory, and the violations and characters
    of answers, for all of them.
    """

    seconds: float
    memory: int
    violations: int
    characters: int


class _TooSlowError(BaseException):
    """No library may take this for an error of its own."""


class PolicyJudge:
    """One policy's schema, ready to judge specs; what it has against them is fit for JSON."""

    def __init__(self, schema: Any, limits: WorkerLimits) -> None:
        if isinstance(schema, dict):
            # For a schema that names its dialect, jsonschema would take a validator of its own.
            schema = {key: value for key, value in schema.items() if key != "$schema"}
        self._shape = CompiledSchema(schema)
        self._limits = limits
        self._at: tuple[Any, str] = (None, "")

    def check(self) -> dict[str, Any]:
        """Find out what makes the schema itself unfit."""
        return self._bounded(self._find_problem)

    def judge(self, spec: Any) -> dict[str, Any]:
        """Find what the schema has against a spec."""
        with suppress(_TooSlowError, MemoryError), _limited(self._limits.seconds * _GATE_SHARE):
            if self._shape.passes(spec):
                return {}
        return self._bounded(lambda: self._find_breaches(spec))

    @cached_property
    def _validator(self) -> Any:
        """A validator that notes where in the schema it is."""
        from jsonschema import Draft202012Validator, validators
        from referencing import Registry

        def noting(keyword: str, check: Callable[..., Any]) -> Callable[..., Any]:
            def noted(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
                self._at = (schema, keyword)
                return check(validator, value, instance, schema)

            return noted

        checks = Draft202012Validator.VALIDATORS.items()
        kind = validators.extend(  # type: ignore[no-untyped-call] # jsonschema's stubs lack it
            Draft202012Validator, {name: noting(name, check) for name, check in checks}
        )
        registry: Registry[Any] = Registry()
        return kind(self._shape.schema, registry=registry)

    def _find_problem(self) -> dict[str, Any]:
        from jsonschema import SchemaError

        try:
            self._validator.check_schema(self._shape.schema)
        except SchemaError as error:
            return {"problem": quote(error.message)}
        # References are only followed where they are used.
        self._validator.is_valid({})
        return {}

    def _find_breaches(self, spec: Any) -> dict[str, Any]:
        violations = list_violations(self._validator, spec)
        listed = [[*violation[:-1], dict(violation.notes)] for violation in violations]
        return {"violations": listed} if listed else {}

    def _bounded(self, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        from referencing.exceptions import Unresolvable

        try:
            with _limited(self._limits.seconds):
                return work()
        except Unresolvable as error:
            words = f"the reference {quote(str(error.ref))} leads out of the file"
            return {"problem": f"{words}, and none is fetched"}
        except RecursionError:
            return {"problem": "it refers to itself"}
        except MemoryError:
            excess = f"needs more than {self._limits.memory // 2**20:,} MiB"
            return {"excess": excess, "path": self._path()}
        except _TooSlowError:
            excess = f"takes more than {self._limits.seconds:g} s"
            return {"excess": excess, "path": self._path()}

    def _path(self) -> list[Step]:
        schema, keyword = self._at
        path = next(_paths_to(schema, self._shape.schema, ()), None)
        return [] if path is None else [*path, keyword]


def main() -> None:
    """Judge what standard input holds."""
    signal.signal(signal.SIGVTALRM, _stop)
    # Not on the account of the first policy.
    import_module("jsonschema")
    limits = WorkerLimits(*json.loads(sys.stdin.readline()))
    _bound_memory(limits.memory)
    judges = [PolicyJudge(schema, limits) for schema in json.loads(sys.stdin.readline())]
    unusable = {number for number, judge in enumerate(judges) if _answer(judge.check())}
    violations = characters = 0
    for line in sys.stdin:
        numbers, spec = json.loads(line)
        for number in numbers:
            answer = {} if number in unusable else judges[number].judge(spec)
            violations += len(answer.get("violations", ()))
            # The text of a policy is repeated in each of its violations, and the parent process
            # holds all of them in memory.
            characters += sum(
                _count_characters(violation) for violation in answer.get("violations", ())
            )
            if violations > limits.violations:
                # Each of them would be a line for somebody to read.
                excess = f"has led to more than {limits.violations:,} findings"
                answer = {"excess": excess, "path": []}
            elif characters > limits.characters:
                excess = f"has led to findings of more than {limits.characters:,} characters"
                answer = {"excess": excess, "path": []}
            if _answer(answer):
                unusable.add(number)


def _count_characters(part: Any) -> int:
    """How long the texts in a part of an answer are, without writing them down."""
    if isinstance(part, str):
        return len(part)
    parts = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return sum(map(_count_characters, parts))


def _answer(answer: dict[str, Any]) -> bool:
    """Write an answer down; returns whether it says that the policy cannot be used."""
    # At once: where this process is ended, what it has not answered is what it was at.
    print(json.dumps(answer) if answer else "", flush=True)  # noqa: T201 - to who started it
    return "problem" in answer or "excess" in answer


def _bound_memory(bound: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY:
        bound = min(bound, most)
    # Some systems have no such limit.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (bound, most))


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise _TooSlowError once so much has been computed, in the middle of anything."""
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _TooSlowError


def _paths_to(part: Any, whole: Any, path: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    """Yield where in a schema a part of it stands."""
    if whole is part:
        yield path
    if isinstance(whole, dict):
        for key, value in whole.items():
            yield from _paths_to(part, value, (*path, key))
    elif isinstance(whole, list):
        for index, value in enumerate(whole):
            yield from _paths_to(part, value, (*path, index))
