"""Specs that give their projects by name, against a server that has projects."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.app.planning.planning import PlanRequest
from reconciler.app.refused import GuardError
from reconciler.app.repositories import InvalidSpecsError
from reconciler.app.status.choosing import StatusRequest
from reconciler.app.status.workload_status import read_statuses
from reconciler.core.planning.case import PlanOptions
from reconciler.core.planning.selection import Selection
from reconciler.errors import StalePlanError, UsageError
from reconciler.sandbox.settings import Project
from tests.app.teams import EAST, LIST, ML, WEST, Team, spec
from tests.support.specs import tell


def refused(error: pytest.ExceptionInfo[InvalidSpecsError]) -> list[str]:
    """What was said of the specs."""
    assert error.value.exit_code == 3
    return [tell(found) for found in error.value.diagnostics]


def test_a_name_is_looked_up_and_pinned(tmp_path: Path) -> None:
    """The server's id goes into address, body, plan and state; a second run asks the list once."""
    team = Team(tmp_path)
    team.write(chat_yaml=spec())
    planned = team.plan()
    assert [str(action.address) for action in planned.plan.changes] == ["4501/chat"]
    assert planned.plan.target.to_json()["projects"] == {"ml": "4501"}
    assert team.apply().exit_code == 0
    assert (team.live(), team.pins()) == (["4501/chat"], {"ml": "4501"})
    before = len(team.asked())
    assert not team.plan().plan.has_changes
    assert team.asked()[before:] == [LIST]


def test_only_ids_ask_for_nothing(tmp_path: Path) -> None:
    """A run that nothing grows in, and whose specs have ids, does not list projects."""
    team = Team(tmp_path)
    team.write(chat_yaml=spec(metadata='projectId: "4501"'))
    assert team.apply().exit_code == 0
    before = len(team.asked())
    assert team.apply().exit_code == 0
    assert (team.asked()[before:], team.pins()) == ([], {})


def test_from_an_id_to_its_name_nothing_changes(tmp_path: Path) -> None:
    """The name, the alias and the id of one project are the same spec; names are only pinned."""
    team = Team(tmp_path)
    pinned = []
    for metadata in ('projectId: "4501"', "project: ml", "project: tea"):
        team.write(chat_yaml=spec(metadata=metadata), reconciler_yaml='projects: {tea: "4501"}\n')
        applied = team.apply()
        assert applied.exit_code == 0
        pinned.append(team.pins())
    assert [effect for effect in team.world.changes() if effect] == ["created chat"]
    # A name that no spec has any more stays known while something is recorded there.
    assert pinned == [{}, {"ml": "4501"}, {"ml": "4501", "tea": "4501"}]


def test_a_project_that_was_made_again_is_another_one(tmp_path: Path) -> None:
    """Exit 5 with the way out, and nothing is created or deleted; accepted, it moves."""
    team = Team(tmp_path)
    team.write(chat_yaml=spec(), batch_yaml=spec("batch"))
    assert team.apply().exit_code == 0
    team.world.sandbox.store.remake_project("4501", "4502")
    changes = team.world.changes()
    for command in (team.plan, team.apply):
        with pytest.raises(GuardError) as error:
            command()
        [refusal] = error.value.refusals
        assert (error.value.exit_code, refusal.guard) == (5, "another-project")
        assert refusal.message == (
            "the project 'ml' was 4501 and is 4502 now: 2 workloads are recorded in 4501, and all "
            "of its specs would be created in 4502"
        )
        assert refusal.hint.startswith("if 4502 is meant, add --accept-project ml=4502; if 4501")
    assert (team.world.changes(), team.live(), team.pins()) == (changes, [], {"ml": "4501"})

    applied = team.apply(ml="4502")
    assert applied.exit_code == 0
    assert (team.live(), team.pins()) == (["4502/batch", "4502/chat"], {"ml": "4502"})
    assert not team.plan().plan.has_changes


@pytest.mark.parametrize("part", [{"targets": ("4502/chat",)}, {"excludes": ("*/batch",)}])
def test_a_project_is_not_accepted_for_a_part_of_its_workloads(
    tmp_path: Path, part: dict[str, Any]
) -> None:
    """The rest would stay where no name leads any more."""
    team = Team(tmp_path)
    team.write(chat_yaml=spec(), batch_yaml=spec("batch"))
    team.apply()
    team.world.sandbox.store.remake_project("4501", "4502")
    with pytest.raises(UsageError, match="--accept-project is about every workload"):
        team.apply(PlanRequest(selection=Selection(**part)), ml="4502")
    assert (team.live(), team.pins()) == ([], {"ml": "4501"})


