from __future__ import annotations

from pathlib import Path

from tests.support.places import ROOT
from tools.messages import MOST_WORDS, Text, collect

MODULE = '''
"""A docstring that nobody is shown, whatever it says."""
QUERY = "SELECT a FROM b"
PATTERN = re.compile("two words")

@click.command()
def show(name):
    """Show one thing. Nothing else is done.

    Ends with 0.
    """
    raise Error(f"there is no {name} here", hint="look " + "twice now" if name else "once more")
'''


def test_no_text_is_long() -> None:
    """Who is tired, or learnt English as another language, can read each in one go."""
    assert [str(text) for text in collect(ROOT / "reconciler") if text.words > MOST_WORDS] == []


def test_all_that_people_see_is_collected(tmp_path: Path) -> None:
    """Messages with their values, and the help of commands; not what is for programmers."""
    (tmp_path / "module.py").write_text(MODULE)
    place = f"{tmp_path.name}/module.py"
    assert sorted(collect(tmp_path)) == [
        Text(place, 7, "Ends with 0."),
        Text(place, 7, "Nothing else is done."),
        Text(place, 7, "Show one thing."),
        Text(place, 12, "once more"),
        Text(place, 12, "there is no {…} here"),
        Text(place, 12, "twice now"),
    ]
