"""A file is the same by what the file system says of it, and never when that may be wrong."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import time_ns

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.app.planning import validation_cache as checking
from reconciler.regularfiles import read_with_status
from reconciler.specs import judged_tree, signatures
from tests.cli.validations import judged_files, kept_in, memory_in, spec, validate

SECOND = 10**9
NAMES = ["a.yaml", "b.yaml", "team/c.yaml", "team/d.yaml"]
# Of one size: two of one name clash, and there is no priority "mid".
LETTERS, PRIORITIES = ["a", "b", "c", "d"], ["low", "mid"]


def text(name: str, priority: str = "low") -> str:
    """A spec with a name of one letter."""
    return spec(name, f'"1", priority: {priority}')


class Clock:
    """The clock of the program, ahead of that of the file system: nobody waits for real."""

    ahead = 10 * SECOND

    def now(self) -> int:
        """The time in nanoseconds."""
        return time_ns() + self.ahead


@pytest.fixture(autouse=True)
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A machine that has been started, whose file system can be relied on."""
    clock = Clock()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(judged_tree, "WORTH_REMEMBERING", 1)
    monkeypatch.setattr(checking, "time_ns", clock.now)
    monkeypatch.setattr(checking, "read_boot", lambda: b"this start")
    devices = frozenset({tmp_path.stat().st_dev, Path(tempfile.gettempdir()).stat().st_dev})
    monkeypatch.setattr(checking, "dependable_devices", lambda: devices)
    return clock


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read to be compared with the memory."""
    names: list[str] = []

    def reading(path: str, *, follow: bool) -> tuple[bytes, os.stat_result]:
        names.append(Path(path).name)
        return read_with_status(path, follow=follow)

    monkeypatch.setattr(signatures, "read_with_status", reading)
    return names


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four specs that are remembered with their signatures."""
    root = write_specs(tmp_path / "w")
    validate(root)
    validate(root)
    return root


def write_specs(root: Path) -> Path:
    """Four specs that are valid."""
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text(Path(name).stem))
    return root


def write(path: Path, content: str) -> None:
    """Write into the very file, and give it the time that it had."""
    before = path.stat()
    with path.open("r+") as file:
        file.write(content)
        file.truncate()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(path: Path, content: str) -> None:
    """Put another file of the same time in its place."""
    before = path.stat()
    other = path.with_name(".other")
    other.write_text(content)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def write_by_another_name(path: Path, content: str) -> None:
    """Write through a hard link that no run sees."""
    other = path.with_name(".linked")
    other.unlink(missing_ok=True)
    os.link(path, other)
    write(other, content)


def lead_elsewhere(path: Path, content: str) -> None:
    """Make a symbolic link of it, or let it lead to another file."""
    target = path.with_name(f".target-{content.count('low')}-{path.stem}")
    target.write_text(content)
    path.unlink()
    path.symlink_to(target)


def move_folder(path: Path, content: str) -> None:
    """Put a copy in the place of its folder, with the times of all its files."""
    folder = path.parent
    if folder.name == "team":
        copy = folder.with_name(".copy")
        shutil.copytree(folder, copy, symlinks=True)
        shutil.rmtree(folder)
        copy.rename(folder)
    write(path, content)


def swap(path: Path, _: str) -> None:
    """Exchange it with another file, neither of which is written."""
    other = path.with_name({"a": "b", "b": "a", "c": "d", "d": "c"}[path.stem] + ".yaml")
    path.rename(path.with_name(".swapped"))
    other.rename(path)
    path.with_name(".swapped").rename(other)


def write_defaults(path: Path, content: str) -> None:
    """Change what reaches it, and not the file."""
    priority = content.partition("priority: ")[2][:3]
    (path.parent / "_defaults.yaml").write_text(f"metadata: {{category: {priority}}}\n")


Edit = Callable[[Path, str], None]
EDITS: Mapping[str, Edit] = {
    edit.__name__: edit
    for edit in (
        write,
        replace,
        write_by_another_name,
        lead_elsewhere,
        move_folder,
        swap,
        write_defaults,
    )
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    edits=st.lists(
        st.tuples(
            st.sampled_from(sorted(EDITS)),
            st.sampled_from(NAMES),
            st.builds(text, st.sampled_from(LETTERS), st.sampled_from(PRIORITIES)),
            # Long after the edit, in the tick of the memory, and with a clock that was put back.
            st.sampled_from([10 * SECOND, 60 * SECOND, 0, -3600 * SECOND]),
        ),
        max_size=6,
    )
)
def test_no_edit_is_missed(clock: Clock, edits: list[tuple[str, str, str, int]]) -> None:
    """However a file was changed, and whatever the clock says: all is found that is there."""
    folder = Path(tempfile.mkdtemp())
    root = write_specs(folder / "w")
    try:
        for edit, name, content, ahead in [("write", "a.yaml", text("a"), 10 * SECOND), *edits]:
            EDITS[edit](root / name, content)
            clock.ahead = ahead
            expected = validate(root, "--no-cache", "-o", "json")
            assert [validate(root, "-o", "json") for _ in range(2)] == [expected, expected]
    finally:
        clock.ahead = Clock.ahead
        shutil.rmtree(folder)


