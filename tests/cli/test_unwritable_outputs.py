"""Outputs that cannot be written: each fails for itself, and the result stays what it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.cli.repositories import new_project, spec, write_specs
from tests.support.sandboxes import Sandbox

FULL = "/dev/full"
WARNING = (
    f"warning: not all of the result could be written: {FULL} cannot be written: "
    "No space left on device\n"
)
FILES = ("text", "json", "html", "markdown")


@pytest.fixture(autouse=True)
def _repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder with one workload, whose create nobody answers where it is called `doubtful`."""
    with Sandbox.running("--sync-delay", "0s", "--fault", "500 on=POST name=doubtful") as server:
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        yield


@pytest.mark.parametrize("full", FILES)
@pytest.mark.parametrize("ending", [("sure", 1, "1 created"), ("doubtful", 8, "1 in doubt")])
def test_every_other_output_is_whole(
    cli: Cli, tmp_path: Path, full: str, ending: tuple[str, int, str]
) -> None:
    """A success becomes 1, since a file is missing; any other code stands. `runs show` is named."""
    name, code, total = ending
    write_specs(tmp_path, spec(name, new_project()))
    outputs = {kind: FULL if kind == full else f"_out.{kind}" for kind in FILES}
    words = (word for kind, path in outputs.items() for word in ("-o", f"{kind}={path}"))
    applied = cli("apply", "--yes", "--init", *words)
    written = {kind: Path(path).read_text() for kind, path in outputs.items() if path != FULL}
    assert applied.code == code
    assert all(name in text for text in written.values())
    if "text" in written:
        assert re.search(rf"^Applied: .*{total}", written["text"], re.MULTILINE)
    warning, _, hint = applied.err.partition("  hint: ")
    assert warning.endswith(WARNING)
    run = re.fullmatch(r"what was done is recorded: reconciler runs show (\w{8})\n", hint)
    assert run is not None
    assert name in cli("runs", "show", run[1]).out


def test_a_refusal_is_told_by_the_other_outputs(cli: Cli, tmp_path: Path) -> None:
    """A page that cannot be written does not hide what refused the run, nor its code."""
    write_specs(tmp_path, spec("sure", new_project()))
    assert cli("apply", "--yes", "--init", "-q").code == 0
    for path in tmp_path.glob("*.json"):
        path.unlink()
    refused = cli("apply", "--yes", "-o", "text", "-o", f"html={FULL}", "-o", "markdown=comment.md")
    assert refused.code == 5
    assert WARNING in refused.err
    assert "allow" in Path("comment.md").read_text()
    assert "allow" in refused.err
