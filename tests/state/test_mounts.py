"""Which file system a path is on, from the kernel's own table."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import StateError
from reconciler.state.locking.mounts import Mount, check_local, mount_of
from reconciler.state.sqlite import create_state
from tests.support.factories import make_target

TABLE = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
31 27 0:40 / /home rw,relatime shared:20 master:1 - nfs4 filer:/home rw,vers=4.2
32 31 8:1 / /home/anna/local\040disk rw - ext4 /dev/sda1 rw
33 27 0:41 / /mnt/share rw - cifs //filer/share rw
34 27 0:42 / /mnt/c rw - 9p C:\134 rw
35 27 0:43 / /mnt/ssh rw - fuse.sshfs anna@host:/ rw
36 27 0:44 / /mnt/app rw - fuse.portal portal rw
37 27 0:45 / /srv rw - autofs systemd-1 rw
38 27 0:46 / /srv rw - nfs filer:/srv rw
39 27 0:47 / /var/tab\011and\134slash rw - tmpfs tmpfs rw
not a line of the table
40 27
"""


@pytest.mark.parametrize(
    ("path", "place", "kind", "shared"),
    [
        ("/etc/state.db", "/", "ext4", False),
        ("/home/anna/state.db", "/home", "nfs4", True),
        ("/home", "/home", "nfs4", True),
        ("/homework/state.db", "/", "ext4", False),
        ("/home/anna/local disk/state.db", "/home/anna/local disk", "ext4", False),
        ("/mnt/share/x/state.db", "/mnt/share", "cifs", True),
        ("/mnt/c/Users/state.db", "/mnt/c", "9p", True),
        ("/mnt/ssh/state.db", "/mnt/ssh", "fuse.sshfs", True),
        ("/mnt/app/state.db", "/mnt/app", "fuse.portal", False),
        ("/srv/state.db", "/srv", "nfs", True),
        ("/var/tab\tand\\slash/state.db", "/var/tab\tand\\slash", "tmpfs", False),
    ],
)
def test_a_path_is_on_the_nearest_mount(path: str, place: str, kind: str, shared: bool) -> None:
    """The longest one above it, the later of two on one place."""
    mount = mount_of(TABLE, path)
    assert mount == Mount(place=place, kind=kind)
    assert mount.is_shared is shared


def test_a_table_that_says_nothing_is_no_obstacle() -> None:
    """Without a mount nothing is concluded."""
    assert mount_of("", "/x") is None
    assert mount_of("22 27 0:21 / /proc rw - proc proc rw", "/x") is None


@given(st.text(max_size=200), st.text(max_size=20))
def test_no_table_breaks_it(table: str, path: str) -> None:
    """Whatever the kernel may write one day."""
    mount_of(table, "/" + path)


def write_table(folder: Path, kind: str) -> Path:
    """Write a table in which everything below a folder is of one kind."""
    table = folder / "mountinfo"
    table.write_text(f"27 1 254:0 / / rw - ext4 x rw\n31 27 0:40 / {folder} rw - {kind} x rw\n")
    return table


def test_a_state_on_a_shared_disk_is_told(tmp_path: Path) -> None:
    """Its lock would keep nobody out; the message says where it is and what to do."""
    path = tmp_path / "state.db"
    with pytest.raises(StateError) as caught:
        check_local(path, write_table(tmp_path, "nfs4"))
    assert caught.value.message == (
        f"the state {path} is on a network file system (nfs4 at {tmp_path}): "
        "locks and writes are not reliable there"
    )
    assert caught.value.hint == (
        "keep the state on a disk of this machine (--state), and let the CI system store a copy "
        "between runs"
    )


def test_a_link_is_followed(tmp_path: Path) -> None:
    """What counts is where the file is, not where its name is."""
    shared, local = tmp_path / "shared", tmp_path / "local"
    shared.mkdir()
    local.mkdir()
    (local / "state.db").symlink_to(shared / "state.db")
    table = write_table(shared, "nfs")
    with pytest.raises(StateError):
        check_local(local / "state.db", table)
    check_local(local / "other.db", table)


def test_elsewhere_nothing_is_known(tmp_path: Path) -> None:
    """Without the kernel's table there is nothing to go by."""
    check_local(tmp_path / "state.db", tmp_path / "absent")
    check_local(tmp_path / "state.db", write_table(tmp_path, "xfs"))


def test_a_state_on_a_shared_disk_can_be_read_and_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan is harmless there; an apply is refused before it locks anything."""
    path = tmp_path / "state.db"
    store = create_state(path, make_target())
    table = write_table(tmp_path, "cifs")
    monkeypatch.setattr("reconciler.state.sqlite.check_local", lambda p: check_local(p, table))
    assert store.read() == []
    with pytest.raises(StateError, match="cifs"):
        store.hold("reconciler apply")
    store.close()
    with pytest.raises(StateError, match="cifs"):
        create_state(tmp_path / "other.db", make_target())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mountinfo", "state.db"]
