"""One report of a command that was given several folders, each a repository of its own."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from reconciler.app.planning.planning import PlanResult
from reconciler.app.refused import GuardError
from reconciler.app.repositories import InvalidSpecsError
from reconciler.cli.invocation import current_commands, remember_commands
from reconciler.cli.options import OutputOptions
from reconciler.cli.output.console import ESCAPES, Console, explain
from reconciler.errors import ReconcilerError
from reconciler.report.html import plan_content
from reconciler.report.html.pages import PageContent
from reconciler.report.html.planned import most_gpus
from reconciler.report.html.several import FolderPart, failure_content, folder_part, plans_page

if TYPE_CHECKING:
    from reconciler.app.settings import Flags


class CombiningConsole(Console):
    """A console that keeps the results of each folder, and shows those of all as one."""

    def __init__(self, options: OutputOptions, *, beside: Collection[str]) -> None:
        super().__init__(options, beside=beside)
        self._parts: list[Callable[[int], FolderPart]] = []
        self._widest = 0.0
        self._kept: defaultdict[str, list[tuple[Path, str]]] = defaultdict(list)
        self.folder = Path()
        """The folder whose results come next."""

    def emit(self, name: str, render: Callable[[], str]) -> None:
        """Keep a finished result, if anybody wants it."""
        if self.wants(name):
            # Now, while it is known which folder its commands are about.
            result = current_commands().completed(render(), ESCAPES.get(name, str))
            self._kept[name].append((self.folder, result))

    def keep_plan(self, planned: PlanResult, prefix: str) -> None:
        """Keep what a page says of a plan, if anybody wants one."""
        self._widest = max(self._widest, most_gpus(planned.plan))
        self._keep_part(
            lambda: plan_content(
                planned.plan,
                planned.refusals,
                prefix=prefix,
                differences=planned.differences,
                # All are known by then: bars of two folders can be compared.
                widest=self._widest,
            )
        )

    def keep_failure(self, error: ReconcilerError) -> None:
        """Keep why there is no plan, for the page: nobody must miss a folder there."""
        match error:
            case InvalidSpecsError(diagnostics=diagnostics, prefix=prefix):
                about: dict[str, Any] = {"diagnostics": diagnostics, "prefix": prefix}
            case GuardError(refusals=refusals):
                about = {"refusals": refusals}
            case _:
                about = {}
        self._keep_part(lambda: failure_content(error, **about))

    def _keep_part(self, content: Callable[[], PageContent]) -> None:
        if self.wants("html"):
            folder, commands = str(self.folder), current_commands()
            self._parts.append(
                lambda number: folder_part(number, folder, content(), commands.completed)
            )

    def show_all(self) -> None:
        """Give the results of all folders to every output of their format."""
        if self._parts:
            moment = datetime.now(UTC).isoformat(timespec="seconds")
            parts = [part(number) for number, part in enumerate(self._parts, start=1)]
            super().emit("html", lambda: plans_page(parts, moment))
        for name, results in self._kept.items():
            super().emit(name, partial(_combine, name, results))


def for_each_root(
    console: CombiningConsole,
    folders: Sequence[Path],
    flags: Flags,
    run: Callable[[Path], int],
    *,
    unknown: type[ReconcilerError],
) -> int:
    """Run a command for each folder, show one report, and return the highest exit code.

    What ends the command for one folder does not end it for the others. `unknown` is raised where
    a folder has nothing of what was asked for, and ends the command if none of them has. Raises
    click's usage error for what only one repository can have.
    """
    for name in ("state", "config", "stack"):
        if getattr(flags, name) is not None:
            need_one_root(flags.origins[name])
    codes, strangers = list[int](), dict[Path, ReconcilerError]()
    for folder in folders:
        console.folder = folder
        remember_commands(flags, [folder])
        try:
            codes.append(run(folder))
        except unknown as error:
            strangers[folder] = error
        except ReconcilerError as error:
            error.complete_commands(current_commands().completed)
            console.warn(f"{folder}:")
            explain(error)
            console.keep_failure(error)
            codes.append(error.exit_code)
    if not codes:
        raise next(iter(strangers.values()))
    for folder, stranger in strangers.items():
        console.note(f"{folder}: {stranger.message}")
    # The commands in the results are complete.
    remember_commands(flags, ())
    console.show_all()
    return max(codes)


def need_one_root(option: str) -> NoReturn:
    """Raise click's usage error for an option of which each repository needs its own."""
    raise click.UsageError(f"{option} is for one DIR: run one command for each of them")


def _combine(name: str, results: Sequence[tuple[Path, str]]) -> str:
    """The results of one format as one: documents in a list, lists joined, numbers added up."""
    match name:
        case "json":
            return _to_text([json.loads(text) for _, text in results])
        case "gitlab":
            return _to_text([item for _, text in results for item in json.loads(text)])
        case "gitlab-plan":
            total: Counter[str] = Counter()
            for _, text in results:
                total.update(json.loads(text))
            return _to_text(dict(total))
        case "text":
            return "\n\n".join(f"{folder}:\n{text}" for folder, text in results)
        case _:
            return "\n\n".join(text for _, text in results)


def _to_text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
