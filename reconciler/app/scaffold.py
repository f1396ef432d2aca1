"""What a new repository starts with: a configuration, one spec, a pipeline for its CI system."""

from __future__ import annotations

import enum
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata, resources
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from reconciler.errors import InvalidInputError
from reconciler.regularfiles import read_regular
from reconciler.resources import schema_text
from reconciler.specs.config import load_config
from reconciler.specs.discovery.files import CONFIG_FILE
from reconciler.specs.discovery.git import checkout_top, name_in_checkout
from reconciler.state.filenames import GITIGNORE
from reconciler.values import dataclass

DISTRIBUTION = "workload-reconciler"
GITHUB_FILE = ".github/workflows/workloads.yml"
# Hidden, as every file beside specs that is none.
GITLAB_FILE = ".gitlab/reconciler.gitlab-ci.yml"
GITLAB_ENTRY = ".gitlab-ci.yml"
INCLUDE = f"include:\n  - local: {GITLAB_FILE}\n"

_COMMIT = re.compile(r"[0-9a-f]{40}")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
# What one or the other version of YAML takes for something else than text.
_NO_TEXT = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


class Ci(enum.StrEnum):
    """The system that a repository's pipelines are for."""

    GITHUB = "github"
    GITLAB = "gitlab"
    NONE = "none"