def test_a_kill_between_leaves_the_pin_with_the_first_intent(tmp_path: Path) -> None:
    """Nothing is in the new project that the state does not know by its name."""
    team = Team(tmp_path)
    team.write(chat_yaml=spec())
    team.apply()
    team.world.sandbox.store.remake_project("4501", "4502")
    pinned: list[dict[str, str]] = []

    def look(request: httpx.Request) -> None:
        if request.method == "POST" and request.url.path == "/api/v2/workloads":
            pinned.append(team.pins())

    team.world.on_request = look
    team.apply(ml="4502")
    assert pinned == [{"ml": "4502"}]


def test_an_alias_that_means_another_project_is_refused(tmp_path: Path) -> None:
    """A line of reconciler.yaml would otherwise move a fleet; accepted, the limits still count."""
    team = Team(tmp_path, projects=(ML, Project(id="4502", name="vision")))
    team.write(reconciler_yaml='projects: {tea: "4501"}\n')
    team.write(**{f"w{n}_yaml": spec(f"w{n}", "project: tea") for n in range(4)})
    assert team.apply().exit_code == 0
    team.write(reconciler_yaml='projects: {tea: "4502"}\n')
    for accepted, guard, told in (
        ({}, "another-project", "the project 'tea' was 4501 and is 4502 now: 4 work"),
        (
            {"tea": "4503"},
            "another-project",
            "--accept-project tea=4503: the project 'tea'",
        ),
        (
            {"ml": "4502"},
            "another-project",
            "--accept-project ml=4502: no spec names a pro",
        ),
        ({"tea": "4502"}, "mass-delete", "would delete or replace 4 of 4 workloads in total"),
    ):
        with pytest.raises(GuardError) as error:
            team.apply(None, **accepted)
        refusal = error.value.refusals[0]
        assert refusal.guard == guard
        assert refusal.message.startswith(told)
    assert team.pins() == {"tea": "4501"}
    assert team.apply(PlanRequest(allow_deletes=4), tea="4502").exit_code == 0
    assert (team.live(), team.pins()) == ([f"4502/w{n}" for n in range(4)], {"tea": "4502"})


def test_a_project_that_was_only_renamed_stays(tmp_path: Path) -> None:
    """A warning at the line until the spec says the new name, which is pinned without a word."""
    team = Team(tmp_path)
    team.write(chat_yaml=spec())
    team.apply()
    team.world.sandbox.store.projects.put(Project(id="4501", name="ml2"))
    planned = team.plan()
    assert not planned.plan.changes
    assert [tell(found) for found in planned.plan.diagnostics] == [
        (
            "chat.yaml:1:33-1:35 warning renamed-project: the project 'ml' is called 'ml2' now"
            " | write project: ml2"
        )
    ]
    team.write(chat_yaml=spec(metadata="project: ml2"))
    assert team.apply().planned.plan.diagnostics == ()
    assert team.pins() == {"ml": "4501", "ml2": "4501"}


TWO = (
    Project(id="4501", name="ml", cluster_id=EAST.id),
    Project(id="4502", name="ml", cluster_id=WEST.id),
)


