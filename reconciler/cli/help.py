"""How help looks: options in groups, an example for each command, summaries that fit on a line.

Own code of some forty lines, since cloup and rich-click bring decorators or a renderer of their own
for it, and help has to answer at once.
"""

from __future__ import annotations

from collections.abc import Mapping

import click

OTHERS = "Options"
# The groups of options in the order of help, by the names of their parameters.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "What it is about": (
        *("targets", "excludes", "project", "plan_file", "patterns", "lineage"),
        *("explain", "unmanaged", "idle", "everything", "undeclared"),
    ),
    "What it may do": (
        *("no_refresh", "no_delete", "no_create", "no_update", "replace", "retry_failed"),
        *("on_drift", "max_delete", "max_update", "allow_deletes", "allow_missing", "allow_empty"),
        *("accept_projects", "expect_digest", "max_surge_gpus", "init", "yes", "dry_run"),
        *("take_over", "mark", "abandon", "recheck"),
    ),
    "How long it goes on": (
        *("wait", "wait_for", "wait_timeout", "fail_fast", "lock_timeout", "deadline"),
        *("request_timeout", "concurrency", "max_rps", "watch"),
    ),
    "Where everything is": (
        *(
            "chdir",
            "config",
            "state",
            "stack",
            "url",
            "token_file",
            "ca_file",
            "client_cert",
            "client_key",
        ),
        *("use_env_proxy",),
    ),
    "What it shows": (
        *("outputs", "color", "quiet", "verbose", "markdown_limit", "metrics_file"),
        *("detailed_exitcode", "exit_status", "save_to", "max_errors", "fail_on"),
    ),
}
# Fewer are read at a glance without headings.
_MANY = 12
_UNCUT = 1000
EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "init": ("reconciler init workloads --ci github",),
    "validate": ("reconciler validate workloads",),
    "render": ("reconciler render workloads/team-a",),
    "plan": (
        "reconciler plan workloads",
        "reconciler plan workloads --explain 4501/chat",
        "reconciler plan workloads --save plan.json",
    ),
    "apply": (
        "reconciler apply workloads",
        "reconciler apply workloads -t '4501/*' --retry-failed",
        "reconciler apply workloads --plan plan.json --yes",
    ),
    "destroy": ("reconciler destroy workloads -t '4501/*'",),
    "show": ("reconciler show plan.json",),
    "status": ("reconciler status --watch", "reconciler status 4501/chat --explain"),
    "import": ("reconciler import --into workloads --project 4501",),
    "state list": ("reconciler state list",),
    "state show": ("reconciler state show 4501/chat",),
    "state protect": ("reconciler state protect 4501/chat",),
    "state unprotect": ("reconciler state unprotect 4501/chat",),
    "state backup": ("reconciler state backup copy.db",),
    "state restore": ("reconciler state restore copy.db",),
    "state sql": ("reconciler state sql --state postgresql://db.example.com/reconciler",),
    "state check": ("reconciler state check",),
    "state rm": ("reconciler state rm 4501/chat --dry-run",),
    "state move": ("reconciler state move 4501/chat --to other.db",),
    "state adopt": (
        "reconciler state adopt 4501/chat --id ID",
        "reconciler state adopt --project 4501 --dry-run",
    ),
    "state resolve": ("reconciler state resolve 4501/chat --id ID",),
    "state recover": ("reconciler state recover --dry-run",),
    "runs list": ("reconciler runs list",),
    "runs show": ("reconciler runs show 2f9c1d04",),
    "schema show": ("reconciler schema show spec",),
    "schema derive": ("reconciler schema derive",),
    "schema import": ("reconciler schema import openapi.json --out schemas",),
    "schema import-crd": ("reconciler schema import-crd trainers.yaml",),
    "schema check": ("reconciler schema check",),
    "sandbox": ("reconciler sandbox --port 8080",),
    "doctor": ("reconciler doctor workloads",),
    "completion": ("reconciler completion bash >> ~/.bashrc",),
}
SUMMARIES: Mapping[str, str] = {
    "init": "Write a configuration, an example spec and a CI workflow.",
    "validate": "Check specs, without network or credentials.",
    "render": "Print effective specs.",
    "plan": "Show what 'apply' would do, and why.",
    "apply": "Make the server have what the specs declare.",
    "destroy": "Delete every workload that the state records.",
    "show": "Show a saved plan.",
    "status": "Show the live status of what is recorded.",
    "import": "Write specs for workloads that run, and record them.",
    "state": "Look at what is recorded, check it, change it by hand.",
    "runs": "Look at what earlier runs did.",
    "schema": "Show, derive and check the JSON Schemas.",
    "sandbox": "Serve the Workloads V2 API on this machine.",
    "doctor": "Find out whether an apply could work, and why not.",
    "completion": "Print the completion script of a shell.",
}


class HelpCommand(click.Command):
    """A command whose help groups its options and ends with an example."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, under the headings of their groups where there are many."""
        records = [
            (param.name, record)
            for param in self.get_params(ctx)
            if isinstance(param, click.Option)
            and (record := param.get_help_record(ctx)) is not None
        ]
        titles = {name: title for title, names in GROUPS.items() for name in names}
        is_long = len(records) > _MANY
        sections: dict[str, list[tuple[str, str]]] = {title: [] for title in (*GROUPS, OTHERS)}
        for name, record in records:
            sections[titles.get(name or "", OTHERS) if is_long else OTHERS].append(record)
        for title, rows in sections.items():
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples of the command."""
        super().format_epilog(ctx, formatter)
        examples = EXAMPLES.get(" ".join(ctx.command_path.split()[1:]), ())
        if examples:
            with formatter.section("Example" if len(examples) == 1 else "Examples"):
                # As they are: a command that is wrapped cannot be copied.
                formatter.write("".join(f"{'':{formatter.current_indent}}{e}\n" for e in examples))


class HelpGroup(click.Group):
    """A group whose commands have such help."""

    command_class = HelpCommand

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their summaries, none of which is cut."""
        path = ctx.command_path.split()[1:]
        rows = []
        for name in self.list_commands(ctx):
            summary = SUMMARIES.get(" ".join([*path, name]))
            rows.append((name, summary or self.commands[name].get_short_help_str(_UNCUT)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)
