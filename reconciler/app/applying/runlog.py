"""What an apply says, kept in the state's history; it never stops or slows the apply."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import field
from datetime import UTC, datetime

from reconciler.core.history.events import ActionEnded, ActionStarted, Event, RunFinished
from reconciler.core.history.outcome import NAMES, Cause, Failed, Outcome, Succeeded, message_of
from reconciler.core.history.provenance import UNKNOWN_PROVENANCE, Provenance
from reconciler.core.planning.actions import Reason
from reconciler.core.planning.plan import Plan
from reconciler.core.redact import Redactor
from reconciler.core.secrets.rules import BUILT_IN, RedactionRules
from reconciler.ports import ActionEntry, RunEntry, RunHistory, link_of
from reconciler.state.locking.lock_owner import this_process
from reconciler.values import dataclass

# So many actions are written down in one transaction of their own: each costs a sync of the disk,
# which the records of the workloads are waiting for as well.
GROUP = 256


@dataclass(kw_only=True)
class RunLog:
    """Listens to one apply and writes its history behind the records, in groups.

    The writes take turns with the journal's on one executor. A write that fails ends the history
    of this run and nothing else: `trouble` says why.
    """

    run: RunEntry
    history: RunHistory
    executor: Executor
    redactor: Redactor
    reasons: Mapping[tuple[str, str], str]
    trouble: str = ""
    _has_begun: bool = False
    _actions: list[ActionEntry] = field(default_factory=list)
    _started: dict[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        plan: Plan,
        history: RunHistory,
        executor: Executor,
        *,
        run_id: str,
        command: str,
        at: datetime,
        saved: str = "",
        provenance: Provenance = UNKNOWN_PROVENANCE,
        rules: RedactionRules = BUILT_IN,
    ) -> RunLog:
        """The log of an apply that is about to begin; raises StateError if it cannot be kept.

        A run that is going to send something is in the history before it does, so that one that
        is killed stays visible; a run without changes is written down once, at its end. `saved`
        is the id of the saved plan that it carries out, `provenance` where it runs.
        """
        owner = this_process(command)
        log = cls(
            run=RunEntry(
                id=run_id,
                command=command,
                user=owner.user,
                host=owner.host,
                started=_timestamp(at),
                plan=saved,
                link=link_of(provenance),
            ),
            history=history,
            executor=executor,
            redactor=Redactor(plan.lineage or "", rules),
            reasons={(str(a.address), a.kind): a.reason.value for a in plan.actions},
        )
        if plan.changes:
            history.begin_run(log.run)
            log._has_begun = True
        return log

    def add(self, event: Event) -> None:
        """Remember how an action ended, and hand over what makes a group."""
        match event:
            case ActionStarted(address=address, action=kind, at=at):
                self._started[str(address), kind] = at
            case ActionEnded():
                self._actions.append(self._entry(event))
                if len(self._actions) >= GROUP:
                    group, self._actions = self._actions, []
                    self.executor.submit(self._write, group)
            case _:
                pass

    def end(self, finished: RunFinished, exit_code: int) -> None:
        """Write down what is left and how it ended; returns when that is done.

        The executor takes turns, so by then the journal has written everything as well.
        """
        counts = dataclasses.asdict(finished.summary)
        self.run = dataclasses.replace(
            self.run,
            finished=_timestamp(datetime.fromisoformat(finished.at)),
            took=round(finished.took, 3),
            stopped_by=finished.stopped_by.value,
            exit_code=exit_code,
            counts={name: count for name, count in counts.items() if count},
        )
        self.executor.submit(self._finish).result()

    def _entry(self, event: ActionEnded) -> ActionEntry:
        address, outcome = str(event.address), event.outcome
        seconds = round(event.took, 3) if isinstance(outcome, Succeeded) else None
        if seconds is None:
            started = self._started.get((address, event.action))
            # What was skipped has never begun.
            if started is not None:
                took = datetime.fromisoformat(event.at) - datetime.fromisoformat(started)
                seconds = round(took.total_seconds(), 3)
        return ActionEntry(
            address=address,
            action=event.action,
            outcome=NAMES[type(outcome)].word,
            reason=_reason_of(outcome) or self.reasons.get((address, event.action), ""),
            message=self.redactor.strict.redact(message_of(outcome)),
            id=outcome.id if isinstance(outcome, Succeeded | Failed) else None,
            seconds=seconds,
        )

    def _write(self, actions: list[ActionEntry]) -> None:
        if self.trouble:
            return
        try:
            self.history.add_actions(self.run.id, actions)
        except Exception as error:
            # Whatever it is: nobody waits for this write, so nobody else would hear of it.
            self.trouble = str(error)

    def _finish(self) -> None:
        if self._actions:
            self._write(self._actions)
        try:
            if self._has_begun:
                self.history.end_run(self.run)
            else:
                self.history.begin_run(self.run)
        except Exception as error:
            # The work is done and recorded: that it is not listed as a run does not undo it.
            self.trouble = self.trouble or str(error)


def _reason_of(outcome: Outcome) -> str:
    """How an action left its workload, where that matters more than why it was begun."""
    if isinstance(outcome, Succeeded):
        return ""
    if outcome.down:
        return Reason.DOWN.value
    is_refused = isinstance(outcome, Failed) and outcome.cause is Cause.CLUSTER
    return Reason.SYNC_FAILED.value if is_refused else ""


def edit_entry(command: str, counts: Mapping[str, int]) -> RunEntry:
    """An edit of the state as a run: it is over as soon as it is written down."""
    owner, at = this_process(command), _timestamp(datetime.now(UTC))
    return RunEntry(
        id=str(uuid.uuid4()),
        command=command,
        user=owner.user,
        host=owner.host,
        started=at,
        finished=at,
        took=0.0,
        exit_code=0,
        link=owner.link,
        counts=counts,
    )


def _timestamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
