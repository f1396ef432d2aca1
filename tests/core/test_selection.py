from __future__ import annotations

import pytest

from reconciler.core.model import Address
from reconciler.core.planning.selection import Selection
from tests.support.factories import make_desired, make_recorded


@pytest.mark.parametrize(
    ("selection", "taken"),
    [
        (Selection(), ["1/a", "1/b", "2/a"]),
        (Selection(targets=("1/*",)), ["1/a", "1/b"]),
        (Selection(targets=("*/a",)), ["1/a", "2/a"]),
        (Selection(targets=("1/a", "2/a")), ["1/a", "2/a"]),
        (Selection(targets=("1/[ab]",), excludes=("*/b",)), ["1/a"]),
        (Selection(excludes=("*",)), []),
        (Selection(project="2"), ["2/a"]),
        (Selection(project="2", targets=("1/*",)), []),
        (Selection(targets=("1/A",)), []),
    ],
)
def test_what_a_selection_takes(selection: Selection, taken: list[str]) -> None:
    """Targets and project must match, excludes must not; case counts."""
    addresses = [Address.parse(text) for text in ("1/a", "1/b", "2/a")]
    assert [str(a) for a in addresses if selection.takes(a)] == taken


def narrowed(*places: str, declare_moved: bool = True) -> tuple[list[str], list[str]]:
    """Narrow a small repository to places: the specs and the records that are left."""
    desired = [
        make_desired("1/here", file="team-a/x.yaml"),
        make_desired("1/there", file="team-b/x.yaml"),
        make_desired("1/lookalike", file="team-a2/x.yaml"),
    ]
    moved = make_desired("1/moved", file="team-a/y.yaml")
    recorded = [
        make_recorded(desired[0]),
        make_recorded(desired[1]),
        make_recorded(make_desired("1/moved", file="team-b/y.yaml")),
        make_recorded(make_desired("1/removed-here", file="team-a/z.yaml")),
        make_recorded(make_desired("1/removed-there", file="team-b/z.yaml")),
        make_recorded(address="1/of-unknown-file", source=""),
    ]
    wanted, rows = Selection(places=places).narrow(
        [*desired, moved] if declare_moved else desired, recorded
    )
    return [d.address.name for d in wanted], [r.address.name for r in rows]


def test_the_root_holds_everything() -> None:
    """Without a place, a run is about the whole repository and the whole state."""
    assert narrowed(".") == (
        ["here", "there", "lookalike", "moved"],
        ["here", "there", "moved", "removed-here", "removed-there", "of-unknown-file"],
    )


def test_a_folder_holds_its_specs_and_what_it_declared_last() -> None:
    """A run over one folder never removes what another one owns, whatever they are called."""
    assert narrowed("team-a") == (["here", "moved"], ["here", "moved", "removed-here"])


def test_what_moved_out_of_a_folder_is_not_removed_by_it() -> None:
    """A record follows its spec; only once that is gone does the last file count."""
    assert narrowed("team-b") == (["there"], ["there", "removed-there"])
    assert narrowed("team-b", declare_moved=False) == (
        ["there"],
        ["there", "moved", "removed-there"],
    )


def test_a_single_file_is_a_place() -> None:
    """Paths are compared by their parts."""
    assert narrowed("team-a/x.yaml") == (["here"], ["here"])
    assert narrowed("team-a/x.yaml", "team-b") == (
        ["here", "there"],
        ["here", "there", "removed-there"],
    )
