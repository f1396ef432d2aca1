"""Names of projects and workloads where a command takes an address or a project."""

from __future__ import annotations

import dataclasses
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.app.importing.importing import ImportRequest, import_workloads
from reconciler.app.planning.explaining import explain_one
from reconciler.app.planning.planning import PlanRequest
from reconciler.app.planning.server_check import check_on_server
from reconciler.app.refused import GuardError
from reconciler.app.repositories import InvalidSpecsError
from reconciler.app.session import Connector
from reconciler.app.state.adopting import AdoptOptions, adopt, adopt_project
from reconciler.app.state.claiming import ResolveRequest
from reconciler.app.state.examining import AdoptionTerms
from reconciler.app.state.recovering import RecoverSearch, recover
from reconciler.app.state.state_edits import set_protections
from reconciler.app.status.choosing import StatusRequest
from reconciler.app.status.declared import DeclaredSpecs
from reconciler.app.status.unmanaged import ProjectSearch, search_idle, search_unmanaged
from reconciler.app.status.workload_status import read_statuses
from reconciler.core.planning.selection import Selection
from reconciler.core.running.search import LiveSearch
from reconciler.core.states.places import FilePlace
from reconciler.errors import UsageError
from reconciler.sandbox.settings import Project
from tests.app.teams import LIST, ML, Team, spec
from tests.support.specs import tell

VISION = Project(id="4502", name="vision")


Searching = Coroutine[Any, Any, LiveSearch]


@pytest.fixture
def team(tmp_path: Path) -> Team:
    """Two workloads of one name, each in a project: one by name, the other by its id."""
    team = Team(tmp_path, projects=(ML, VISION), api_version="3.0")
    team.write(
        reconciler_yaml='api_version: "3.0"\n',
        chat_yaml=spec(),
        batch_yaml=spec("batch"),
        other_yaml=spec("chat", 'projectId: "4502"'),
    )
    assert team.apply().exit_code == 0
    return team


def declared(team: Team) -> DeclaredSpecs:
    """What the repository declares, as `status` reads it."""
    workspace = team.workspace
    return DeclaredSpecs(
        stack="blue",
        desired=workspace.desired,
        projects=frozenset(spec.address.project for spec in workspace.desired),
        workspace=workspace,
    )


def looked(team: Team, *patterns: str) -> list[str]:
    """`reconciler status` of some patterns: the addresses that it shows."""
    request = StatusRequest(patterns=patterns, declared=declared(team))
    statuses = team.run(
        lambda connector: read_statuses(
            team.workspace.settings, request, connector=connector, say=lambda _: None
        )
    )
    return [str(status.row.address) for status in statuses]


@pytest.mark.parametrize(
    ("typed", "shown", "lists"),
    [
        ("ml/chat", ["4501/chat"], 0),
        ("batch", ["4501/batch"], 0),
        ("m*/*", ["4501/batch", "4501/chat"], 0),
        ("vision/chat", ["4502/chat"], 1),
        ("4502/chat", ["4502/chat"], 0),
    ],
)
def test_status_takes_names(team: Team, typed: str, shown: list[str], lists: int) -> None:
    """Pinned names ask for nothing; one that nobody here knows takes one list."""
    before = len(team.asked())
    assert looked(team, typed) == shown
    assert team.asked()[before:] == [LIST] * lists


def test_status_shows_what_was_never_created_under_its_id(team: Team) -> None:
    """Also where no apply has pinned the name yet; where it means nothing, that is said."""
    team.write(new_yaml=spec("new", "project: vision"))
    assert looked(team) == ["4501/batch", "4501/chat", "4502/chat", "4502/new"]
    team.write(new_yaml=spec("new", "project: nobody"))
    assert looked(team) == ["4501/batch", "4501/chat", "4502/chat", "@nobody/new"]


def test_a_name_that_several_have_is_a_question(team: Team) -> None:
    """With its candidates, wherever an address is asked for."""
    told = "2 workloads are called 'chat': 4501/chat, 4502/chat"
    settings = team.workspace.settings
    for ask in (
        lambda: looked(team, "chat"),
        lambda: set_protections(settings.state, ["chat"], protect=True, command="protect"),
        lambda: team.plan(PlanRequest(selection=Selection(excludes=("chat",)))),
        lambda: team.run(
            lambda connector: explain_one(
                team.workspace, PlanRequest(), "chat", connector=connector, say=lambda _: None
            )
        ),
    ):
        with pytest.raises(UsageError) as error:
            ask()
        assert error.value.message == told


def test_an_explanation_takes_names(team: Team) -> None:
    """`plan --explain vision/chat` knows the name from the list that resolved the specs."""
    explained = team.run(
        lambda connector: explain_one(
            team.workspace, PlanRequest(), "ml/chat", connector=connector, say=lambda _: None
        )
    )
    assert str(explained.explanation.address) == "4501/chat"


