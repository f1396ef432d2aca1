"""HTML that is safe by construction: text cannot become markup, and nothing can be loaded or run.

Markup is a type of its own that only this folder makes. The elements and attributes that exist
are listed here: none of them runs a script, loads a resource or leads out of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape

from reconciler.report.text.escape import escape_terminal
from reconciler.values import dataclass

_VOID = frozenset({"line", "meta", "path", "rect"})
_ELEMENTS = frozenset(
    {
        *("html", "head", "meta", "title", "body", "main", "header", "nav", "section", "footer"),
        *("h1", "h2", "h3", "p", "ul", "ol", "li", "dl", "dt", "dd", "div", "pre"),
        *("a", "code", "span", "strong", "details", "summary", "figure", "figcaption"),
        *("table", "caption", "thead", "tbody", "tr", "th", "td"),
        *("svg", "line", "path", "rect"),
    }
)
_ATTRIBUTES = frozenset(
    {
        *("charset", "class", "content", "href", "http-equiv", "id", "lang", "name", "open"),
        *("aria-hidden", "aria-label", "aria-labelledby", "role", "scope", "tabindex"),
        *("d", "height", "width", "x", "x1", "x2", "y", "y1", "y2"),
        *("preserveAspectRatio", "vector-effect", "viewBox"),
    }
)

Value = str | float | bool | None


@dataclass(frozen=True, slots=True)
class Html:
    """Finished markup; no text, so that the two cannot be mixed up."""

    markup: str


Child = Html | str | None


def text_node(text: str) -> Html:
    """A text as it is read: what would be markup, or reorder a line, is spelt out."""
    # Spelt out first: HTML has no way to write a control character, not even escaped.
    return Html(escape(escape_terminal(text)))


def tag(name: str, /, *children: Child, **attributes: Value) -> Html:
    """An element; a text among its children stays text, None is left out.

    `class_` and `aria_label` stand for `class` and `aria-label`; an attribute that is None or False
    is left out. Raises ValueError for an element or attribute that no page of ours needs.
    """
    if name not in _ELEMENTS:
        # A new element is a decision: it is listed after somebody has asked what it can do.
        raise ValueError(f"<{name}> is not among the elements of a page")
    opening = f"<{name}"
    for attribute, value in attributes.items():
        opening += _attribute(attribute.removesuffix("_").replace("_", "-"), value)
    if name in _VOID:
        # Inside of an SVG as well, where elements without an end tag have to say so.
        return Html(f"{opening}/>")
    return Html(f"{opening}>{fragment(*children).markup}</{name}>")


def fragment(*children: Child) -> Html:
    """Several pieces in a row."""
    return Html("".join(_render(child) for child in children if child is not None))


def complete(piece: Html, completed: Callable[[str, Callable[[str], str]], str]) -> Html:
    """The same piece, whose commands name what they are about; what is added to them is escaped."""
    return Html(completed(piece.markup, escape))


def lines(children: Iterable[Child]) -> Html:
    """Several pieces, each on a line of its own: the source of a page can be read as well."""
    return Html("\n".join(_render(child) for child in children if child is not None))


def _render(child: Html | str) -> str:
    return child.markup if isinstance(child, Html) else text_node(child).markup


def _attribute(name: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    if name not in _ATTRIBUTES:
        raise ValueError(f"{name!r} is not among the attributes of a page")
    if value is True:
        return f" {name}"
    text = value if isinstance(value, str) else f"{value:g}"
    # The one attribute here that names a resource: no server may learn who reads a page.
    if name == "href" and not text.startswith("#"):
        raise ValueError(f"{text!r} leads out of the page")
    return f' {name}="{text_node(text).markup}"'
