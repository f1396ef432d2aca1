from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.corpus.stage import Stage
from tests.corpus.stories import STORIES

RECORDED = Path(__file__).parent / "recorded"
UPDATE = "UPDATE_CORPUS"


@pytest.mark.parametrize("name", STORIES)
def test_every_output_is_as_recorded(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each story prints what it printed before, to the byte; UPDATE_CORPUS=1 records it anew."""
    stage = Stage(tmp_path, monkeypatch, capsys)
    try:
        STORIES[name](stage)
    finally:
        stage.close()
    transcript = "".join(stage.transcript)
    place = RECORDED / f"{name}.txt"
    if os.environ.get(UPDATE):
        place.write_text(transcript, "utf-8")
    assert transcript == place.read_text("utf-8")


def test_no_record_without_a_story() -> None:
    """A story that was renamed or removed leaves nothing behind."""
    assert {path.stem for path in RECORDED.iterdir()} == set(STORIES)
