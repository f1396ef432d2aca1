"""What a server can do, by the version that is declared for it."""

from __future__ import annotations

import pytest

from reconciler.core.protocol.capabilities import (
    KNOWN_VERSIONS,
    CanUpdate,
    agree_on_dry_run,
    capabilities_of,
    is_newer_than_known,
    is_older_than_any,
)


def test_the_table_of_versions() -> None:
    """Each version with what it can do, and with the document and the schemas that describe it."""
    rows = {
        version: (
            entry.can_update.value,
            entry.can_dry_run,
            entry.has_v2_token,
            entry.document,
            entry.schema_folder,
        )
        for version in KNOWN_VERSIONS
        for entry in [capabilities_of(version)]
    }
    assert rows == {
        "2.23": ("no", False, False, "2.23", "2.23"),
        "2.24": ("yes", True, True, "2.24", "2.24"),
        "2.25": ("yes", True, True, "2.25", "2.25"),
        "2.26": ("yes", True, True, "2.25", "2.25"),
        "3.0": ("yes", True, True, "3.0", ""),
    }


@pytest.mark.parametrize(
    ("written", "version"),
    [
        ("2.24.7", "2.24"),
        ("2.23-rc1", "2.23"),
        ("latest", "3.0"),
        ("2.27", "2.26"),
        ("3.4", "3.0"),
        ("12.0", "3.0"),
    ],
)
def test_a_version_in_other_words(written: str, version: str) -> None:
    """Patch levels count for nothing; what is between or beyond the known ones is the older one."""
    assert capabilities_of(written).version == version


@pytest.mark.parametrize("written", ["", "2", "2.22", "1.0", "v2.25", "2.25x", "newest", "2,25"])
def test_what_is_no_version(written: str) -> None:
    """The message lists what there is."""
    with pytest.raises(ValueError, match=r"is not a known version: 2\.23, .*3\.0, latest"):
        capabilities_of(written)


def test_nothing_is_assumed_of_a_server_of_unknown_version() -> None:
    """It has to be asked whether it updates, and it is never asked for a dry run."""
    entry = capabilities_of(None)
    assert (entry.can_update, entry.can_dry_run) == (CanUpdate.UNKNOWN, False)


def test_newer_versions() -> None:
    """A notice is due for a version of tomorrow."""
    assert [is_newer_than_known(v) for v in ("3.0", "3.0.9", "3.1", "latest", "x")] == [
        *(False, False, True, False, False)
    ]


@pytest.mark.parametrize(
    ("versions", "agree"),
    [
        ([], False),
        (["2.25.1"], True),
        (["2.25", "3.0.4"], True),
        (["3.0.0", "2.24.9"], True),
        (["3.0.0", "2.23.9"], False),
        (["2.25", "unknown"], False),
        (["1.0"], False),
    ],
)
def test_clusters_that_agree_on_dry_runs(versions: list[str], agree: bool) -> None:
    """All of them have to be new enough; what is no version could be any."""
    assert agree_on_dry_run(versions) is agree


@pytest.mark.parametrize(
    ("version", "clusters", "older"),
    [
        ("2.23", ["2.24.1"], True),
        ("2.24", ["2.24.1", "2.23"], False),
        ("latest", ["3.0.2"], False),
        ("2.24", ["x"], False),
        ("2.24", [], False),
    ],
)
def test_a_version_that_the_clusters_contradict(
    version: str, clusters: list[str], older: bool
) -> None:
    """No control plane is older than one of its clusters."""
    assert is_older_than_any(version, clusters) is older
