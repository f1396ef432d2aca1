"""What refuses a plan before anything is sent: each speaks in numbers and names a way out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from reconciler.core.ending.workload_limit import WorkloadLimit
from reconciler.core.model import Address, LastSeen, Live, Missing, Own, Recorded, Remote, Target
from reconciler.core.planning.actions import Create, Delete, Reason, Replace, Update
from reconciler.core.planning.plan import Plan
from reconciler.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One reason not to go on, and what would override it."""

    guard: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardOptions:
    """The limits and what was explicitly allowed on the command line.

    `max_update` is None where nobody limits updates: they end nothing. But a line of defaults may
    roll the pods of a whole fleet. What is missing in `explained_projects` is accepted.
    """

    max_delete: WorkloadLimit = field(default_factory=WorkloadLimit)
    max_update: WorkloadLimit | None = None
    allow_deletes: int = 0
    allow_missing: int = 0
    allow_empty: bool = False
    destroying: bool = False
    allowed_projects: Collection[str] = ()
    target_confirmed: bool = False
    explained_projects: Collection[str] = ()


def check_plan(
    plan: Plan,
    *,
    declared: int,
    recorded: Collection[Recorded],
    live: Mapping[str, Live],
    options: GuardOptions,
    emptied: Collection[str] = (),
    finished: Collection[str] = (),
) -> tuple[Refusal, ...]:
    """Everything that speaks against carrying out a plan.

    `declared` counts the specs of the whole repository, `recorded` is every row in the state.
    `emptied` are the folders of `find_emptied` that still stand, `finished` the ids of what had
    ended by itself before it was removed.
    """
    unexplained = [row for row in recorded if row.id not in finished]
    owned = [row for row in recorded if row.own in (Own.ACCEPTED, Own.DELETING)]
    checks = (
        _check_projects(plan, options),
        _check_empty(declared, recorded, options),
        # Where nothing is declared at all, the guard before has said it.
        _check_emptied(plan, emptied if declared else (), options),
        _check_protection(plan),
        _check_missing(plan, unexplained, live, options),
        _check_deletes(plan, owned, options),
        _check_updates(plan, owned, options.max_update),
    )
    return tuple(refusal for check in checks for refusal in check)


def check_target(pinned: Target, met: Target) -> tuple[Refusal, ...]:
    """Compare the target that a state belongs to with the one of this run.

    What either side does not know yet is no contradiction.
    """
    pairs = (
        ("server", pinned.url, met.url),
        ("stack", pinned.stack, met.stack),
        ("token issuer", pinned.issuer, met.issuer),
        ("tenant", pinned.tenant_id, met.tenant_id),
    )
    return tuple(
        Refusal(
            guard="wrong-target",
            message=f"this state belongs to {name} {before}, and this run is for {now}",
            hint="give the right --url, --stack or login; another target needs another --state",
        )
        for name, before, now in pairs
        if before is not None and now is not None and before != now
    )


def unconfirmed_server(url: str, source: str, *, state_may_be_committed: bool = False) -> Refusal:
    """Refuse a server that the repository names and nobody else; `source` is the line that does."""
    committed = " (the state may have come with it, and proves nothing)"
    return Refusal(
        guard="unconfirmed-server",
        message=f"only {source or 'the repository'} names the server {url}"
        f"{committed if state_may_be_committed else ''}; whoever can edit that file could "
        "redirect your credentials; nothing was sent",
        hint="if it is your control plane, set RUNAI_BASE_URL or --url to it; at a terminal, "
        "without --yes, you are asked once",
    )


def _check_projects(plan: Plan, options: GuardOptions) -> Iterator[Refusal]:
    # What lies outside and stays as it is needs no permission, so only changes count.
    allowed = options.allowed_projects
    outside = {a.address.project for a in plan.changes} - set(allowed)
    if allowed and outside:
        names = ", ".join(sorted(outside))
        yield Refusal(
            guard="allowed-projects",
            message=f"the plan changes project {names}, which limits.allowed_projects leaves out",
            hint=f"add {names} to limits.allowed_projects, or keep to others with --project",
        )


def _check_empty(
    declared: int, recorded: Collection[Recorded], options: GuardOptions
) -> Iterator[Refusal]:
    # Without records nothing can go, and a destroy means just that.
    if declared or not recorded or options.allow_empty or options.destroying:
        return
    # What is left of an older create is another record of the same workload.
    count = len({row.address for row in recorded})
    yield Refusal(
        guard="empty-set",
        message=f"no specs were found, but {_workloads(count)} recorded: all would be deleted",
        hint="check the directory; if this is meant, add --allow-empty",
    )


