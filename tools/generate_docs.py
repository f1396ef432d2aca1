"""Writes the reference pages that follow from the code and from the published schemas.

A fact that the code holds is written down once, there; `--check` tells which pages have fallen
behind it.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

import reconciler
from reconciler.app.signals import SIGNALS
from reconciler.cli.main import INTERRUPTED, USAGE, cli
from reconciler.errors import ReconcilerError, Where
from reconciler.report.text.text import Text
from reconciler.specs.rules.codes import CODES, make_diagnostic
from tools.examples import example
from tools.markdown import escape, fill, span, table
from tools.rule_docs import rules_page
from tools.schema_docs import schema_pages

ROOT = Path(__file__).resolve().parent.parent
NOTE = "<!-- Written by tools/generate_docs.py; change the code, then run it again. -->"

# Read without a flag of their own, so that click does not know of them.
VARIABLES = {
    "RUNAI_BASE_URL": "The control plane, where neither `--url` nor `RECONCILER_URL` is given. Set "
    "and empty it is wrong usage (64) for what connects: "
    "[which server is spoken to](../requests.md#which-server-is-spoken-to).",
    "CI": "If it is not empty, nobody is asked whether a server is meant.",
    "RUNAI_TOKEN": "A bearer token, where no `--token-file` is given.",
    "RUNAI_CLIENT_ID": "The client that logs in, where there is no token.",
    "RUNAI_CLIENT_SECRET": "Its secret. There is no flag for a secret, and no key for one in "
    "`reconciler.yaml`.",
    "HTTPS_PROXY": "With `--use-env-proxy`: the proxy that opens a tunnel to the control plane, as "
    "`http://user:password@host:port`. In lower case as well, like the next two.",
    "ALL_PROXY": "The same, where `HTTPS_PROXY` is not set.",
    "NO_PROXY": "Hosts, domains and networks that are reached without it, separated by commas.",
    "NO_COLOR": "No colours, where `--color` is `auto`.",
    "FORCE_COLOR": "Colours also without a terminal, where `--color` is `auto`.",
    "CLICOLOR_FORCE": "The same as `FORCE_COLOR`.",
    "GITHUB_STEP_SUMMARY": "With `-o github`: the file that the summary of a step goes to.",
    "GITHUB_OUTPUT": "With `-o github`: the file that "
    "[its outputs](../pull-requests.md#github) go to.",
    "XDG_CACHE_HOME": "`validate` remembers its verdicts below `workload-reconciler` in it; "
    "without it, in `.cache` of `HOME`.",
    "HOME": "See `XDG_CACHE_HOME`.",
    "SSL_CERT_FILE": "The authorities to trust, instead of the system's.",
    "SSL_CERT_DIR": "The same, as a folder.",
    "PGHOST": "For a state in PostgreSQL, like every other variable of libpq (`PGPASSWORD`, "
    "`PGPASSFILE`, `PGPORT`, …): the server, where the state's address names none.",
    "PGREQUIREAUTH": "The same: by which login alone; without it a server that only "
    "`reconciler.yaml` names gets no password in the clear, and no MD5 of one.",
    "PGSERVICE": "The same: an entry of the service file, which then decides about TLS as well.",
    "PGSSLMODE": "The same: how TLS is checked; without it `verify-full`, except on this machine.",
    "PGSSLROOTCERT": "The same: the authorities to trust; without it the system's.",
    "AWS_REGION": "For a state in S3, like all others of Amazon's tools (`AWS_ROLE_ARN`, "
    "`AWS_ACCESS_KEY_ID`, …): [which](../how-to/bucket.md#2-one-line).",
    "AWS_ENDPOINT_URL": "The same: the server, where it is not Amazon's; also "
    "`AWS_ENDPOINT_URL_S3`.",
    "GOOGLE_OAUTH_ACCESS_TOKEN": "For a state in Google Cloud Storage: a token of now; also "
    "`CLOUDSDK_AUTH_ACCESS_TOKEN`. Without it `GOOGLE_APPLICATION_CREDENTIALS`.",
    "GOOGLE_BASE_URL": "The same: the server, where it is not Google's.",
    "AZURE_STORAGE_ACCOUNT_NAME": "For a state in Azure Blob Storage, with "
    "`AZURE_FEDERATED_TOKEN_FILE` and its like: the account.",
    "AZURE_STORAGE_ENDPOINT": "The same: the server, where it is not Azure's.",
    "CI_JOB_URL": "The CI job that a run was, for its history and for whoever waits for its lock.",
    "GITHUB_SERVER_URL": "The same on GitHub, together with the next two.",
    "GITHUB_REPOSITORY": "See `GITHUB_SERVER_URL`.",
    "GITHUB_RUN_ID": "See `GITHUB_SERVER_URL`.",
    "RECONCILER_DEBUG": "Shows the traceback of an unexpected failure.",
}

SAMPLE = make_diagnostic(
    "unknown-field",
    "unknown field 'priorty'",
    Where(file="team-a/finetune.yaml", line=4, column=3),
    hint="did you mean 'priority'?",
)

# What a shell calls a program that SIGTERM has ended.
TERMINATED = 128 + signal.SIGTERM

# Codes that no exception carries, and who decides them.
OUTCOMES = (
    (0, "Done. Also a plan with changes, without `--detailed-exitcode`.", "cli/commands/plan.py"),
    (0, "An apply that was not confirmed: nothing was changed.", "app/applying/applying.py"),
    (1, "Any other error, such as a result that cannot be written to its file.", "errors.py"),
    (1, "An unexpected failure: a bug.", "cli/main.py"),
    (1, "What an apply learnt could not be written to the state.", "app/applying/applying.py"),
    (1, "The sandbox's optional dependencies are not installed.", "cli/commands/sandbox.py"),
    (
        2,
        "`plan --detailed-exitcode`: there are changes or drift, or what is held back is due.",
        "cli/commands/plan.py",
    ),
    (3, "`validate` reported at least one error.", "cli/commands/validate.py"),
    (
        4,
        (
            "Some workloads failed, are down, were skipped, or are due and held back; "
            "applying again is safe."
        ),
        "app/applying/applying.py",
    ),
    (
        4,
        (
            "`status --exit-status`: a workload is Failed, Degraded, refused, missing, never "
            "created, down or given up; with `--unmanaged` or `--idle`, there is any."
        ),
        "cli/commands/status.py",
    ),
    (8, "`status --exit-status`: a create is in doubt.", "cli/commands/status.py"),
    (
        9,
        "`status --exit-status`: some workloads, or their phases, could not be looked at.",
        "cli/commands/status.py",
    ),
    (5, "`plan`: a guard would refuse the apply.", "cli/commands/plan.py"),
    (5, "The state has moved elsewhere, or has not wholly arrived.", "state/state_errors.py"),
    (1, "The library of a state in PostgreSQL or a bucket is not installed.", "state/places.py"),
    (
        7,
        "`apply --plan`: some workloads are not as they were approved.",
        "app/applying/applying.py",
    ),
    (6, "Another run took the state over while this one stood still.", "app/applying/applying.py"),
    (8, "Some creations are in doubt and need evidence.", "app/applying/applying.py"),
    (9, "The server was lost, or stopped accepting the login.", "app/applying/applying.py"),
    (USAGE, "An option or argument that does not exist or does not fit.", "cli/main.py"),
    (INTERRUPTED, "Stopped by Ctrl-C outside an apply, or at its question.", "cli/main.py"),
    (INTERRUPTED, "`status --watch`: Ctrl-C is how it ends.", "cli/main.py"),
    (TERMINATED, "Stopped by SIGTERM outside an apply; so does `status --watch`.", "cli/main.py"),
    *(
        (
            code,
            f"An apply was stopped by {number.name}; what is known is recorded.",
            "app/applying/applying.py",
        )
        for number, code in SIGNALS.items()
    ),
)


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail if a page is out of date.")
@click.option("--root", type=click.Path(path_type=Path), default=ROOT, help="The repository.")
def main(check: bool, root: Path) -> None:
    """Write the generated pages of docs/, or check that they are current."""
    stale = find_stale(root)
    if check:
        for name in stale:
            click.echo(f"{name} is out of date; run tools/generate_docs.py", err=True)
        raise SystemExit(bool(stale))
    contents = pages()
    for name in stale:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(contents[name], encoding="utf-8")
        click.echo(f"wrote {name}")


def find_stale(root: Path) -> list[str]:
    """Name the pages below a root that are missing or not what the code gives."""
    return [name for name, text in pages().items() if _read(root / name) != text]


def pages() -> dict[str, str]:
    """Every generated page by its name below the repository's root."""
    return {
        "docs/cli.md": "\n".join(_cli_page()) + "\n",
        "docs/diagnostics.md": "\n".join(_diagnostics_page()) + "\n",
        "docs/exit-codes.md": "\n".join(_exit_codes_page()) + "\n",
        "docs/reference/environment.md": "\n".join(_environment_page()) + "\n",
        "docs/reference/kubernetes-rules.md": "\n".join((NOTE, "", *rules_page())) + "\n",
        **{
            f"docs/reference/{name}.md": "\n".join((NOTE, "", *lines)) + "\n"
            for name, lines in schema_pages(ROOT / "schemas")
        },
    }


