"""Runs the steps of the composite action here, as far as they are ours.

A stand-in for GitHub's runner: it fills in expressions, decides conditions, and keeps outputs and
outcomes. Steps that use another action, and the one that installs, are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.ci.tools import PROGRAMS, ROOT, Runner

ACTION = ROOT / "action.yml"
_EXPRESSION = re.compile(r"\$\{\{ (.+?) \}\}")
_INSTALL = "Install reconciler"
# Of what the runner knows, what it gives to every step unasked; its token is not among them.
_VARIABLES = (
    *("api_url", "event_path", "graphql_url", "repository", "run_id", "server_url", "sha"),
)


@dataclass(slots=True)
class Job:
    """One use of the action on a machine: what it was given, and what became of each step."""

    runner: Runner
    inputs: Mapping[str, str]
    github: Mapping[str, str]
    outcomes: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    log: str = ""
    failed: bool = False

    @property
    def temp(self) -> Path:
        """The folder for a job's temporary files, where the tool is installed."""
        return self.runner.folder.with_name(f"{self.runner.folder.name}-temp")

    def run(self) -> dict[str, str]:
        """Run every step, and return the action's outputs."""
        action = load_action()
        self.temp.mkdir()
        (self.temp / "reconciler").symlink_to(PROGRAMS.parent)
        for step in action["runs"]["steps"]:
            if "run" in step and step["name"] != _INSTALL:
                self._step(step)
        return {
            name: self._fill(output["value"])
            for name, output in action["outputs"].items()
            if self._fill(output["value"])
        }

    def _step(self, step: dict[str, Any]) -> None:
        name = step.get("id", step["name"])
        if not self._wanted(step.get("if", "${{ success() }}")):
            self.outcomes[name] = "skipped"
            return
        written = self.temp / f"{len(self.outcomes)}.output"
        written.touch()
        variables = {
            **{f"GITHUB_{key.upper()}": self.github[key] for key in _VARIABLES},
            **{key: self._fill(value) for key, value in step["env"].items()},
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_OUTPUT": str(written),
            "GITHUB_STEP_SUMMARY": str(self.temp / "summary.md"),
            "RUNNER_TEMP": str(self.temp),
        }
        shell = ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c")
        done = self.runner.run(*shell, step["run"], **variables)
        self.log += done.stdout + done.stderr
        self.outcomes[name] = "failure" if done.returncode else "success"
        self.failed = self.failed or done.returncode != 0
        lines = written.read_text(encoding="utf-8").splitlines()
        self.outputs[name] = dict(line.split("=", 1) for line in lines)

    def _wanted(self, condition: str) -> bool:
        found = _EXPRESSION.fullmatch(condition)
        assert found, f"a condition is one expression: {condition}"
        terms = found[1].split(" && ")
        whatever = {"always()", "!cancelled()"} & set(terms)
        return (bool(whatever) or not self.failed) and all(map(self._holds, terms))

    def _holds(self, term: str) -> bool:
        if term in {"always()", "!cancelled()", "success()"}:
            return True
        left, sign, right = term.split(" ")
        return (self._value(left) == right.strip("'")) is (sign == "==")

    def _fill(self, text: str) -> str:
        return _EXPRESSION.sub(lambda found: self._value(found[1]), text)

    def _value(self, name: str) -> str:
        match name.split("."):
            case ["inputs", key]:
                default = load_action()["inputs"][key].get("default", "")
                return self.inputs.get(key, self._fill(default))
            case ["github", key]:
                return self.github[key]
            case ["runner", "temp"]:
                return str(self.temp)
            case ["steps", step, "outcome"]:
                return self.outcomes.get(step, "")
            case ["steps", step, "outputs", key]:
                return self.outputs.get(step, {}).get(key, "")
            case _:
                raise AssertionError(f"nobody knows {name}")


def load_action() -> dict[str, Any]:
    """The action as GitHub reads it."""
    action: dict[str, Any] = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    return action
