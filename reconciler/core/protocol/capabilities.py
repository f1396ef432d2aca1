"""What a server can do, by its declared version: the only table and comparison of versions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from reconciler.values import dataclass

LATEST: Final = "latest"
_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})")


class CanUpdate(StrEnum):
    """Whether the server changes a workload in place; unknown until somebody asks it."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


# What an update may say of the metadata, in every version that has updates.
UPDATE_FIELDS = ("priority", "category")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What may be asked of a server.

    `document` is the version of the shipped OpenAPI document that describes it: which fields it
    has, and within which bounds. `has_v2_token` says that it has the login `POST /api/v2/token`.
    """

    version: str
    can_update: CanUpdate
    can_dry_run: bool
    has_v2_token: bool
    document: str

    @property
    def schema_folder(self) -> str:
        """The folder of its schemas among those that ship, which begin with the newest's."""
        return "" if self.document == _TABLE[NEWEST].document else self.document


# Source: the published OpenAPI documents of each version. The first 2.24 has no dry run although
# its documents name one, and creates: a version is never enough, and a canary has to prove it.
_TABLE: Mapping[tuple[int, int], Capabilities] = {
    (2, 23): Capabilities(
        version="2.23",
        can_update=CanUpdate.NO,
        can_dry_run=False,
        has_v2_token=False,
        document="2.23",
    ),
    (2, 24): Capabilities(
        version="2.24",
        can_update=CanUpdate.YES,
        can_dry_run=True,
        has_v2_token=True,
        document="2.24",
    ),
    **{
        number: Capabilities(
            version=f"{number[0]}.{number[1]}",
            can_update=CanUpdate.YES,
            can_dry_run=True,
            has_v2_token=True,
            document=document,
        )
        for number, document in (((2, 25), "2.25"), ((2, 26), "2.25"), ((3, 0), "3.0"))
    },
}
OLDEST: Final = min(_TABLE)
NEWEST: Final = max(_TABLE)
KNOWN_VERSIONS: Final = tuple(entry.version for entry in _TABLE.values())


def agree_on_dry_run(cluster_versions: Sequence[str]) -> bool:
    """Whether clusters are all so new that their control plane must have the dry run.

    A control plane is never older than its clusters.
    """
    numbers = [parse_version(version) for version in cluster_versions]
    return bool(numbers) and all(
        number is not None and number >= OLDEST and capabilities_of(version).can_dry_run
        for number, version in zip(numbers, cluster_versions, strict=True)
    )


def is_older_than_any(version: str, cluster_versions: Sequence[str]) -> bool:
    """Whether a control plane of a version is older than one of its clusters, which none is."""
    declared = parse_version(version)
    numbers = map(parse_version, cluster_versions)
    return declared is not None and any(number and number > declared for number in numbers)


def parse_version(text: str) -> tuple[int, int] | None:
    """`2.25` or `2.25.3` as numbers, the newest for `latest`; None for anything else."""
    if text == LATEST:
        return NEWEST
    number = _VERSION.match(text)
    if number is None or not (text[number.end() :] == "" or text[number.end()] in ".-+"):
        return None
    return int(number[1]), int(number[2])


def is_newer_than_known(text: str) -> bool:
    """Whether a version came after this program, which then works as with the newest it knows."""
    number = parse_version(text)
    return number is not None and number > NEWEST


def capabilities_of(version: str | None) -> Capabilities:
    """What a server of a version can do; raises ValueError for a text that is no version.

    None is a server of an unknown version: whether it can update is unknown, and nothing that an
    old one would misread is sent. A version between two known ones has what the older one has.
    """
    if version is None:
        newest = _TABLE[NEWEST]
        return Capabilities(
            version="",
            can_update=CanUpdate.UNKNOWN,
            can_dry_run=False,
            has_v2_token=newest.has_v2_token,
            document=newest.document,
        )
    number = parse_version(version)
    if number is None or number < OLDEST:
        raise ValueError(f"{version!r} is not a known version: {', '.join(KNOWN_VERSIONS)}, latest")
    return _TABLE[max(entry for entry in _TABLE if entry <= number)]