# The pipelines that have a line for each stack, by the names under which they are to be copied.
_MATRICES: Mapping[Ci, tuple[str, ...]] = {
    Ci.GITHUB: (
        GITHUB_FILE,
        ".github/workflows/workloads-apply.yml",
        ".github/workflows/workloads-nightly.yml",
        ".github/workflows/workloads-plan.yml",
    ),
    Ci.GITLAB: (GITLAB_FILE,),
    Ci.NONE: (),
}
# What the name of a branch, a group or an artifact may not have everywhere.
_KEY_OTHER = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where this program was installed from: a git repository and a commit, empty where unknown."""

    url: str = ""
    commit: str = ""

    @classmethod
    def installed(cls) -> Source:
        """What the installer noted (PEP 610); an index or a folder is no repository to clone."""
        try:
            text = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
            origin = json.loads(text or "{}")
        except (metadata.PackageNotFoundError, ValueError):
            return cls()
        commit = str(origin.get("vcs_info", {}).get("commit_id", ""))
        is_fetchable = str(origin.get("url", "")).startswith("https://")
        is_commit = _COMMIT.fullmatch(commit)
        return cls(url=origin["url"], commit=commit) if is_commit and is_fetchable else cls()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaffold:
    """What was written, what was there already and was left alone, and what is left to be done.

    `extended` are the pipelines that were there, and are for this stack as well now.
    """

    stack: str
    written: tuple[Path, ...]
    extended: tuple[Path, ...]
    untouched: tuple[Path, ...]
    ci: Ci
    notes: tuple[str, ...]


def scaffold(folder: Path, *, ci: Ci | None = None, source: Source | None = None) -> Scaffold:
    """Write the first files of a repository into a folder; nothing that exists is touched.

    Except for the pipelines that were written for another folder: a line for this one is added.
    Without `ci` the system is the one that the repository around the folder is made for. Raises
    InvalidInputError when the folder cannot be written.
    """
    real = folder.resolve()
    # Where CI looks for its pipelines.
    top = checkout_top(real) or real
    system = detect_ci(top) if ci is None else ci
    source = Source.installed() if source is None else source
    config = folder / "reconciler.yaml"
    name = name_in_checkout(real) or "."
    stack = load_config(config).stack if config.exists() else None
    stack = stack or _stack_name(folder, real, name, top)
    files = {config: _template("reconciler.yaml", STACK=_yaml(stack))}
    if not config.exists():
        # Who has a configuration has specs, and would not want another workload to be made.
        files[folder / "hello.yaml"] = _template("hello.yaml")
        # Its first line names this file, so that an editor checks it while it is written.
        files[folder / ".schemas" / "spec.schema.json"] = schema_text("spec")
    files[folder / ".reconciler" / ".gitignore"] = GITIGNORE
    files |= {_near(top / file): text for file, text in _pipeline(system, name, stack, source)}
    written, extended, untouched = [], [], []
    try:
        for path, text in files.items():
            if path.exists():
                untouched.append(path)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            # Exclusively: what a link that leads nowhere names would be written to as well.
            with path.open("x", encoding="utf-8") as stream:
                stream.write(text)
            written.append(path)
        extended += [
            path
            for path in (_near(top / file) for file in _MATRICES[system])
            if path not in written and _add_to_matrix(path, system, stack, name)
        ]
        notes = tuple(_notes(top, system, source, written))
    except OSError as error:
        raise InvalidInputError(
            f"{error.filename or folder} cannot be written: {error.strerror or error}",
            hint="give a folder that this user may write to",
        ) from error
    return Scaffold(
        stack=stack,
        written=tuple(written),
        extended=tuple(extended),
        untouched=tuple(path for path in untouched if path not in extended),
        ci=system,
        notes=notes,
    )


def _stack_name(folder: Path, real: Path, name: str, top: Path) -> str:
    """A name for a new stack that no other stack of the repository has.

    It is made of the last two folders, since many teams call one of theirs `production`.
    """
    parts = Path(name).parts or ((real.name,) if folder.is_absolute() else folder.parts)
    parts = tuple(part for part in parts if part != "..") or (real.name,)
    others = (path for depth in range(1, 4) for path in top.glob("*/" * depth + CONFIG_FILE))
    taken = {load_config(path).stack for path in others if path.parent.resolve() != real}
    candidates = ("-".join(parts[-count:]) for count in range(min(2, len(parts)), len(parts) + 1))
    return next((stack for stack in candidates if stack not in taken), "-".join(parts))


def _matrix_line(ci: Ci, stack: str, folder: str) -> str:
    """What stands in the matrix of a pipeline for one stack."""
    key = _KEY_OTHER.sub("-", stack)
    match ci:
        case Ci.GITHUB:
            return f"- {{stack: {_yaml(key)}, directory: {_yaml(folder)}}}"
        case Ci.GITLAB:
            # GitLab expands variables in its own file, and `$$` is how it writes one dollar.
            name = _yaml(folder.replace("$", "$$"))
            return f"- {{STACK: {_yaml(key)}, DIRECTORY: {name}}}"
        case Ci.NONE:
            return ""


def _add_to_matrix(path: Path, ci: Ci, stack: str, folder: str) -> bool:
    """Add a line for a stack to each matrix of a pipeline; False where it is there, or none is."""
    try:
        text = _read(path)
    except OSError:
        return False
    line = _matrix_line(ci, stack, folder)
    entry = r" *- \{(?:stack|STACK): .*\}\n"
    runs = re.compile(rf"^(?P<indent> *)(?={entry})(?:{entry})+", re.MULTILINE)
    if line in text or not runs.search(text):
        return False
    path.write_text(runs.sub(lambda run: f"{run[0]}{run['indent']}{line}\n", text), "utf-8")
    return True


def detect_ci(top: Path) -> Ci:
    """The system of a repository: by the files that it has for one, else by where it is hosted."""
    systems = {
        ci
        for ci, name in ((Ci.GITHUB, ".github"), (Ci.GITLAB, GITLAB_ENTRY))
        if (top / name).exists()
    }
    if len(systems) == 1:
        return systems.pop()
    for url in _remotes(top):
        if "://" in url:
            host = (urlsplit(url).hostname or "").lower()
        else:
            # The short form of ssh: `git@host:path`.
            host = url.partition(":")[0].rpartition("@")[2].lower()
        for ci in (Ci.GITHUB, Ci.GITLAB):
            # A host of one's own usually has the name of the system in it: gitlab.example.com.
            if ci.value in host:
                return ci
    return Ci.GITHUB if systems else Ci.NONE


def _pipeline(ci: Ci, folder: str, stack: str, source: Source) -> Iterator[tuple[str, str]]:
    """The files of a pipeline for the specs in a folder of the repository."""
    values = {"SOURCE": json.dumps(source.url), "COMMIT": json.dumps(source.commit)}
    values["MATRIX"] = _matrix_line(ci, stack, folder)
    match ci:
        case Ci.GITHUB:
            # There `${{` begins an expression, and nothing can be put before it to take it back.
            if "${{" in folder:
                raise InvalidInputError(f"a workflow cannot name the folder {folder}")
            yield GITHUB_FILE, _template("github.yml", **values)
        case Ci.GITLAB:
            yield GITLAB_FILE, _template("gitlab.yml", **values)
            yield GITLAB_ENTRY, INCLUDE
        case Ci.NONE:
            return


def _notes(top: Path, ci: Ci, source: Source, written: Sequence[Path]) -> Iterator[str]:
    """What these files cannot know."""
    if ci is Ci.NONE:
        yield "No CI system was recognised, so no pipeline: --ci github or --ci gitlab writes one."
        return
    pipeline = _near(top / (GITHUB_FILE if ci is Ci.GITHUB else GITLAB_FILE))
    if pipeline in written:
        if not source.url:
            yield f"Fill in TOOL_SOURCE and TOOL_COMMIT in {pipeline}."
        yield f"What else the pipeline needs stands at the top of {pipeline}."
    entry = _near(top / GITLAB_ENTRY)
    if ci is Ci.GITLAB and GITLAB_FILE not in _read(entry):
        yield f"Add to {entry}: include: [{{local: {GITLAB_FILE}}}]"


def _near(path: Path) -> Path:
    """A path as one would type it here."""
    return Path(os.path.relpath(path))


def _template(name: str, **values: str) -> str:
    file = resources.files("reconciler.app") / "templates" / name
    text = file.read_text(encoding="utf-8")
    return re.sub(r"@([A-Z]+)@", lambda match: values[match[1]], text)


def _remotes(top: Path) -> list[str]:
    """The addresses of a repository's remotes; none where its configuration cannot be read."""
    git = top / ".git"
    try:
        if git.is_file():
            # A worktree and a submodule have a file instead, which says where the folder is.
            own = top / _read(git).removeprefix("gitdir:").strip()
            common = own / "commondir"
            git = own / _read(common).strip() if common.exists() else own
        text = _read(git / "config")
    except OSError:
        return []
    return re.findall(r"^\s*url\s*=\s*(\S+)", text, re.MULTILINE)


def _read(path: Path) -> str:
    return read_regular(path).decode("utf-8", "replace")


def _yaml(name: str) -> str:
    """A name as a YAML string, whatever characters it has."""
    name = name or "workloads"
    if name == "." or (_PLAIN.fullmatch(name) and name.lower() not in _NO_TEXT):
        return name
    return yaml.safe_dump(name, default_style='"', width=float("inf")).rstrip("\n")