@pytest.mark.parametrize(
    ("metadata", "project"),
    [
        ("project: ml, cluster: west", "4502"),
        (f"project: ml, cluster: {EAST.id}", "4501"),
        ('projectId: "4502"', "4502"),
    ],
)
def test_two_projects_of_one_name(tmp_path: Path, metadata: str, project: str) -> None:
    """The name or the id of the cluster tells them apart, and is not sent to the server."""
    team = Team(tmp_path, projects=TWO, clusters=(EAST, WEST))
    team.write(chat_yaml=spec(metadata=metadata))
    assert team.apply().exit_code == 0
    assert team.live() == [f"{project}/chat"]


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        (
            "project: ml",
            (
                "chat.yaml:1:33-1:35 error ambiguous-project: 2 projects are called 'ml': 4501 on "
                "cluster east, 4502 on cluster west | say which one is meant: cluster: east"
            ),
        ),
        (
            "project: ml, cluster: north",
            (
                "chat.yaml:1:33-1:35 error unknown-project: no project is called 'ml' on cluster "
                "'north'; there is one on east, west | write cluster: east, or the id of the "
                "project"
            ),
        ),
        (
            "project: mll",
            (
                "chat.yaml:1:33-1:36 error unknown-project: no project is called 'mll', here or on "
                "the server | did you mean 'ml'?"
            ),
        ),
        (
            "project: vision",
            (
                "chat.yaml:1:33-1:39 error unknown-project: no project is called 'vision', here or "
                "on the server | check the name, and that this login may see the project"
            ),
        ),
    ],
)
def test_a_name_that_means_no_project(tmp_path: Path, metadata: str, told: str) -> None:
    """An error at its line, before anything is sent."""
    team = Team(tmp_path, projects=TWO, clusters=(EAST, WEST))
    team.write(chat_yaml=spec(metadata=metadata))
    for command in (team.plan, team.apply):
        with pytest.raises(InvalidSpecsError) as error:
            command()
        assert refused(error) == [told]
    assert team.world.ledger() == []


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("403 at=projects", "injected by a fault rule"),
        ("404 at=projects", "injected by a fault rule"),
        ("", "discovery is off"),
    ],
)
def test_where_nobody_may_look_nothing_is_guessed(tmp_path: Path, fault: str, why: str) -> None:
    """A name is then an error with a way out, which names the id of the last apply."""
    team = Team(tmp_path)
    team.write(chat_yaml=spec(), reconciler_yaml="")
    assert team.apply().exit_code == 0
    if fault:
        team.world.sandbox.set_faults(fault)
    else:
        team.write(reconciler_yaml="discovery: off\n")
    with pytest.raises(InvalidSpecsError) as error:
        team.apply()
    [told] = refused(error)
    place, _, rest = told.partition(": ")
    assert place == "chat.yaml:1:33-1:35 error unresolved-project"
    assert rest.startswith(f"the project 'ml' cannot be looked up: {why}")
    assert rest.endswith(
        "| at the last apply it was 4501; if it still is, add it under 'projects' in "
        'reconciler.yaml: {ml: "4501"}'
    )
    team.write(reconciler_yaml='discovery: off\nprojects: {ml: "4501"}\n')
    assert team.apply().exit_code == 0


def test_no_refresh_trusts_the_state(tmp_path: Path) -> None:
    """What it knows of a name is used, and nothing is asked; a name that it lacks is an error."""
    team = Team(tmp_path)
    team.write(chat_yaml=spec())
    team.apply()
    request = PlanRequest(options=PlanOptions(refreshed=False))
    before = len(team.asked())
    assert not team.plan(request).plan.changes
    team.write(other_yaml=spec("other", "project: vision"))
    with pytest.raises(InvalidSpecsError) as error:
        team.plan(request)
    [told] = refused(error)
    assert "cannot be looked up: --no-refresh asks the server nothing" in told
    assert team.asked()[before:] == []


def test_what_a_project_is_decides_about_its_specs(tmp_path: Path) -> None:
    """One that is being deleted is an error, one that is not ready a warning, at their lines."""
    team = Team(tmp_path)
    team.write(
        chat_yaml=spec(manifest=", metadata: {namespace: other}"),
        ready_yaml=spec("ready", 'projectId: "4501"'),
    )
    put = team.world.sandbox.store.projects.put
    put(dataclasses.replace(ML, phase="NotReady"))
    namespace = (
        "chat.yaml:2:61-2:66 warning other-namespace: the manifest names the namespace 'other', "
        "and that of project 4501 (ml) is 'runai-ml' | remove it: the project decides"
    )
    unready = "project 4501 (ml) is not ready: the server says NotReady"
    assert [tell(found) for found in team.plan().plan.diagnostics] == [
        (
            f"chat.yaml:1:33-1:35 warning project-not-ready: {unready}"
            " | what is created there may wait until it is"
        ),
        namespace,
        (
            f"ready.yaml:1:36-1:42 warning project-not-ready: {unready}"
            " | what is created there may wait until it is"
        ),
    ]
    put(dataclasses.replace(ML, phase="Deleting"))
    with pytest.raises(InvalidSpecsError) as error:
        team.apply()
    assert [line.partition(" | ")[0] for line in refused(error)] == [
        "chat.yaml:1:33-1:35 error project-being-deleted: project 4501 (ml) is being deleted",
        namespace.partition(" | ")[0],
        "ready.yaml:1:36-1:42 error project-being-deleted: project 4501 (ml) is being deleted",
    ]
    assert team.live() == []


