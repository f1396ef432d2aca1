"""What people type who know another tool: one sentence each, with the command that is meant."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import click

# Commands that other tools have and this one has not.
COMMANDS: Mapping[str, str] = {
    "taint": "to make a workload anew: reconciler apply --replace ADDRESS",
    "untaint": "nothing marks a workload for a replace: leave out --replace",
    "diff": "to see what an apply would change: reconciler plan",
    "preview": "to see what an apply would change: reconciler plan",
    "fmt": "files stay as they are written; to see effective specs: reconciler render",
    "refresh": "to read what runs: reconciler status; a plan always reads it",
    "get": "to see what runs: reconciler status",
    "describe": "to see one workload: reconciler status ADDRESS --explain",
    "logs": "no logs are read here; to see why one waits: reconciler status ADDRESS --explain",
    "delete": "remove the spec and apply, or: reconciler destroy -t ADDRESS",
    "up": "to make the server have what specs declare: reconciler apply",
    "sync": "to make the server have what specs declare: reconciler apply",
    "workspace": "a stack is chosen by its folder or by --stack NAME",
    "force-unlock": "the lock ends with its run: reconciler doctor names the holder",
    "output": "to see what is recorded: reconciler state show ADDRESS",
}
# Options of other tools; those whose name is an option of the command are found without a table.
OPTIONS: Mapping[str, str] = {
    "-out": "to save a plan: reconciler plan --save FILE",
    "--out": "to save a plan: reconciler plan --save FILE",
    "-target": "to choose workloads: -t PATTERN, a glob on <projectId>/<name>",
    "-auto-approve": "to apply without a question: --yes",
    "--auto-approve": "to apply without a question: --yes",
    "-y": "to apply without a question: --yes",
    "-destroy": "to delete what is recorded: reconciler destroy",
    "-refresh-only": "to read what runs: reconciler status",
    "-parallelism": "to bound the requests in flight: --concurrency N",
    "--dry-run": "to see what an apply would do: reconciler plan",
    "--server-side": "to have the server check specs: reconciler validate --server",
    "--force": "nothing is forced: a guard that refuses names the flag that overrides it",
    "--prune": "what no spec declares any more is deleted by every apply; --no-delete holds it",
    "-f": "give the folder of the specs as an argument",
    "-json": "for programs: -o json",
    "--json": "for programs: -o json",
}
_LONG_WITH_ONE_DASH = re.compile(r"-[a-z][a-z]+(?:-[a-z]+)*")


def find_habit(arguments: Sequence[str], group: click.Group) -> str:
    """The sentence about the first argument that is a habit from elsewhere; empty without one.

    Click would read `-target=x` as `-t arget=x`, so this comes before it.
    """
    words = list(arguments)
    while words[:1] == ["-C"]:
        words = words[2:]
    if not words:
        return ""
    name = words[0]
    command = group.commands.get(name)
    if command is None:
        return f"there is no command '{name}': {COMMANDS[name]}" if name in COMMANDS else ""
    if isinstance(command, click.Group):
        return ""
    options = {text for param in command.params for text in (*param.opts, *param.secondary_opts)}
    for word in words[1:]:
        if word == "--":
            break
        flag = word.partition("=")[0]
        if flag in options:
            continue
        if flag in OPTIONS:
            return f"{name} has no {flag}: {OPTIONS[flag]}"
        # A short option with its value, as in -ojson, is none of these: its name would be longer.
        if _LONG_WITH_ONE_DASH.fullmatch(flag) and f"-{flag}" in options:
            return f"{name} has no {flag}: write -{flag}"
    if name == "import" and not any(word.startswith(("--into", "-h", "--help")) for word in words):
        return (
            "import has no --into: add it, with the folder for the specs of what runs; "
            "to record one workload by its id: reconciler state adopt ADDRESS --id ID"
        )
    return ""
