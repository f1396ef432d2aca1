"""One page of the plans of several folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.planning.guards import Refusal
from reconciler.errors import ReconcilerError
from reconciler.report.html.components import PageMood, verdict
from reconciler.report.html.document import document
from reconciler.report.html.markup import Html, complete, fragment, lines, tag
from reconciler.report.html.pages import PageContent, footer
from reconciler.report.html.planned import diagnostics_section, refusals_section
from reconciler.report.text.formatting import number_of
from reconciler.values import dataclass

_WORST_FIRST = (PageMood.BAD, PageMood.ATTENTION, PageMood.GOOD)


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderPart:
    """What a page says of one folder: `markup` is all of it, with this `id`."""

    id: str
    folder: str
    content: PageContent
    markup: Html


def folder_part(
    number: int,
    folder: str,
    content: PageContent,
    completed: Callable[[str, Callable[[str], str]], str],
) -> FolderPart:
    """The part of a folder; `completed` adds to its commands what they are about."""
    id_ = f"folder-{number}"
    # Each plan has sections of the same names, and an id is only one element's.
    sections = [replace(section, id=f"{id_}-{section.id}") for section in content.sections]
    inner = [
        tag("p", tag("code", folder), class_="path", id=id_),
        content.verdict("h2"),
        content.about,
        *(section.render() for section in sections),
    ]
    markup = tag("section", lines(inner), class_="folder", aria_labelledby=id_)
    return FolderPart(id=id_, folder=folder, content=content, markup=complete(markup, completed))


def failure_content(
    error: ReconcilerError,
    *,
    refusals: Sequence[Refusal] = (),
    diagnostics: Sequence[Diagnostic] = (),
    prefix: str = "",
) -> PageContent:
    """What a page says of a folder for which there is no plan."""
    return PageContent(
        mood=PageMood.BAD,
        title="No plan",
        sentence=f"{error.where}: {error.message}" if error.where else error.message,
        why=[error.hint] if error.hint else [],
        about=fragment(),
        sections=[*refusals_section(refusals), *diagnostics_section(diagnostics, prefix)],
    )


def plans_page(parts: Sequence[FolderPart], moment: str) -> str:
    """The plans of several folders, behind the worst verdict and a link to each."""
    worst = min((part.content.mood for part in parts), key=_WORST_FIRST.index)
    titles = sorted({part.content.title for part in parts if part.content.mood is worst})
    count = sum(part.content.mood is worst for part in parts)
    title = f"Plans of {number_of(len(parts), 'folder')}"
    sentence = f"{count} of {len(parts)}: {', '.join(titles)}."
    links = (
        tag("li", tag("a", part.folder, href=f"#{part.id}"), f": {part.content.title}")
        for part in parts
    )
    top = verdict(worst, title=title, sentence=sentence, why=())
    index = tag("nav", tag("ul", *links), aria_label="Folders")
    main = tag("main", lines([top, index, *(part.markup for part in parts)]))
    return document(title, main, footer(moment))