def test_a_saved_plan_is_bound_to_what_its_names_meant(tmp_path: Path) -> None:
    """Made again since, it is stale (7); what was accepted in the plan is so in its apply."""
    team = Team(tmp_path)
    team.write(chat_yaml=spec())
    team.apply()
    team.write(more_yaml=spec("more"))
    team.save()
    team.world.sandbox.store.remake_project("4501", "4502")
    with pytest.raises(StalePlanError) as stale:
        team.apply_saved()
    assert (stale.value.exit_code, stale.value.message) == (
        7,
        "in this plan the project 'ml' is 4501, and it is 4502 now",
    )
    team.save(ml="4502")
    assert team.apply_saved().exit_code == 0
    assert (team.live(), team.pins()) == (["4502/chat", "4502/more"], {"ml": "4502"})


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (Selection(targets=("ml/chat",)), ["4501/chat"]),
        (Selection(targets=("tea/*",)), ["4501/batch", "4501/chat"]),
        (Selection(targets=("v*/chat",)), ["4502/chat"]),
        (Selection(targets=("batch",)), ["4501/batch"]),
        (Selection(project="vision"), ["4502/chat"]),
        (Selection(project="4502"), ["4502/chat"]),
        (Selection(excludes=("ml/chat", "vision/chat")), ["4501/batch"]),
    ],
)
def test_a_plan_takes_names_where_it_takes_addresses(
    tmp_path: Path, selection: Selection, chosen: list[str]
) -> None:
    """Names of the server, aliases, globs on both, and the name of a workload if it is unique."""
    team = Team(tmp_path, projects=(ML, Project(id="4502", name="vision")))
    team.write(
        reconciler_yaml='projects: {tea: "4501"}\n',
        a_yaml=spec("chat"),
        b_yaml=spec("batch", "project: tea"),
        c_yaml=spec("chat", 'projectId: "4502"'),
    )
    planned = team.plan(PlanRequest(selection=selection))
    assert [str(action.address) for action in planned.plan.changes] == chosen


def test_the_name_of_several_workloads_is_a_question(tmp_path: Path) -> None:
    """Wrong usage, with the candidates."""
    team = Team(tmp_path, projects=(ML, Project(id="4502", name="vision")))
    team.write(a_yaml=spec("chat"), c_yaml=spec("chat", "project: vision"))
    with pytest.raises(UsageError) as error:
        team.plan(PlanRequest(selection=Selection(targets=("chat",))))
    assert error.value.message == "2 workloads are called 'chat': 4501/chat, 4502/chat"


def test_two_spellings_of_one_workload_are_two_specs_of_it(tmp_path: Path) -> None:
    """Only once the name is resolved: until then nobody can know."""
    team = Team(tmp_path)
    team.write(a_yaml=spec(), b_yaml=spec(metadata='projectId: "4501"'))
    assert not team.workspace.diagnostics
    with pytest.raises(InvalidSpecsError) as error:
        team.plan()
    assert refused(error) == [
        (
            "b.yaml:1:18-1:22 error duplicate-address: 4501/chat is already declared at a.yaml:1:18"
            " | remove one of them, or give it another name"
        )
    ]


def test_limits_know_projects_by_name(tmp_path: Path) -> None:
    """A budget of GPUs and the allowed projects hold for a name as they do for its id."""
    team = Team(tmp_path, projects=(ML, Project(id="4502", name="vision")))
    team.write(
        reconciler_yaml="limits: {allowed_projects: [ml], gpus: {vision: 1}}\n",
        a_yaml=spec(),
        b_yaml=spec("seer", "project: vision"),
    )
    with pytest.raises(GuardError) as error:
        team.apply()
    assert error.value.refusals[0].message == (
        "the plan changes project 4502, which limits.allowed_projects leaves out"
    )
    team.write(b_yaml=spec("seer", "project: vision").replace("nginx", _GPUS))
    with pytest.raises(InvalidSpecsError) as invalid:
        team.plan()
    assert [line.split(": ")[1] for line in refused(invalid)] == [
        "project 4502 asks for 2 GPUs; its limit is 1 | largest requests"
    ]


_GPUS = 'nginx, resources: {limits: {"nvidia.com/gpu": 2}}'


