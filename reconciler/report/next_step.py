"""How to go on from what did not succeed: said in one place, and shown in every format."""

from __future__ import annotations

from typing import assert_never

from reconciler.core.history.outcome import Cause, Failed, InDoubt, Skipped, Unsuccessful
from reconciler.core.model import Address
from reconciler.report.commands import Commands
from reconciler.values import dataclass

# What the next apply holds back as well, until a person has done something about it.
HELD_BACK = frozenset({Cause.HELD, Cause.UNPROVEN, Cause.GIVEN_UP, Cause.NAME_TAKEN})

# What has to be mended before an apply can go on that stopped as a whole, by why it stopped.
_BEFORE_GOING_ON = {
    "lock": "once the other run has ended: ",
    "state": "once the state can be written ('reconciler state check'): ",
    "unauthorised": "once the login is accepted ('reconciler doctor'): ",
    "unreachable": "once the server answers ('reconciler doctor'): ",
    "deadline": "with more --deadline: ",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """A sentence in its three parts: `command` is to be typed, and empty where there is none."""

    before: str = ""
    command: str = ""
    after: str = ""

    def __str__(self) -> str:
        return f"{self.before}{self.command}{self.after}"


def next_step(
    address: Address,
    outcome: Unsuccessful,
    commands: Commands,
    *,
    stopped_by: str = "",
    several: bool = False,
) -> NextStep:
    """What to do about a workload after this outcome.

    `stopped_by` is why the run ended before its work was done; `several` workloads have had this
    outcome, which one command is to retry.
    """
    again = commands.again
    match outcome:
        case InDoubt():
            by_hand = commands.of(f"state resolve {address} --id ID")
            after = f"  (looks for the proof once more), or by hand: {by_hand} (or --abandon)"
            return NextStep(command=again, after=after)
        case Skipped():
            return NextStep(before=_BEFORE_GOING_ON.get(stopped_by, ""), command=again)
        case Failed(cause=cause):
            return _step_after_failure(address, cause, commands, several=several)
        case _:
            assert_never(outcome)


def _step_after_failure(
    address: Address, cause: Cause, commands: Commands, *, several: bool
) -> NextStep:
    """What to do depends on who or what made it fail."""
    again = commands.again
    them, retry = ("them", "--retry-failed") if several else ("it", f"--replace {address}")
    match cause:
        case Cause.SERVER:
            return NextStep(before="fix the spec, then ", command=again)
        case Cause.DENIED:
            project = address.project
            before = f"let the login change workloads in project {project}, then "
            return NextStep(before=before, command=again)
        case Cause.QUOTA:
            before = f"free GPUs in project {address.project} or have its quota raised, then "
            return NextStep(before=before, command=again)
        case Cause.NAME_TAKEN:
            return NextStep(before="choose another name, or adopt what has it")
        case Cause.CLUSTER:
            before = f"fix the spec and apply; to try {them} unchanged: "
            return NextStep(before=before, command=f"{again} {retry}")
        case Cause.FAILED_LATER:
            before = f"look into the logs, mend it and apply; to run {them} again unchanged: "
            return NextStep(before=before, command=f"{again} {retry}")
        case Cause.EXPIRED:
            before = f"give more maxRuntime, or make it quicker; to run {them} again unchanged: "
            return NextStep(before=before, command=f"{again} {retry}")
        case Cause.HELD:
            before = "set lifecycle.onMissing: recreate, or remove the spec, then "
            return NextStep(before=before, command=again)
        case Cause.OUTDATED:
            return NextStep(before="plan again, and have the new plan approved")
        case Cause.GIVEN_UP:
            command = commands.of(f"state resolve {address} --recheck")
            return NextStep(before="once the workload is gone: ", command=command)
        case Cause.UNPROVEN:
            command = commands.of(f"state rm {address}")
            return NextStep(before="once you know that it is gone: ", command=command)
        case Cause.OTHER:
            return NextStep(command=again, after="  (what was done stays done)")


def hint_after(address: Address, outcome: Unsuccessful, commands: Commands) -> str:
    """The way out: that of this very workload, or that of its kind."""
    return outcome.hint or str(next_step(address, outcome, commands))
