from __future__ import annotations

import sys

import pytest

from proof import browser, pages
from tests.report.pagetree import parse
from tests.support.hostile import pages_of


def test_without_a_browser_nothing_is_claimed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command says what is missing and fails; it never passes for want of a browser."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "argv", ["pages"])
    assert pages.main() == 1
    assert capsys.readouterr().err == (
        "the pages were not checked: no browser was found (looked for chromium, chromium-browser, "
        "google-chrome, google-chrome-stable, chrome); on Debian: apt install chromium\n"
    )
    assert browser.NAMES[0] == "chromium"


def test_a_hostile_word_is_everywhere_on_every_page() -> None:
    """What the browser is shown has that word in every section, so that none is left out."""
    for page in pages_of("hostile").values():
        for section in parse(page).find("section"):
            if section.attributes["aria-labelledby"] not in ("counts", "gpu-curve"):
                assert "hostile" in section.words()
