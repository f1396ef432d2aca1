"""`reconciler validate`: everything that can be checked without a server, or by the server."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.help import HelpCommand
from reconciler.cli.options import OutputOptions, checking_options, output_options
from reconciler.errors import InvalidInputError

if TYPE_CHECKING:
    from reconciler.app.planning.validation_cache import ValidationCache
    from reconciler.app.settings import Flags
    from reconciler.cli.output.console import Console
    from reconciler.cli.output.validation_output import ValidationOutput
    from reconciler.specs.config import Config
    from reconciler.specs.loaded import Loaded
    from reconciler.specs.source.deadline import Deadline


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
@click.option(
    "--max-errors",
    type=click.IntRange(1),
    metavar="N",
    help="Show the findings up to error N, and then stop.",
)
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
    from reconciler.app.planning.workspace import find_repository, group_by_root
    from reconciler.cli.output.console import Console
    from reconciler.cli.output.validation_output import ValidationOutput
    from reconciler.core.diagnostics import has_errors
    from reconciler.core.secrets.rules import RedactionRules
    from reconciler.specs.loaded import merge_roots
    from reconciler.specs.source.deadline import Deadline

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
    # The other formats name the files that were found valid, which nobody remembers.
    is_plain = results.is_plain and not (changed_since or ask_server)
    if is_plain and not no_cache and len(roots) == 1:
        loaded = _load_cached(console, results, groups[0], roots[0], deadline)
        if loaded is None:
            return 0
    else:
        parts = [
            _load(console, results, group, repository, deadline, changed_since=changed_since)
            for group, repository in zip(groups, roots, strict=True)
        ]
        if ask_server:
            # Only here: it loads the HTTP client, which takes longer than to read the specs.
            from reconciler.cli.output.server_check import check_by_server

            parts = [
                check_by_server(console, part, flags, root=root, config=config)
                for part, (root, config) in zip(parts, roots, strict=True)
            ]
        loaded = parts[0] if len(parts) == 1 else merge_roots(parts)
    root = roots[0][0] if len(roots) == 1 else Path()
    results.show(loaded, root, max_errors=max_errors, fail_on=fail_on)
    results.note_unresolved([str(name) for name in loaded.unresolved])
    diagnostics = loaded.diagnostics
    return 3 if has_errors(diagnostics) or (diagnostics and fail_on == "warning") else 0


def _load_cached(
    console: Console,
    results: ValidationOutput,
    paths: Sequence[Path],
    repository: tuple[Path, Config],
    deadline: Deadline,
) -> Loaded | None:
    """Read a repository; None where it is as it was when it was found valid, which is shown."""
    from reconciler.app.planning.validation_cache import ValidationCache, cache_folder
    from reconciler.report.text.formatting import number_of

    cache = ValidationCache(cache_folder(os.environ), paths, *repository)
    if verdict := cache.recall():
        results.show_plain((), verdict.workloads, verdict.files)
        if verdict.unresolved:
            results.note_unresolved([number_of(verdict.unresolved, "name")])
        return None
    return _load(console, results, paths, repository, deadline, cache=cache)


def _load(
    console: Console,
    results: ValidationOutput,
    paths: Sequence[Path],
    repository: tuple[Path, Config],
    deadline: Deadline,
    *,
    changed_since: str | None = None,
    cache: ValidationCache | None = None,
) -> Loaded:
    """Read a repository, and narrow it to what was asked for."""
    from reconciler.cli.output.output_paths import check_output_paths
    from reconciler.specs.discovery.changes import changed_files
    from reconciler.specs.loading import load_specs

    root, config = repository
    check_output_paths(console, root=root)
    digests: dict[str, bytes] | None = {} if cache else None
    whole = load_specs(paths, root=root, config=config, digests=digests, deadline=deadline)
    loaded = whole.narrow_to_targets()
    if cache and digests:
        cache.remember(whole, loaded, digests)
    results.note_hidden(whole, loaded, "about what was not asked for")
    if not loaded.desired and not loaded.diagnostics:
        raise InvalidInputError(
            "no specs were found", hint="give the folder that holds them; *.yaml, *.yml and *.json"
        )
    if changed_since is None:
        return loaded
    changed = changed_files(root, changed_since, included=whole.included)
    narrowed = loaded.narrow_to_files(changed)
    results.note_hidden(loaded, narrowed, f"not about changes since {changed_since}")
    return narrowed