def find_emptied(recorded: Collection[Recorded], declared: Collection[str]) -> tuple[str, ...]:
    """The folders that specs were recorded from, while no declared file lies in them now.

    Of folders inside each other the topmost; the root is left to the guard of the empty set.
    """
    had = {folder for row in recorded for folder in _folders_of(row.source)}
    empty = had - {folder for file in declared for folder in _folders_of(file)}
    return tuple(sorted(folder for folder in empty if empty.isdisjoint(_folders_of(folder))))


def _folders_of(file: str) -> Iterator[str]:
    while file := file.rpartition("/")[0]:
        yield file


def _check_emptied(
    plan: Plan, emptied: Collection[str], options: GuardOptions
) -> Iterator[Refusal]:
    """Git keeps no empty folder: one that stands is more likely incomplete than given up."""
    ending = _ending(plan)
    if options.destroying or len(ending) == options.allow_deletes:
        return
    for folder in emptied:
        deletes = [
            action
            for action in ending
            if isinstance(action, Delete) and action.recorded.source.startswith(f"{folder}/")
        ]
        if deletes:
            yield Refusal(
                guard="emptied-folder",
                message=f"the folder {folder} is there, but has none of its specs any more: "
                f"{_workloads(len(deletes))} to be deleted",
                hint="check that the folder is complete (checkout, mount, rendering); if this is "
                "meant, "
                f"re-run with --allow-deletes {len(ending)}",
            )


def _check_protection(plan: Plan) -> Iterator[Refusal]:
    hit = [a for a in plan.changes if isinstance(a, Delete | Replace) and _is_protected(a)]
    if not hit:
        return
    listed = ", ".join(f"{a.kind} {a.address}" for a in hit)
    first = hit[0].address
    yield Refusal(
        guard="protection",
        message=f"{len(hit)} of the planned changes would end a protected workload: {listed}",
        hint=f"leave it out with -x {first}, or lift the protection: "
        f"reconciler state unprotect {first} (and lifecycle.protect: false in its spec)",
    )


def _is_protected(action: Delete | Replace) -> bool:
    """A person's word holds until a person lifts it; a spec's holds for as long as it says so.

    What a spec said last is remembered for when it is gone.
    """
    row = action.recorded
    # Its delete may land at any moment: to stop here would only leave the name empty for longer.
    if row.own is Own.DELETING:
        return False
    lifecycle = action.desired.lifecycle if isinstance(action, Replace) else row.lifecycle
    return row.protected or lifecycle.protect


def _check_missing(
    plan: Plan,
    recorded: Collection[Recorded],
    live: Mapping[str, Live],
    options: GuardOptions,
) -> Iterator[Refusal]:
    """Many workloads missing at once look like a wrong server, not like many deletions."""
    lost, alive = _sort_by_presence(
        [row for row in recorded if row.address.project not in options.explained_projects], live
    )
    missing, seen = len(lost), len(alive)
    read = missing + seen
    if not missing or options.allow_missing == missing:
        return
    hint = f"if they are really gone from {plan.target.url}, add --allow-missing {missing}"
    # One or two may well have been deleted; half of all at once is another server.
    if missing >= 3 and missing * 2 >= read:
        yield Refusal(
            guard="mass-missing",
            message=f"{missing} of {read} workloads that were read are missing on the "
            "server: this looks like a wrong URL, tenant or login",
            hint=hint,
        )
    # With few workloads only a sign of the right server allows to make them again.
    elif (
        not seen
        and not options.target_confirmed
        and any(
            isinstance(a, Create) and a.reason is Reason.MISSING_ON_SERVER for a in plan.actions
        )
    ):
        yield Refusal(
            guard="mass-missing",
            message=f"{_workloads(missing)} missing and none could be read: "
            "nothing shows that this is the right server",
            hint=hint,
        )
    # The rights of a login may end at one project, which then looks empty.
    elif emptied := _find_emptied(lost, alive):
        counts = ", ".join(f"{count} in project {project}" for project, count in emptied)
        yield Refusal(
            guard="mass-missing",
            message=f"all recorded workloads of a project are missing on the server ({counts}): "
            "the project may have moved, or the login may not see it",
            hint=hint,
        )


