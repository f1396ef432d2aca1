"""Starts the process in which policies judge specs, and ends it where the time is over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.core.model import Address
from reconciler.errors import ReconcilerError
from reconciler.specs.compose.composed_spec import ComposedSpec
from reconciler.specs.schema.compiled_schema import SchemaViolation
from reconciler.specs.schema.policyworker import WorkerLimits
from reconciler.specs.source.deadline import Deadline
from reconciler.specs.source.nodes import Step

# Isolated: neither the working directory nor the environment decides what is imported.
_START = (
    "import sys; sys.path.append(sys.argv[1]);"
    " from reconciler.specs.schema.policyworker import main; main()"
)
_PACKAGE = Path(__file__).parents[2]
# What a dynamic linker may need; no other variable is for a process that only computes.
_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
# No honest policy comes near them; a second is long for one spec.
LIMITS = WorkerLimits(seconds=2.0, memory=2**30, violations=100_000, characters=2**25)
# However short a run is, its policies get this much.
_LEAST_SECONDS = 1.0
# Both processes hold a batch in memory.
_BATCH_CHARACTERS = 16 * 2**20
_SIMPLIFY = (
    "simplify it: no repetition inside a repetition, no long lists to compare, fewer references"
)


# A file, and the number of a document in it.
CaseKey = tuple[str, int]


class PolicyCase(NamedTuple):
    """A spec with its effective value, and the numbers of the policies that are about it."""

    composed: ComposedSpec
    address: Address
    spec: Mapping[str, Any]
    policies: Sequence[int]
    key: CaseKey


class PolicyJudgement(NamedTuple):
    """The violations of a policy by a case, or an error of the policy itself.

    `policy_error` is about a path of the policy, and `hint` says what to do about it.
    """

    policy: int
    case: PolicyCase | None = None
    violations: Sequence[SchemaViolation] = ()
    policy_error: str = ""
    path: Sequence[Step] = ()
    hint: str = ""


def judge_policies(
    schemas: Sequence[Any], cases: Sequence[PolicyCase], deadline: Deadline
) -> Iterator[PolicyJudgement]:
    """Yield the violations by cases of the policies with these schemas, and the policies' errors.

    A policy with an error is not asked again. Raises ReconcilerError where no process can be
    started for it.
    """
    usable = list(schemas)
    for batch in _batches(cases):
        for judgement in _judge_batch(usable, batch, deadline):
            if judgement.policy_error:
                # The schema that every spec satisfies.
                usable[judgement.policy] = True
            yield judgement


def _batches(cases: Sequence[PolicyCase]) -> Iterator[list[tuple[PolicyCase, str]]]:
    """Yield the cases with their lines; at least one batch, since schemas are read in any case."""
    batch: list[tuple[PolicyCase, str]] = []
    size = 0
    for case in cases:
        line = json.dumps([case.policies, case.spec])
        if batch and size + len(line) > _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
        batch.append((case, line))
        size += len(line)
    yield batch


def _judge_batch(
    schemas: Sequence[Any], batch: Sequence[tuple[PolicyCase, str]], deadline: Deadline
) -> Iterator[PolicyJudgement]:
    pending = [PolicyJudgement(policy) for policy in range(len(schemas))]
    pending += [PolicyJudgement(policy, case) for case, _ in batch for policy in case.policies]
    lines = [json.dumps(LIMITS), json.dumps(schemas), *(line for _, line in batch), ""]
    results, ending = _run_worker("\n".join(lines).encode(), deadline)
    for judgement, line in zip(pending, results, strict=False):
        if not line:
            continue
        result = json.loads(line)
        if "invalid" in result:
            message = f"not a JSON Schema: {result['invalid']}"
            yield judgement._replace(policy_error=message)
        elif "excess" in result:
            message = f"{_subject(judgement)} {result['excess']}"
            yield judgement._replace(policy_error=message, path=result["path"], hint=_SIMPLIFY)
        else:
            violations = [
                SchemaViolation(code, message, tuple(path), *others)
                for code, message, path, *others in result["violations"]
            ]
            yield judgement._replace(violations=violations)
    if len(results) < len(pending):
        # The worker was ended in the middle of this one; nobody knows about those behind it.
        unfinished = pending[len(results)]
        message = f"{_subject(unfinished)} {ending}"
        yield unfinished._replace(policy_error=message, hint=_SIMPLIFY)


def _subject(judgement: PolicyJudgement) -> str:
    return f"judging {judgement.case.address}" if judgement.case else "reading this policy"


def _run_worker(questions: bytes, deadline: Deadline) -> tuple[list[bytes], str]:
    """Return the lines that came back, and how the worker ended where they are not all."""
    command = [sys.executable, "-I", "-c", _START, str(_PACKAGE)]
    environ = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    # The rest of the run's time, not the sum of the judgements': each of these is limited inside.
    seconds = max(deadline.left(), _LEAST_SECONDS)
    try:
        process = subprocess.run(  # noqa: S603 - this very interpreter, with our own code
            command, input=questions, capture_output=True, env=environ, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        output = error.output or b""
        ending = f"was not over after the {deadline.seconds:g} s of --deadline"
    except OSError as error:
        raise ReconcilerError(f"no process for the policies can be started: {error}") from error
    else:
        output = process.stdout
        ending = f"ended its process (exit code {process.returncode})"
        if process.returncode and not output:
            reason = process.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            reason = reason or f"exit code {process.returncode}"
            raise ReconcilerError(f"the process for the policies failed: {reason}")
    # A line without its end was being written when the worker was ended.
    return output.split(b"\n")[:-1], ending