def test_the_state_knows_names_without_a_server(team: Team) -> None:
    """Its pins and the aliases of the configuration."""
    settings = team.workspace.settings
    before = len(team.world.entries())
    for typed in ("ml/chat", "vis/chat"):
        done = set_protections(
            settings.state,
            [typed],
            protect=True,
            command="protect",
            aliases={"vis": "4502"},
            dry_run=True,
        )
        assert [row.address.name for row in done.changed] == ["chat"]
    assert len(team.world.entries()) == before


def test_unmanaged_and_idle_take_names(team: Team) -> None:
    """And the projects that specs give by name are looked through under their ids."""
    settings = team.workspace.settings
    team.write(new_yaml=spec("new", "project: nobody"))
    team.world.sandbox.store.plant(
        {"metadata": {"name": "stray", "projectId": "4502"}, "manifest": _POD}
    )
    for search, projects in (
        (ProjectSearch(projects=["vision"]), ("4502",)),
        (ProjectSearch(declared=declared(team).projects), ("4501", "4502")),
    ):

        def unmanaged(connector: Connector, search: ProjectSearch = search) -> Searching:
            return search_unmanaged(settings, search, connector=connector, say=lambda _: None)

        def idle(connector: Connector, search: ProjectSearch = search) -> Searching:
            return search_idle(
                settings, search, timedelta(0), connector=connector, say=lambda _: None
            )

        found = team.run(unmanaged)
        assert found.projects == projects
        assert [str(one.listed.address) for one in found.unmanaged] == ["4502/stray"]
        assert team.run(idle).projects == projects
    assert found.unlisted == {
        "nobody": "no project is called 'nobody', here or on the server",
    }


_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "spec": {"containers": [{"name": "main", "image": "nginx"}]},
}


def test_adopt_recover_and_import_take_names(team: Team) -> None:
    """What a spec declares by name is declared: nothing is written for it a second time."""
    settings = team.workspace.settings
    stray = team.world.sandbox.store.plant(
        {"metadata": {"name": "stray", "projectId": "4501"}, "manifest": _POD}
    )
    team.write(stray_yaml=spec("stray"))
    options = AdoptOptions(command="adopt", agree=lambda _: False, workspace=team.workspace)
    seen: list[list[str]] = []

    def agree(proposal: object) -> bool:
        seen.append([str(each.address) for each in getattr(proposal, "adoptions", ())])
        return False

    options = dataclasses.replace(options, agree=agree, terms=AdoptionTerms())
    team.run(
        lambda connector: adopt(
            settings, options, "ml/stray", stray.id, connector=connector, say=lambda _: None
        )
    )
    team.run(
        lambda connector: adopt_project(
            settings, options, "ml", ("ml/s*",), connector=connector, say=lambda _: None
        )
    )
    team.run(
        lambda connector: import_workloads(
            team.workspace,
            options,
            ImportRequest(
                search=ProjectSearch(projects=["ml"]),
                root=team.root,
                folder=".",
                read=lambda _: team.workspace,
            ),
            connector=connector,
            say=lambda _: None,
        )
    )
    assert seen == [["4501/stray"], ["4501/stray"], ["4501/stray"]]
    recovered = team.run(
        lambda connector: recover(
            dataclasses.replace(settings, state=FilePlace(path=team.plan_file)),
            ResolveRequest(address="", command="recover", confirm=lambda _: True, dry_run=True),
            RecoverSearch(workspace=team.workspace, selection=Selection(targets=("vision/*",))),
            connector=connector,
            say=lambda _: None,
        )
    )
    assert [str(each.address) for each in recovered.rows] == ["4502/chat"]


def test_the_server_checks_specs_under_their_ids(team: Team) -> None:
    """`validate --server` resolves names, says which mean nothing, and refuses what has moved."""
    team.write(new_yaml=spec("new", "project: vision"))

    def check() -> list[str]:
        result = team.run(
            lambda connector: check_on_server(
                team.workspace.loaded,
                team.workspace.settings,
                connector=connector,
                say=lambda _: None,
            )
        )
        assert result.checked == (not result.loaded.diagnostics)
        return [tell(found) for found in result.loaded.diagnostics]

    assert check() == []
    team.write(new_yaml=spec("new", "project: visio"))
    assert check() == [
        (
            "new.yaml:1:32-1:37 error unknown-project: no project is called 'visio', here or on "
            "the server | did you mean 'vision'?"
        ),
    ]
    team.write(new_yaml=spec("new", "project: vision"))
    team.world.sandbox.store.remake_project("4501", "4503")
    with pytest.raises(GuardError) as error:
        check()
    assert error.value.refusals[0].guard == "another-project"


def test_a_plan_of_unknown_names_is_not_made(team: Team) -> None:
    """An explanation meets them like a plan."""
    team.write(new_yaml=spec("new", "project: nobody"))
    with pytest.raises(InvalidSpecsError):
        team.run(
            lambda connector: explain_one(
                team.workspace, PlanRequest(), "ml/chat", connector=connector, say=lambda _: None
            )
        )