def _sort_by_presence(
    recorded: Collection[Recorded], live: Mapping[str, Live]
) -> tuple[list[Address], list[Address]]:
    """The addresses of what has gone since it was last seen, and of what is still there."""
    # What was missing before, and has been accepted as that, is no news.
    answers = {
        row.address: live[row.id]
        for row in recorded
        if row.own is Own.ACCEPTED
        and row.seen is not LastSeen.MISSING
        and row.id
        and row.id in live
    }
    # What has a successor of ours was replaced by a run that this state does not know.
    lost = [address for address, answer in answers.items() if _is_lost(answer)]
    alive = [
        address
        for address, answer in answers.items()
        if isinstance(answer, Remote | Missing) and not _is_lost(answer)
    ]
    return lost, alive


def _is_lost(answer: Live) -> bool:
    return isinstance(answer, Missing) and answer.replacement is None


def _find_emptied(lost: Iterable[Address], alive: Iterable[Address]) -> list[tuple[str, int]]:
    """The projects of which two or more workloads are missing and none was found, in order."""
    counts = Counter(address.project for address in lost)
    populated = {address.project for address in alive}
    return sorted((p, count) for p, count in counts.items() if count >= 2 and p not in populated)


def _check_deletes(
    plan: Plan, owned: Collection[Recorded], options: GuardOptions
) -> Iterator[Refusal]:
    """Count deletes and replaces, per project and in total; the state holds the comparison."""
    going = _ending(plan)
    # The very number and no other: what came on top since it was read was not meant.
    if len(going) == options.allow_deletes:
        return
    addresses = [action.address for action in going]
    over = list(_over_limit("delete or replace", addresses, owned, options.max_delete))
    if over:
        yield Refusal(
            guard="mass-delete",
            message="; ".join(over),
            hint=f"read the plan; if this is meant, re-run with --allow-deletes {len(going)}",
        )


def _check_updates(
    plan: Plan, owned: Collection[Recorded], limit: WorkloadLimit | None
) -> Iterator[Refusal]:
    if limit is None:
        return
    # One that was begun is finished whatever happens; it was counted when it was planned.
    updates = [
        action.address
        for action in plan.changes
        if isinstance(action, Update) and action.recorded.change.open is None
    ]
    over = list(_over_limit("update", updates, owned, limit))
    if over:
        yield Refusal(
            guard="mass-update",
            message="; ".join(over),
            hint=f"read the plan; if this is meant, re-run with --max-update {len(updates)}",
        )


def count_ending(plan: Plan) -> int:
    """How many workloads a plan deletes or replaces, as `--allow-deletes` counts them."""
    return len(_ending(plan))


def _ending(plan: Plan) -> list[Delete | Replace]:
    # A delete that was begun is finished whatever happens; it was counted when it was planned. One
    # that an earlier run has agreed to is nobody's slip of today.
    ending = [a for a in plan.changes if isinstance(a, Delete | Replace)]
    agreed = {a.address for a in ending if isinstance(a, Delete) and a.is_foreseen}
    return [a for a in ending if not (a.recorded.own is Own.DELETING or a.address in agreed)]


def _over_limit(
    verb: str, going: Sequence[Address], owned: Collection[Recorded], limit: WorkloadLimit
) -> Iterator[str]:
    rows = Counter(row.address.project for row in owned)
    per_project = sorted(Counter(address.project for address in going).items())
    groups = [(f"in project {project}", count, rows[project]) for project, count in per_project]
    # When all of it is too much, which part of it is too much says nothing more.
    for group in ([("in total", len(going), len(owned))], groups):
        over = [_over(verb, where, count, total, limit) for where, count, total in group]
        messages = [message for message in over if message]
        if messages:
            yield from messages
            return


def _over(verb: str, where: str, count: int, total: int, limit: WorkloadLimit) -> str:
    if count <= limit.allowed(total):
        return ""
    share = round(100 * count / total) if total else 100
    allowed = str(limit)
    if limit.count is None and total < limit.SMALL:
        allowed = f"{limit.allowed(total)} while fewer than {limit.SMALL} are recorded"
    return f"would {verb} {count} of {total} workloads {where} ({share} %), limit {allowed}"


def _workloads(count: int) -> str:
    return f"{count} workload is" if count == 1 else f"{count} workloads are"