def test_what_is_as_it_was_is_not_even_read(root: Path, read: list[str]) -> None:
    """Of a tree in which nothing has changed, no spec is opened; --no-cache reads all."""
    read.clear()
    assert validate(root) == validate(root, "--no-cache")
    assert read == []


@pytest.mark.parametrize("edit", [write, replace, write_by_another_name, lead_elsewhere, swap])
def test_what_was_changed_is_read(edit: Edit, root: Path, read: list[str]) -> None:
    """Its size and its time may be as they were."""
    read.clear()
    edit(root / "b.yaml", text("b", "mid"))
    assert validate(root) == validate(root, "--no-cache")
    assert read == (["a.yaml", "b.yaml"] if edit is swap else [(root / "b.yaml").resolve().name])


def test_what_reaches_a_file_decides_as_well(root: Path) -> None:
    """A file is judged again by other defaults, though it is as it was."""
    write_defaults(root / "team" / "c.yaml", text("c", "mid"))
    assert validate(root) == validate(root, "--no-cache")


def test_a_time_alone_makes_no_file_another_one(
    root: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a new checkout has written is read once, and judged no more than before."""
    judged = judged_files(monkeypatch)
    read.clear()
    for name in NAMES:
        replace(root / name, text(Path(name).stem))
    assert validate(root) == validate(root, "--no-cache")
    assert sorted(judged) == NAMES
    validate(root)
    assert sorted(read) == [Path(name).name for name in NAMES]


def test_findings_are_opened_with_the_very_file(root: Path, read: list[str]) -> None:
    """What may quote a value is sealed with the file, so that it is read in each run."""
    (root / "b.yaml").write_text(text("b", "mid"))
    said = validate(root)
    read.clear()
    assert [validate(root), validate(root)] == [said, said]
    assert read == ["b.yaml", "b.yaml"]


def test_a_file_that_was_just_written_is_read(
    clock: Clock, tmp_path: Path, read: list[str]
) -> None:
    """A later change may have the same time, up to two seconds after it."""
    clock.ahead = 0
    root = write_specs(tmp_path / "w")
    for name in NAMES:
        # The time of the content can be set; that of the inode is the one that decides.
        os.utime(root / name, (1, 1))
    validate(root)
    read.clear()
    validate(root)
    assert sorted(read) == [Path(name).name for name in NAMES]
    signatures = [entry[4:] for entry in kept_in(memory_in(tmp_path)).values()]
    assert signatures == [["", 0, 0, 0, 0, 0]] * len(NAMES)


def test_a_file_of_tomorrow_is_read(root: Path, read: list[str]) -> None:
    """A clock that is behind it proves nothing."""
    tomorrow = time_ns() + 86_400 * SECOND
    os.utime(root / "b.yaml", ns=(tomorrow, tomorrow))
    validate(root)
    read.clear()
    validate(root)
    assert read == ["b.yaml"]


def change_memory(memory: Path) -> None:
    """Leave it as somebody else may have written it, who does not know its code."""
    memory.write_text(memory.read_text().replace('"Pod"', '"Pot"'))


def change_code(memory: Path) -> None:
    """Leave it as a disk may have written it."""
    first, _, content = memory.read_text().partition("\n")
    environment, written, _ = json.loads(first)
    memory.write_text(f"{json.dumps([environment, written, ''])}\n{content}")


Happened = Callable[[pytest.MonkeyPatch, Path, Clock], None]
CHANGES: Mapping[str, Happened] = {
    "another start of the machine": lambda patch, *_: patch.setattr(
        checking, "read_boot", lambda: b"another start"
    ),
    "a machine whose starts have no names": lambda patch, *_: patch.setattr(
        checking, "read_boot", lambda: b""
    ),
    "a file system that says nothing": lambda patch, *_: patch.setattr(
        checking, "dependable_devices", frozenset
    ),
    "a clock that was put back": lambda _, __, clock: setattr(clock, "ahead", 8 * SECOND),
    "a memory that was changed": lambda _, memory, __: change_memory(memory),
    "a memory with another code": lambda _, memory, __: change_code(memory),
}


@pytest.mark.parametrize("happened", CHANGES.values(), ids=CHANGES)
def test_signatures_prove_nothing(
    happened: Happened,
    root: Path,
    read: list[str],
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Everything is read where another file may have a signature that is remembered."""
    happened(monkeypatch, memory_in(root.parent), clock)
    read.clear()
    assert validate(root) == validate(root, "--no-cache")
    assert sorted(read) == [Path(name).name for name in NAMES]


def test_a_file_that_changes_while_it_is_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signature is that of the open file, from before its bytes: no later content has it."""

    def reading(path: str, *, follow: bool) -> tuple[bytes, os.stat_result]:
        result = read_with_status(path, follow=follow)
        write(Path(path), text(Path(path).stem, "mid"))
        return result

    for name in NAMES:
        replace(root / name, text(Path(name).stem))
    with monkeypatch.context() as patch:
        patch.setattr(signatures, "read_with_status", reading)
        validate(root)
    assert validate(root) == validate(root, "--no-cache")


def large(tmp_path: Path) -> Path:
    """As many specs, all remembered, as it takes to write few of them by themselves."""
    root = tmp_path / "w"
    root.mkdir()
    for number in range(2 * checking._FEW):
        (root / f"s{number:02}.yaml").write_text(text(f"s{number:02}"))
    validate(root)
    validate(root)
    return root


def recent_in(tmp_path: Path) -> Iterator[Path]:
    """The file with what was learnt of few files, if there is one."""
    return (tmp_path / "cache").rglob("*.recent.jsonl")


def test_few_changes_are_written_by_themselves(tmp_path: Path, read: list[str]) -> None:
    """The large file stays as it is, until as many have changed as it pays for."""
    root = large(tmp_path)
    memory = memory_in(tmp_path)
    before = memory.read_bytes()
    (root / "s07.yaml").write_text(text("s07") + "# changed\n")
    validate(root)
    validate(root)
    (recent,) = recent_in(tmp_path)
    assert sorted(kept_in(recent)) == ["s07.yaml"]
    (root / "s08.yaml").write_text(text("s08") + "# changed\n")
    validate(root)
    assert sorted(kept_in(recent)) == ["s07.yaml", "s08.yaml"]
    assert memory.read_bytes() == before
    assert recent.stat().st_mode & 0o777 == 0o600
    validate(root)
    read.clear()
    assert validate(root) == validate(root, "--no-cache")
    assert read == []
    (root / "s09.yaml").write_text(text("s09") + "# changed\n")
    validate(root)
    assert [*recent_in(tmp_path)] == []
    assert memory.read_bytes() != before


@pytest.mark.parametrize("damage", ["", "[]", "\n[]", "\n{}", "["])
def test_damaged_recent_changes_are_none(damage: str, tmp_path: Path) -> None:
    """What only they knew is read again."""
    root = large(tmp_path)
    (root / "s07.yaml").write_text(text("s07", "mid"))
    expected = validate(root)
    (recent,) = recent_in(tmp_path)
    good = kept_in(recent)
    recent.write_text(damage)
    assert validate(root) == expected
    assert kept_in(recent) == good


def test_files_that_are_gone_leave_the_memory(tmp_path: Path) -> None:
    """Few of them wait for the next time that all is written."""
    root = large(tmp_path)
    memory = memory_in(tmp_path)
    sizes = []
    for number in range(3):
        (root / f"s{number:02}.yaml").unlink()
        validate(root)
        sizes.append(len(kept_in(memory)))
    assert sizes == [40, 38, 38]


MOUNTS = """\
27 0 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
30 27 0:26 / /dev/shm rw - tmpfs tmpfs rw,size=1
31 27 0:40 / /mnt/a\\040b rw master:3 shared:4 - nfs4 server:/x rw
32 27 0:41 /x /mnt/c rw - fuse.sshfs a rw
"""


@pytest.mark.parametrize(
    ("mounts", "devices"),
    [
        (MOUNTS, [(254, 0), (0, 26)]),
        ("", []),
        ("1 2 x:y / / rw - ext4 a b\n", []),
        ("1 - ext4 a b\n", []),
        (None, []),
    ],
)
def test_only_local_file_systems_are_relied_on(
    mounts: str | None,
    devices: list[tuple[int, int]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A network may say what held a minute ago; what is not understood proves nothing."""
    place = tmp_path / "mountinfo"
    if mounts is not None:
        place.write_text(mounts)
    monkeypatch.setattr(signatures, "_MOUNTS", str(place))
    assert signatures.dependable_devices() == {os.makedev(*device) for device in devices}


def test_a_start_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system gives none, there is none."""
    place = tmp_path / "boot_id"
    monkeypatch.setattr(signatures, "_BOOT", str(place))
    assert signatures.read_boot() == b""
    place.write_text("2243d4cf-24c1-4a8d-9daf-82a2cfdc85ed\n")
    assert signatures.read_boot() == b"2243d4cf-24c1-4a8d-9daf-82a2cfdc85ed"


def test_a_time_that_an_image_was_given_proves_nothing(tmp_path: Path) -> None:
    """Two images may be made with the same times, and be mounted one after the other."""
    (tmp_path / "a").touch()
    written = (tmp_path / "a").stat()
    signing = signatures.Signatures({written.st_dev}, written.st_ctime_ns + 10 * SECOND)
    times = {"st_mtime_ns": 0, "st_ctime_ns": written.st_ctime_ns // SECOND * SECOND + 1}
    assert signing.sign(os.stat_result(written[:10], times)) is not None
    times["st_ctime_ns"] -= 1
    assert signing.sign(os.stat_result(written[:10], times)) is None
