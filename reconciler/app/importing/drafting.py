"""The texts of new spec files, and names for them that nobody has taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from reconciler.core.model import Remote
from reconciler.core.planning.adoption import NotAdopted, NotAdoptedReason
from reconciler.core.protocol.live import WorkloadType
from reconciler.core.redact import Redactor
from reconciler.core.running.draft import draft_spec, file_names, find_hidden
from reconciler.report.machine.documents import to_yaml
from reconciler.values import dataclass

# So many fields are named of a workload with secrets.
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A spec that is not written yet; `file` is its name below the root of the repository."""

    remote: Remote
    file: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRules:
    """What is left out of a spec: what the server fills in, and what `redactor` would hide.

    `namespaces` are those of the workloads' projects, by id.
    """

    types: Sequence[WorkloadType]
    namespaces: Mapping[str, str | None]
    redactor: Redactor


def draft_files(
    remotes: Iterable[Remote], rules: DraftRules, root: Path, folder: str
) -> list[Draft | NotAdopted]:
    """A file below a folder of the root for each workload, or why there is none."""
    drafts: list[Draft | NotAdopted] = []
    # In small letters: some file systems do not tell them from capitals.
    taken = {path.name.lower() for path in (root / folder).iterdir()}
    for remote in remotes:
        document = draft_spec(remote, rules.types, namespace=rules.namespaces.get(remote.id))
        hidden = find_hidden(document, rules.redactor.redact(document))
        if hidden:
            drafts.append(_with_secrets(remote, hidden))
            continue
        names = file_names(remote.address)
        name = next((name for name in names if name.lower() not in taken), None)
        if name is None:
            drafts.append(_without_name(remote, names, folder))
            continue
        taken.add(name.lower())
        file = name if folder == "." else f"{folder}/{name}"
        drafts.append(Draft(remote=remote, file=file, text=f"{to_yaml([document])}\n"))
    return drafts


def _with_secrets(remote: Remote, hidden: Sequence[str]) -> NotAdopted:
    more = f" and {len(hidden) - _MOST_NAMED} more" if len(hidden) > _MOST_NAMED else ""
    return NotAdopted(
        id=remote.id,
        address=remote.address,
        why=NotAdoptedReason.SENSITIVE,
        message=f"{remote.address} holds what looks like a secret, at "
        f"{', '.join(hidden[:_MOST_NAMED])}{more}",
        hint="let its manifest name a Secret of Kubernetes instead; or write its spec by hand, "
        "then: reconciler state adopt ADDRESS --id ID",
    )


def _without_name(remote: Remote, names: Sequence[str], folder: str) -> NotAdopted:
    return NotAdopted(
        id=remote.id,
        address=remote.address,
        why=NotAdoptedReason.FILE_EXISTS,
        message=f"{remote.address}: {' and '.join(names)} are there already, below {folder}",
        hint="choose another folder for --into",
    )
