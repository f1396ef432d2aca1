"""The example of every diagnostic code, for the page about them: the very cases of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler.report.text.text import Text
from tests.support import cases, kubernetes_cases, workload_cases
from tests.support.specs import Case, load

LONGEST_FILE = 1500
LONGEST_LINE = 160
# No files alone lead to these.
_IN_A_PLAN = "Only a server says it, to `plan` and `apply`, and to `validate --server`."
SAID_BY_SERVER = {
    "refused-by-server": "Only a server says it, to `reconciler validate --server`.",
    "ambiguous-project": _IN_A_PLAN,
    "unresolved-project": _IN_A_PLAN,
    "renamed-project": _IN_A_PLAN,
    "project-being-deleted": "Only a server says it, to `plan` and `apply`.",
    "project-not-ready": "Only a server says it, to `plan` and `apply`.",
    "other-namespace": "Only a server says it, to `plan` and `apply`.",
}


@cache
def example(code: str) -> str:
    """Show what gives a code, and what is said of it, as Markdown."""
    if code in SAID_BY_SERVER:
        return SAID_BY_SERVER[code]
    case = {**cases.CASES, **kubernetes_cases.CASES, **workload_cases.CASES}[code]
    return "\n".join((*_show_files(case), "```", *_said(case), "```"))


def _show_files(case: Case) -> Iterator[str]:
    if case.arranged:
        yield from (case.arranged, "")
    for name, content in case.files.items():
        if isinstance(content, bytes) or not _is_legible(content):
            yield from (f"`{name}` is not shown: it is too large, or not made for reading.", "")
            continue
        kind = "json" if name.endswith(".json") else "yaml" if ".yaml" in name else ""
        yield from (f"`{name}`:", "", f"```{kind}", content.rstrip("\n"), "```", "")


def _is_legible(content: str) -> bool:
    return (
        len(content) <= LONGEST_FILE and content.replace("\n", "").replace("\t", "").isprintable()
    )


def _said(case: Case) -> Iterator[str]:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        case.arrange(root)
        found = load(root, case.files).diagnostics
    for line in Text().diagnostics(found).split("\n"):
        yield line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE // 2]}…{line[-60:]}"
