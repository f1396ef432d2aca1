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

# The share of a judgement's time for the precheck, which cannot tell where in a schema it is.
_PRECHECK_SHARE = 0.25


class WorkerLimits(NamedTuple):
    """The limits of a worker process.

    `seconds` of a processor are for one judgement, `memory` in bytes, `violations` and `characters`
    of results for all of them together.
    """

    seconds: float
    memory: int
    violations: int
    characters: int


class _TooSlowError(BaseException):
    """The time of a judgement is over; no library may take this for an error of its own."""


class PolicyJudge:
    """One policy's schema, ready to judge specs; its results are fit for JSON.

    A result is empty where nothing is wrong. Otherwise it has `violations`, or says that the policy
    cannot be used: `invalid` where it is no schema, `excess` where it takes too much.
    """

    def __init__(self, schema: Any, limits: WorkerLimits) -> None:
        if isinstance(schema, dict):
            # For a schema that names its dialect, jsonschema would take a validator of its own.
            schema = {key: value for key, value in schema.items() if key != "$schema"}
        self._schema = CompiledSchema(schema)
        self._limits = limits
        # The part of the schema and the keyword that are being checked.
        self._position: tuple[Any, str] = (None, "")

    def check(self) -> dict[str, Any]:
        """Find out whether the schema itself is fit for use."""
        from jsonschema import SchemaError

        def check_schema() -> dict[str, Any]:
            try:
                self._validator.check_schema(self._schema.schema)
            except SchemaError as error:
                return {"invalid": quote(error.message)}
            # References are only followed where they are used.
            self._validator.is_valid({})
            return {}

        return self._within_limits(check_schema)

    def judge(self, spec: Any) -> dict[str, Any]:
        """Find the violations of the schema by a spec."""
        time_for_precheck = self._limits.seconds * _PRECHECK_SHARE
        with suppress(_TooSlowError, MemoryError), _limited(time_for_precheck):
            if self._schema.passes(spec):
                return {}

        def validate() -> dict[str, Any]:
            violations = list_violations(self._validator, spec)
            listed = [[*violation[:-1], dict(violation.notes)] for violation in violations]
            return {"violations": listed} if listed else {}

        return self._within_limits(validate)

    @cached_property
    def _validator(self) -> Any:
        """A validator that notes where in the schema it is."""
        from jsonschema import Draft202012Validator, validators
        from referencing import Registry

        def noting(keyword: str, check: Callable[..., Any]) -> Callable[..., Any]:
            def check_and_note(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
                self._position = (schema, keyword)
                return check(validator, value, instance, schema)

            return check_and_note

        checks = Draft202012Validator.VALIDATORS.items()
        validator_class = validators.extend(  # type: ignore[no-untyped-call] # jsonschema's stubs lack it
            Draft202012Validator, {name: noting(name, check) for name, check in checks}
        )
        # Without a registry, jsonschema would fetch what a reference names.
        registry: Registry[Any] = Registry()
        return validator_class(self._schema.schema, registry=registry)

    def _within_limits(self, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        from referencing.exceptions import Unresolvable

        try:
            with _limited(self._limits.seconds):
                return work()
        except Unresolvable as error:
            reference = quote(str(error.ref))
            return {
                "invalid": f"the reference {reference} leads out of the file, and none is fetched"
            }
        except RecursionError:
            return {"invalid": "it refers to itself"}
        except MemoryError:
            excess = f"needs more than {self._limits.memory // 2**20:,} MiB"
        except _TooSlowError:
            excess = f"takes more than {self._limits.seconds:g} s"
        schema, keyword = self._position
        path = next(_paths_to(schema, self._schema.schema, ()), None)
        return {"excess": excess, "path": [] if path is None else [*path, keyword]}


def main() -> None:
    """Judge the specs on standard input."""

    def give_up(_number: int, _frame: FrameType | None) -> NoReturn:
        raise _TooSlowError

    # The timer of `_limited` counts time of the processor, so that a busy machine is no reason.
    signal.signal(signal.SIGVTALRM, give_up)
    # Loaded before the first policy, whose time this is not.
    import_module("jsonschema")
    limits = WorkerLimits(*json.loads(sys.stdin.readline()))
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    memory = limits.memory if most == resource.RLIM_INFINITY else min(limits.memory, most)
    # Some systems have no such limit.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (memory, most))
    judges = [PolicyJudge(schema, limits) for schema in json.loads(sys.stdin.readline())]
    unusable = {number for number, judge in enumerate(judges) if _print_result(judge.check())}
    violations = characters = 0
    for line in sys.stdin:
        numbers, spec = json.loads(line)
        for number in numbers:
            result = {} if number in unusable else judges[number].judge(spec)
            violations += len(result.get("violations", ()))
            # The text of a policy is repeated in each of its violations, and the parent process
            # holds all of them in memory.
            characters += _count_characters(result.get("violations", []))
            if violations > limits.violations:
                # Each of them would be a line for somebody to read.
                excess = f"has led to more than {limits.violations:,} violations"
                result = {"excess": excess, "path": []}
            elif characters > limits.characters:
                excess = f"has led to violations of more than {limits.characters:,} characters"
                result = {"excess": excess, "path": []}
            if _print_result(result):
                unusable.add(number)


def _count_characters(part: Any) -> int:
    """How long the texts in a part of a result are, without writing them down."""
    if isinstance(part, str):
        return len(part)
    parts = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return sum(map(_count_characters, parts))


def _print_result(result: dict[str, Any]) -> bool:
    """Print a result; returns whether it says that the policy cannot be used."""
    # At once: where this process is ended, the parent takes the first line that is missing for
    # the one that it was at.
    print(json.dumps(result) if result else "", flush=True)  # noqa: T201 - to the parent process
    return "invalid" in result or "excess" in result


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise _TooSlowError once so much has been computed, in the middle of anything."""
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


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
