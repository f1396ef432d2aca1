"""`reconciler validate`: everything that can be checked without a server, or by the server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from reconciler.cli.help import HelpCommand
from reconciler.cli.option_tables import MAX_ERRORS
from reconciler.cli.options import OutputOptions, checking_options, output_options
from reconciler.errors import InvalidInputError

if TYPE_CHECKING:
    from reconciler.app.settings import Flags
    from reconciler.cli.output.validation_output import ValidationOutput
    from reconciler.specs.checked import CheckedSpecs

Checked = TypeVar("Checked", bound="CheckedSpecs")


@click.command(cls=HelpCommand)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option(
    "--changed-since",
    metavar="REVISION",
    help="Show only diagnostics of files that have changed since this git revision.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    default="error",
    show_default=True,
    help="Lowest severity that makes the command fail.",
)
@MAX_ERRORS
@click.option(
    "--no-cache",
    is_flag=True,
    envvar="RECONCILER_NO_CACHE",
    show_envvar=True,
    help="Ignore the cache, and check all files again.",
)
@click.option(
    "--server",
    "ask_server",
    is_flag=True,
    help="Have the server check new specs as well, by dry runs. Needs credentials, and 2.24.",
)
@checking_options
@output_options("text", "json", "github", "sarif", "junit", "gitlab")
def validate(
    paths: tuple[Path, ...],
    *,
    changed_since: str | None,
    fail_on: str,
    max_errors: int | None,
    no_cache: bool,
    ask_server: bool,
    flags: Flags,
    output: OutputOptions,
) -> int:
    """Check the specs in PATH (default: here) without network or credentials.

    Exits with 3 when anything is wrong, after reporting all of it. All specs of the repository are
    read, whatever part is asked for, since some mistakes only show between them. PATHs in several
    repositories are checked by their own configurations, and shown together. With --server, specs
    without errors that the state does not record are sent to the server to be checked there.
    """
    from reconciler.app.planning.validation_cache import ValidationCache, cache_folder
    from reconciler.app.repositories import find_repository, group_by_root
    from reconciler.cli.output.console import Console
    from reconciler.cli.output.output_paths import check_output_paths
    from reconciler.cli.output.validation_output import ValidationOutput
    from reconciler.core.diagnostics import has_errors
    from reconciler.core.secrets.rules import RedactionRules
    from reconciler.specs.checked import merge_roots
    from reconciler.specs.source.deadline import Deadline
    from reconciler.specs.validating import validate_specs

    console = Console(output)
    deadline = Deadline.after(flags.deadline)
    # To the end of the command: the cache, git and excerpts read files as well.
    click.get_current_context().with_resource(deadline.enforced())
    groups = [list(paths) or [Path()]] if flags.config else group_by_root(paths or (Path(),))
    roots = [find_repository(group, flags.config) for group in groups]
    # What one of several repositories reveals may be a secret of another.
    hidden = tuple(glob for _, config in roots for glob in config.rules.redact)
    rules = roots[0][1].rules if len(roots) == 1 else RedactionRules(redact=hidden)
    results = ValidationOutput(console, rules)
    for root, config in roots:
        check_output_paths(console, roots=[root, *config.included_paths(root)])
    parts: list[CheckedSpecs] = []
    if ask_server:
        # Only here: it loads the HTTP client, which takes longer than to read the specs.
        from reconciler.cli.output.server_check import check_by_server
        from reconciler.specs.loading import load_specs

        loaded = [
            _narrow(
                results,
                load_specs(group, root=root, config=config, deadline=deadline),
                root,
                changed_since,
            )
            for group, (root, config) in zip(groups, roots, strict=True)
        ]
        parts += [
            check_by_server(console, part, flags, root=root, config=config)
            for part, (root, config) in zip(loaded, roots, strict=True)
        ]
    else:
        for group, (root, config) in zip(groups, roots, strict=True):
            folder = None if no_cache else cache_folder(os.environ, root)
            memory = ValidationCache(folder, root, config) if folder else None
            part = validate_specs(group, root=root, config=config, deadline=deadline, memory=memory)
            parts.append(_narrow(results, part, root, changed_since))
    checked = parts[0] if len(parts) == 1 else merge_roots(parts)
    root = roots[0][0] if len(roots) == 1 else Path()
    results.show(checked, root, max_errors=max_errors, fail_on=fail_on)
    results.note_unresolved([str(name) for name in checked.unresolved])
    diagnostics = checked.diagnostics
    return 3 if has_errors(diagnostics) or (diagnostics and fail_on == "warning") else 0


def _narrow(
    results: ValidationOutput, whole: Checked, root: Path, changed_since: str | None
) -> Checked:
    """Narrow a repository to what was asked for, and say what is left out."""
    from reconciler.specs.discovery.changes import changed_files

    asked = whole.narrow_to_targets()
    results.note_hidden(whole, asked, "about what was not asked for")
    if not asked.workloads and not asked.diagnostics:
        raise InvalidInputError(
            "no specs were found", hint="give the folder that holds them; *.yaml, *.yml and *.json"
        )
    if changed_since is None:
        return asked
    narrowed = asked.narrow_to_files(changed_files(root, changed_since, included=whole.included))
    results.note_hidden(asked, narrowed, f"not about changes since {changed_since}")
    return narrowed