@pytest.mark.parametrize(
    ("metadata", "project"),
    [("project: ml", "4502"), ('projectId: "4501"', "4501"), ("project: tea", "4501")],
)
def test_a_folder_has_its_cluster_from_its_defaults(
    tmp_path: Path, metadata: str, project: str
) -> None:
    """It decides about names of the server; an id and an alias need none."""
    team = Team(tmp_path, projects=TWO, clusters=(EAST, WEST))
    team.write(
        reconciler_yaml='projects: {tea: "4501"}\n',
        _defaults_yaml="metadata: {cluster: west}\n",
        chat_yaml=spec(metadata=metadata),
    )
    assert [str(action.address) for action in team.plan().plan.changes] == [f"{project}/chat"]


def test_a_cluster_beside_an_id_is_a_mistake(tmp_path: Path) -> None:
    """In one and the same file: the id says it already."""
    team = Team(tmp_path)
    team.write(chat_yaml=spec(metadata='projectId: "4501", cluster: west'))
    assert [tell(found) for found in team.workspace.diagnostics] == [
        (
            "chat.yaml:1:43-1:50 error unusable-field: the id of a project already says on which "
            "cluster it is | remove it; it is for a project that is given by its name"
        )
    ]


def test_a_policy_judges_by_the_project_that_a_name_turns_out_to_be(tmp_path: Path) -> None:
    """Offline it judges what does not depend on that; with the id all of it."""
    team = Team(tmp_path)
    team.write(
        reconciler_yaml="policies: [rule.schema.json]\n",
        chat_yaml=spec(),
        **{"rule.schema.json": '{"x-projects": ["4501"], "required": ["lifecycle"]}'},
    )
    assert team.workspace.diagnostics == ()
    with pytest.raises(InvalidSpecsError) as error:
        team.plan()
    assert [" error policy: " in line for line in refused(error)] == [True]


def test_a_destroy_goes_by_recorded_ids(tmp_path: Path) -> None:
    """A name that means nothing any more stops nobody from clearing up."""
    team = Team(tmp_path)
    team.write(chat_yaml=spec(), batch_yaml=spec("batch"))
    team.apply()
    team.world.sandbox.store.projects.put(Project(id="4501", name="other"))
    destroying = PlanOptions(destroying=True)
    request = PlanRequest(options=destroying, selection=Selection(targets=("ml/chat",)))
    assert team.apply(request).exit_code == 0
    assert (team.live(), team.pins()) == (["4501/batch"], {"ml": "4501"})
    with pytest.raises(UsageError, match="--accept-project is for plan and apply"):
        team.apply(PlanRequest(options=destroying), ml="4501")


def test_status_says_that_a_project_was_made_again(tmp_path: Path) -> None:
    """Nothing can be read under its old id: the reason is the one of a plan, and no URL."""
    team = Team(tmp_path)
    team.write(chat_yaml=spec())
    team.apply()
    team.world.sandbox.store.remake_project("4501", "4502")
    with pytest.raises(GuardError) as planned:
        team.plan()
    settings = team.workspace.settings
    with pytest.raises(GuardError) as looked:
        team.run(
            lambda connector: read_statuses(
                settings, StatusRequest(), connector=connector, say=lambda _: None
            )
        )
    assert looked.value.refusals == planned.value.refusals
    assert "add --accept-project ml=4502" in looked.value.refusals[0].hint


def test_a_project_that_is_given_by_its_id_is_looked_at_before_a_create(tmp_path: Path) -> None:
    """One list call where something is created; a list that is refused is no reason against it."""
    team = Team(tmp_path)
    team.write(chat_yaml=spec(metadata='projectId: "4501"'))
    team.world.sandbox.store.projects.put(dataclasses.replace(ML, phase="Deleting"))
    with pytest.raises(InvalidSpecsError) as error:
        team.plan()
    assert [line.partition(" | ")[0] for line in refused(error)] == [
        "chat.yaml:1:35-1:41 error project-being-deleted: project 4501 (ml) is being deleted"
    ]
    assert team.asked() == [LIST]


def test_a_refused_list_of_projects_checks_nothing(tmp_path: Path) -> None:
    """Whoever may not list projects creates all the same."""
    team = Team(tmp_path, "403 at=projects")
    team.write(chat_yaml=spec(metadata='projectId: "4501"'))
    planned = team.plan()
    assert [action.kind for action in planned.plan.changes] == ["create"]
    assert planned.plan.diagnostics == ()
    assert team.asked() == [LIST]
