"""`reconciler validate`: everything that can be checked without a server."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.checkout import prefix_in_checkout
from reconciler.cli.options import output_options, reading_option, state_options
from reconciler.cli.output.console import Console
from reconciler.cli.output.output_paths import check_places
from reconciler.cli.output.source_excerpts import wanted_excerpts

if TYPE_CHECKING:
    from reconciler.core.diagnostics import Diagnostic
    from reconciler.core.secrets.rules import RedactionRules
    from reconciler.report.text.code_frames import CodeFrames
    from reconciler.specs.loaded import Loaded


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option(
    "--changed-since",
    metavar="REVISION",
    help="Only findings that have to do with files changed since this git revision.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning"]),
    default="error",
    show_default=True,
    help="From which severity on a finding makes the command fail.",
)
@click.option(
    "--max-errors",
    type=click.IntRange(1),
    metavar="N",
    help="Show no more than N errors, and what comes before them.",
)
@click.option(
    "--no-cache",
    is_flag=True,
    envvar="RECONCILER_NO_CACHE",
    show_envvar=True,
    help="Check everything, even if nothing has changed since it was valid.",
)
@state_options
@reading_option
@output_options("text", "json", "github", "sarif", "junit", "gitlab")
def validate(
    paths: tuple[Path, ...],
    changed_since: str | None,
    fail_on: str,
    max_errors: int | None,
    no_cache: bool,
    **options: Any,
) -> int:
    """Check the specs in PATH (default: here) without network or credentials.

    Exits with 3 when anything is wrong, after reporting all of it. All specs of the repository are
    read, whatever part is asked for, since some mistakes only show between them.
    """
    from reconciler.app.planning.validation_cache import ValidationCache, cache_folder
    from reconciler.app.planning.workspace import find_repository
    from reconciler.core.diagnostics import has_errors
    from reconciler.errors import InvalidInputError
    from reconciler.specs.loading import load_specs
    from reconciler.specs.source.deadline import Deadline

    console = Console.of(options)
    deadline = Deadline.after(options["deadline"])
    click.get_current_context().with_resource(deadline.enforced())
    paths = paths or (Path(),)
    root, config = find_repository(paths, options["config"])
    check_places(console, options, root=root)
    # The other formats name the files that were found valid, which nobody remembers.
    is_plain = all(output.format in ("text", "json") for output in console.outputs)
    remembers = is_plain and not (no_cache or changed_since)
    memory = ValidationCache(cache_folder(os.environ), paths, root, config) if remembers else None
    if memory and (verdict := memory.recall()):
        _emit_here(console, (), verdict.workloads, verdict.files, config.rules)
        return 0
    digests: dict[str, bytes] | None = {} if memory else None
    whole = load_specs(paths, root=root, config=config, digests=digests, deadline=deadline)
    loaded = whole.narrow_to_targets()
    if memory and digests:
        memory.remember(whole, loaded, digests)
    _note_hidden(console, whole, loaded, "about what was not asked for")
    if not loaded.desired and not loaded.diagnostics:
        raise InvalidInputError(
            "no specs were found", hint="give the folder that holds them; *.yaml, *.yml and *.json"
        )
    loaded = _narrow(loaded, root, changed_since, console)
    found = loaded.diagnostics
    shown = _first(found, max_errors)
    named = _named(shown, loaded.prefix)
    _emit_here(console, named, len(loaded.desired), loaded.files, config.rules)
    if any(output.format not in ("text", "json") for output in console.outputs):
        _emit_from_checkout(console, loaded, shown, root, fail_on)
    if len(shown) < len(found):
        console.note(f"{len(found) - len(shown)} more findings are not shown (--max-errors)")
    return 3 if has_errors(found) or (found and fail_on == "warning") else 0


def _emit_here(
    console: Console, found: Sequence[Diagnostic], workloads: int, files: int, rules: RedactionRules
) -> None:
    """The formats whose reader opens a file from the working directory."""
    console.emit("json", lambda: _to_json(found))
    excerpts = wanted_excerpts(rules) if console.has("text") else None
    console.emit("text", lambda: _to_text(console, found, workloads, files, excerpts))


def _to_json(found: Sequence[Diagnostic]) -> str:
    from reconciler.report.machine.documents import diagnostics_document, to_text

    return to_text(diagnostics_document(found))


def _to_text(
    console: Console,
    found: Sequence[Diagnostic],
    workloads: int,
    files: int,
    excerpts: CodeFrames | None,
) -> str:
    from reconciler.report.text.diagnostics_text import DiagnosticsText

    text = DiagnosticsText(console.paint())
    return text.validation(found, workloads, files, excerpts)


def _emit_from_checkout(
    console: Console, loaded: Loaded, shown: Sequence[Diagnostic], root: Path, fail_on: str
) -> None:
    """The formats of CI servers, which know files by their path in the checkout."""
    from reconciler.core.diagnostics import Severity
    from reconciler.report.machine.documents import to_text
    from reconciler.report.machine.github import annotations_text
    from reconciler.report.machine.gitlab import code_quality_document
    from reconciler.report.machine.junit import junit_text
    from reconciler.report.machine.sarif import sarif_document
    from reconciler.report.text.color import ColorWriter
    from reconciler.report.text.diagnostics_text import DiagnosticsText
    from reconciler.specs.loaded import display_name
    from reconciler.specs.rules.codes import CODES

    prefix = prefix_in_checkout(root, loaded.prefix)
    found = _named(shown, prefix)
    verdict = DiagnosticsText(ColorWriter()).verdict(found, len(loaded.desired), loaded.files)
    meanings = {name: code.meaning for name, code in CODES.items()}
    files = {display_name(one.source.file, prefix) for one in loaded.desired}
    console.emit("github", lambda: annotations_text(found, verdict))
    console.emit("gitlab", lambda: to_text(code_quality_document(found)))
    console.emit("junit", lambda: junit_text(found, files, Severity(fail_on)))
    console.emit("sarif", lambda: to_text(sarif_document(found, meanings)))


def _narrow(loaded: Loaded, root: Path, revision: str | None, console: Console) -> Loaded:
    if revision is None:
        return loaded
    from reconciler.specs.discovery.changes import changed_files

    narrowed = loaded.narrow_to_files(changed_files(root, revision))
    _note_hidden(console, loaded, narrowed, f"not about changes since {revision}")
    return narrowed


def _note_hidden(console: Console, whole: Loaded, part: Loaded, why: str) -> None:
    hidden = len(whole.diagnostics) - len(part.diagnostics)
    if hidden:
        findings = "1 finding is" if hidden == 1 else f"{hidden} findings are"
        console.note(f"{findings} not shown: {why}")


def _named(found: Sequence[Diagnostic], prefix: str) -> list[Diagnostic]:
    """Name files as paths from where the prefix begins."""
    from dataclasses import replace

    from reconciler.specs.loaded import display_name

    return [
        replace(one, where=replace(one.where, file=display_name(one.where.file, prefix)))
        for one in found
    ]


def _first(found: Sequence[Diagnostic], errors: int | None) -> Sequence[Diagnostic]:
    """Cut a list of findings behind a number of errors."""
    from reconciler.core.diagnostics import Severity

    places = [at for at, one in enumerate(found) if one.severity is Severity.ERROR]
    return found if errors is None or len(places) <= errors else found[: places[errors - 1] + 1]
