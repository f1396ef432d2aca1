"""What the names of projects mean on a server."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from reconciler.values import dataclass

if TYPE_CHECKING:
    from reconciler.core.projects.names import ProjectName
    from reconciler.core.protocol.live import ServerCluster, ServerProject

UNKNOWN = "unknown-project"
AMBIGUOUS = "ambiguous-project"
UNRESOLVED = "unresolved-project"


@dataclass(frozen=True, slots=True, kw_only=True)
class NameProblem:
    """Why a name means no project, under the code of its diagnostic."""

    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What names mean, each written as `NAME` or `NAME@CLUSTER`.

    `ids` are the ids of those that are resolved, `problems` say why others are not. `renamed` are
    names that the server does not know any more, each with what its project is called now.
    """

    ids: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, NameProblem] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)


def resolve_names(
    names: Iterable[ProjectName],
    projects: Sequence[ServerProject],
    clusters: Sequence[ServerCluster],
    *,
    pins: Mapping[str, str],
    aliases: Collection[str] = (),
) -> Resolution:
    """Find each name among all projects of a server.

    A name that nobody has any more still means the project that `pins` has for it, if that was only
    renamed. `aliases` are the names that would not have needed a server.
    """
    by_name: dict[str, list[ServerProject]] = {}
    for project in projects:
        by_name.setdefault(project.name, []).append(project)
    by_id = {project.id: project for project in projects}
    cluster_names = {cluster.id: cluster.name for cluster in clusters}
    ids, renamed = dict[str, str](), dict[str, str]()
    problems = dict[str, NameProblem]()
    for name in names:
        key, namesakes = str(name), by_name.get(name.name, [])
        chosen = [
            project
            for project in namesakes
            if not name.cluster
            or name.cluster in (project.cluster_id, cluster_names.get(project.cluster_id or ""))
        ]
        if len(chosen) == 1:
            ids[key] = chosen[0].id
        elif chosen:
            problems[key] = _say_ambiguous(name, chosen, cluster_names)
        elif not namesakes and (pinned := by_id.get(pins.get(key, ""))) is not None:
            ids[key], renamed[key] = pinned.id, pinned.name
        elif namesakes:
            problems[key] = _say_elsewhere(name, namesakes, cluster_names)
        else:
            problems[key] = _say_unknown(name, {*by_name, *aliases}, pins.get(key))
    return Resolution(ids=ids, problems=problems, renamed=renamed)


def leave_unresolved(
    names: Iterable[ProjectName], reason: str, *, pins: Mapping[str, str]
) -> Resolution:
    """What can be said of names where nobody may look: how to do without the server."""
    problems: dict[str, NameProblem] = {}
    for name in names:
        pinned = pins.get(str(name))
        hint = f"add it under 'projects' in reconciler.yaml: {{{name.name}: \"<projectId>\"}}"
        if pinned is not None:
            hint = (
                f"at the last apply it was {pinned}; if it still is, add it under 'projects' in "
                f'reconciler.yaml: {{{name.name}: "{pinned}"}}'
            )
        problems[str(name)] = NameProblem(
            code=UNRESOLVED,
            message=f"the project '{name}' cannot be looked up: {reason}",
            hint=hint,
        )
    return Resolution(problems=problems)


def _say_ambiguous(
    name: ProjectName, chosen: Sequence[ServerProject], cluster_names: Mapping[str, str]
) -> NameProblem:
    labels = [_cluster_label(project, cluster_names) for project in chosen]
    listed = ", ".join(
        f"{project.id} on cluster {label}" for project, label in zip(chosen, labels, strict=True)
    )
    is_enough = len(set(labels)) == len(labels) and not name.cluster
    return NameProblem(
        code=AMBIGUOUS,
        message=f"{len(chosen)} projects are called '{name}': {listed}",
        hint=f"say which one is meant: cluster: {labels[0]}"
        if is_enough
        else f'say which one is meant: projectId: "{chosen[0].id}"',
    )


def _say_elsewhere(
    name: ProjectName, namesakes: Sequence[ServerProject], cluster_names: Mapping[str, str]
) -> NameProblem:
    labels = sorted({_cluster_label(project, cluster_names) for project in namesakes})
    # Without the names of the clusters nobody can tell whether this is one of them.
    unnamed = "" if cluster_names else "; the server does not tell the names of its clusters"
    return NameProblem(
        code=UNKNOWN,
        message=f"no project is called '{name.name}' on cluster '{name.cluster}'; "
        f"there is one on {', '.join(labels)}{unnamed}",
        hint=f"write cluster: {labels[0]}, or the id of the project",
    )


def _say_unknown(name: ProjectName, known: Collection[str], pinned: str | None) -> NameProblem:
    # Only here: most names are known.
    from difflib import get_close_matches

    close = get_close_matches(name.name, sorted(known), n=1)
    gone = (
        f"; it was {pinned}, which the server does not show any more" if pinned is not None else ""
    )
    return NameProblem(
        code=UNKNOWN,
        message=f"no project is called '{name.name}', here or on the server{gone}",
        hint=f"did you mean '{close[0]}'?"
        if close
        else "check the name, and that this login may see the project",
    )


def _cluster_label(project: ServerProject, cluster_names: Mapping[str, str]) -> str:
    return cluster_names.get(project.cluster_id or "", project.cluster_id or "without a name")
