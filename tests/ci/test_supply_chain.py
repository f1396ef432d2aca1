"""What is built of is named by what it is, and what was tried is what is published."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ci.tools import ROOT
from tests.ci.workflows import OURS, jobs

RELEASE = jobs(ROOT / ".github" / "workflows" / "release.yml")
# They get a token with which something is published or signed.
PUBLISHING = {
    name
    for name, job in RELEASE.items()
    if "environment" in job or set(job["permissions"].values()) & {"write"}
}
_DIGEST = re.compile(r"\S+@sha256:[0-9a-f]{64}")
# Commands that run what stands in the repository, in an index, or in an artefact.
_RUNS = re.compile(
    r"\b(make|pip|python|bash|docker (build|buildx|run|load)|reconciler|wheel/bin)\b|\./"
)


def scripts(job: dict[str, Any]) -> str:
    """All that a job runs in shells."""
    return "\n".join(step.get("run", "") for step in job["steps"])


def test_base_images_are_named_by_their_digest() -> None:
    """A tag is another image tomorrow; a release is made from no other Dockerfile."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    stages = re.findall(r"^FROM \S+ AS (\S+)$", text, re.MULTILINE)
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    copied = re.findall(r"--from=(\S+)", text)
    assert bases
    assert [base for base in bases if not _DIGEST.fullmatch(base)] == []
    assert len(set(bases)) == 1, "what is built for one Python runs in the same"
    assert set(copied) <= set(stages)
    assert "# syntax=" not in text, "a frontend is an image as well"


def test_what_takes_part_in_the_build_of_the_image_is_named_by_its_digest() -> None:
    """The builder and the scanner run in the job that writes the image."""
    images = RELEASE["image-build"]["env"]
    assert set(images) == {"BUILDER", "SCANNER"}
    assert [image for image in images.values() if not _DIGEST.fullmatch(image)] == []
    build = scripts(RELEASE["image-build"])
    assert '--driver-opt "image=$BUILDER"' in build
    assert '"type=sbom,generator=$SCANNER"' in build


def test_each_artefact_is_built_once() -> None:
    """Of two builds one would be tried, and the other published."""
    text = "\n".join(scripts(job) for job in RELEASE.values())
    assert len(re.findall(r"-m build\b", text)) == 1
    assert len(re.findall(r"docker (?:buildx )?build\b", text)) == 1


def test_who_publishes_runs_nothing_of_the_repository_or_the_build() -> None:
    """A token that can publish is where no code of others is."""
    assert {"attest", "publish", "notes", "image"} == PUBLISHING
    for name in PUBLISHING:
        assert not _RUNS.search(scripts(RELEASE[name])), name
        uses = [step["uses"] for step in RELEASE[name]["steps"] if "uses" in step]
        assert not any(use.startswith("./") for use in uses)
        # The changelog is read, and nothing of it is run.
        assert any(use.startswith("actions/checkout@") for use in uses) == (name == "notes")


def test_what_was_tried_is_what_is_published() -> None:
    """Each job that has an artefact compares it with the sums of the job that built it."""
    for name, job in RELEASE.items():
        given = {
            step["with"]["name"]
            for step in job["steps"]
            if step.get("uses", "").startswith("actions/download-artifact@")
        }
        sums = {
            value
            for step in job["steps"]
            for value in step.get("env", {}).values()
            if re.fullmatch(r"\$\{\{ needs\.[\w-]+\.outputs\.(dist|sbom|sums) \}\}", value)
        }
        assert len(sums) == len(given), name
        assert scripts(job).count("sha256sum --strict --check") == len(given), name
    assert {"try", "build"} == set(RELEASE["attest"]["needs"])
    assert {"attest", "build"} == set(RELEASE["publish"]["needs"])
    assert {"image-build", "image-try"} <= set(RELEASE["image"]["needs"])


def test_a_release_needs_the_tests_and_an_owner() -> None:
    """Nothing is built of what fails them, or of what belongs to nobody."""
    assert RELEASE["build"]["needs"] == RELEASE["image-build"]["needs"] == "test"
    check, tests = [step["run"] for step in RELEASE["test"]["steps"] if "run" in step]
    assert "@OWNER/" in check
    assert tests == "make test PYTHON=python"
    owners = (ROOT / ".github" / "CODEOWNERS").read_text("utf-8")
    lines = [line.split() for line in owners.splitlines() if not line.startswith("#")]
    assert lines[0][0] == "*"
    assert all(len(line) >= 2 and line[1].startswith("@") for line in lines)
    assert [path for path, *_ in lines[1:] if not (ROOT / path.strip("/")).exists()] == []


@pytest.mark.parametrize("folder", ["requirements", "ci"])
def test_every_pin_is_watched(folder: str) -> None:
    """What is pinned is proposed anew, and looked up among the known weaknesses."""
    dependabot = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text("utf-8"))
    watched: dict[str, set[str]] = {}
    for update in dependabot["updates"]:
        places = update.get("directories") or [update["directory"]]
        watched.setdefault(update["package-ecosystem"], set()).update(places)
    assert watched == {
        "pip": {"/requirements", "/ci"},
        "github-actions": {"/", "/examples/ci/github"},
        "docker": {"/"},
    }
    audit = scripts(jobs(ROOT / ".github" / "workflows" / "advisories.yml")["pins"])
    patterns = re.findall(r"\S+\*\S+", audit)
    looked_up = {path for pattern in patterns for path in ROOT.glob(pattern.strip('";'))}
    pinned = set((ROOT / folder).glob("*.txt"))
    assert pinned
    assert pinned <= looked_up
    assert "--strict" in audit


@pytest.mark.parametrize("path", sorted((ROOT / "ci").glob("*.txt")), ids=lambda path: path.name)
def test_the_tools_of_the_pipelines_are_pinned_by_hash(path: Path) -> None:
    """As what the program itself depends on."""
    text = path.read_text("utf-8").replace("\\\n", "")
    pins = [line for line in text.splitlines() if line.strip()]
    assert pins
    assert [line for line in pins if not re.match(r"\S+==\S+ .*--hash=sha256:", line)] == []


def test_the_repository_is_scanned_with_least_rights() -> None:
    """Each job may read, and keep what it found; none may change the repository."""
    found = {
        f"{path.stem}/{name}": job["permissions"]
        for path in OURS
        if path.stem in {"advisories", "codeql", "scorecard"}
        for name, job in jobs(path).items()
    }
    reads, keeps = {"contents": "read"}, {"contents": "read", "security-events": "write"}
    assert found == {
        "advisories/changes": reads,
        "advisories/pins": reads,
        "codeql/analyze": keeps,
        "scorecard/measure": keeps,
    }