def walk(
    group: click.Group, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below a group that does something itself, with the words that call it."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from walk(command, (*path, name))
        else:
            yield (*path, name), command


def error_classes() -> list[type[ReconcilerError]]:
    """Every error of the package that a user can be told about, in the order of their names."""
    for module in pkgutil.walk_packages(reconciler.__path__, "reconciler."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
    return sorted(_subclasses(ReconcilerError), key=lambda error: error.__name__)


def _subclasses(error: type[ReconcilerError]) -> set[type[ReconcilerError]]:
    # A class of a test is not the product's.
    ours = [one for one in error.__subclasses__() if one.__module__.startswith("reconciler.")]
    return {error}.union(*map(_subclasses, ours))


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _cli_page() -> Iterator[str]:
    commands = list(walk(cli, ("reconciler",)))
    yield from (NOTE, "", "# Commands", "")
    yield fill(escape((cli.help or "").replace("\n\n", " ")))
    yield ""
    yield fill(
        "A flag goes before its environment variable, that before `reconciler.yaml`, and that "
        "before the default. A duration is written `250ms`, `30s`, `5m` or `1h30m`. "
        "Every command also has `-h`, and `reconciler --version` tells the version. How a command "
        "ends is on the page about [exit codes](exit-codes.md)."
    )
    yield ""
    rows = [
        (f"[`{' '.join(path)}`](#{'-'.join(path)})", _summary(command))
        for path, command in commands
    ]
    yield from table(("Command", "What it does"), rows)
    yield from ("", "[All variables of the environment](reference/environment.md).")
    for path, command in commands:
        yield from _command_section(path, command)


def _command_section(path: Sequence[str], command: click.Command) -> Iterator[str]:
    # A parent as in a real call: click remembers on the command how help is asked for.
    parent = click.Context(cli, **cli.context_settings)
    context = click.Context(command, parent=parent)
    usage = " ".join((*path, *command.collect_usage_pieces(context)))
    yield from ("", f"## {' '.join(path)}", "", "```", usage, "```")
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield from ("", fill(escape(paragraph)))
    options = [option for option in command.params if isinstance(option, click.Option)]
    if options:
        yield ""
        rows = [_option_row(option, context) for option in options]
        yield from table(("Option", "Meaning", "Default", "Environment"), rows)


def _option_row(option: click.Option, context: click.Context) -> tuple[str, ...]:
    meaning, default = _split_default(option.help or "")
    default = default or _default(option)
    variables = [option.envvar] if isinstance(option.envvar, str) else option.envvar or ()
    return (
        span(_spelling(option, context)),
        escape(meaning),
        span(default),
        " ".join(map(span, variables)),
    )


def _spelling(option: click.Option, context: click.Context) -> str:
    names = ", ".join(option.opts)
    if option.secondary_opts:
        return f"{names} / {', '.join(option.secondary_opts)}"
    return names if option.is_flag else f"{names} {option.make_metavar(context)}"


def _split_default(words: str) -> tuple[str, str]:
    """Help may name a default that is decided later than click decides."""
    found = re.fullmatch(r"(.*?)\s*\[default: (.*)\]", words, re.DOTALL)
    return (found[1], found[2]) if found else (words, "")


def _default(option: click.Option) -> str:
    value = option.to_info_dict()["default"]
    if option.secondary_opts:
        return (option.opts if value else option.secondary_opts)[0]
    if value is None or option.is_flag or option.multiple:
        return ""
    return str(value)


def _environment_page() -> Iterator[str]:
    yield from (NOTE, "", "# Environment variables", "")
    yield fill(
        "A flag goes before its variable, and that before `reconciler.yaml`. What approves or "
        "selects (`--yes`, `--allow-…`, `--replace`, `-t`, `-x`, `--plan`) has none, so that "
        "nothing is approved by a variable that somebody forgot."
    )
    yield ""
    rows = [(span(name), *about) for name, about in sorted(_flag_variables().items())]
    yield from table(("Variable", "Instead of", "Meaning"), rows)
    yield from ("", "Also read, without a flag of their own:", "")
    yield from table(("Variable", "Meaning"), [(span(name), v) for name, v in VARIABLES.items()])


def _flag_variables() -> dict[str, tuple[str, str]]:
    """What stands for a flag: the flag, and what that means."""
    found: dict[str, tuple[str, str]] = {}
    for _, command in walk(cli, ("reconciler",)):
        for option in command.params:
            if isinstance(option, click.Option) and isinstance(option.envvar, str):
                meaning, _ = _split_default(option.help or "")
                found[option.envvar] = (span(option.opts[0]), escape(meaning))
    return found


def _diagnostics_page() -> Iterator[str]:
    yield from (NOTE, "", "# Diagnostics", "")
    yield fill(
        "What is wrong with specs and configuration is reported all at once, each finding with a "
        "place in the file that its author wrote, a code and, where there is one, a way out:"
    )
    yield from ("", "```")
    yield Text().diagnostics([SAMPLE])
    yield from ("```", "")
    yield fill(
        "With `-o json` a finding is an object of `schemas/diagnostic.schema.json`. Codes are "
        "stable: one may be added, none changes its meaning. An error keeps `plan` and `apply` "
        "from sending anything and ends them with 3; a warning is only shown. The examples below "
        "are those of the tests; [validation](validation.md) tells the rules."
    )
    yield ""
    rows = [
        (f"[`{name}`](#{name})", code.severity.value, escape(code.meaning))
        for name, code in CODES.items()
    ]
    yield from table(("Code", "Severity", "Meaning"), rows)
    for name, code in CODES.items():
        yield from ("", f"## {name}", "")
        rest = "A file can [suppress](validation.md#suppressions) it." if code.suppressible else ""
        yield fill(f"{code.severity.value.capitalize()}: {escape(code.meaning)}. {rest}")
        yield from ("", example(name))


def _exit_codes_page() -> Iterator[str]:
    yield from (NOTE, "", "# Exit codes", "")
    yield fill(
        "A command that cannot do its work ends with the code of the error that stopped it, which "
        "says what is wrong and names a way out. A command that did its work tells how that went."
    )
    yield ""
    rows = [(code, escape(_first_sentence(one)), span(one.__name__)) for code, one in _causes()]
    rows += [(code, words, span(f"reconciler/{place}")) for code, words, place in OUTCOMES]
    yield from table(
        ("Code", "Meaning", "Decided by"),
        [(str(code), *rest) for code, *rest in sorted(rows, key=lambda row: row[0])],
    )
    yield ""
    yield fill(
        "When several are true of one apply, the first of these counts: a signal, a state that "
        "was taken over (6) or could not be written (1), a lost server (9), creations in doubt "
        "(8), a workload that is not as it was approved (7), failures (4). "
        "What an author holds on purpose, such as with `onChange: hold`, is no failure. "
        "What a flag or `onChange: update` holds back stays due: an apply counts it as skipped, "
        "and ends with 4."
    )


def _causes() -> Iterator[tuple[int, type[ReconcilerError]]]:
    """The errors that stand for a code; one below them only says more about the same thing."""
    for error in error_classes():
        if error is ReconcilerError:
            continue
        if "exit_code" in vars(error) or ReconcilerError in error.__bases__:
            yield error.exit_code, error


def _first_sentence(error: type[ReconcilerError]) -> str:
    return inspect.cleandoc(error.__doc__ or "").split("\n")[0]


def _summary(command: click.Command) -> str:
    return escape(" ".join((command.help or "").split("\n\n")[0].split()))


if __name__ == "__main__":
    main()
