"""Templates that nobody has rendered, in fields where they cannot be meant.

A chart that was copied and not rendered may be valid YAML: an image `app:{{ .tag }}` would replace
what runs by what never starts. Arguments, commands and values of variables may hold braces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.specs.compose.composed_spec import INLINE
from reconciler.specs.rules.check_context import CheckContext
from reconciler.specs.schema.compiled_schema import quote_value
from reconciler.specs.source.nodes import Step

_MARKS = ("{{", "{%", "<%", "${")
_NAMES = frozenset(
    {
        *("name", "namespace", "hostname", "subdomain", "nodeName", "claimName", "secretName"),
        *("serviceAccountName", "schedulerName", "priorityClassName", "runtimeClassName"),
        *("storageClassName", "containerName", "topologyKey"),
    }
)
_IMAGES = frozenset({"image"})
_LABELS = frozenset({"labels", "matchLabels", "nodeSelector"})
_AMOUNTS = frozenset({"limits", "requests", "overhead"})
# What is handed on to a program as it is.
_FREE = frozenset(
    {
        *("annotations", "args", "binaryData", "command", "data", "env", "exec", "httpHeaders"),
        *("stringData", "parameters"),
    }
)
# Argo puts values into the templates of its steps when it runs them.
_OWN_TEMPLATES = frozenset({"argoproj.io"})


def check_templates(context: CheckContext) -> None:
    """Say so of images, names, quantities and labels; the last word about each of them."""
    if not any(document.holds(mark) for document in context.composed.documents for mark in _MARKS):
        return
    value = context.composed.value
    metadata = value.get("metadata")
    for key, given in metadata.items() if isinstance(metadata, dict) else ():
        _say(context, f"'{key}'", ("metadata", key), given)
    manifest = value.get(INLINE)
    group = str(manifest.get("apiVersion")).partition("/")[0] if isinstance(manifest, dict) else ""
    if group not in _OWN_TEMPLATES:
        for what, path, text in _plain_texts(manifest, (INLINE,)):
            _say(context, what, path, text)


def _plain_texts(value: Any, path: tuple[Step, ...]) -> Iterator[tuple[str, tuple[Step, ...], Any]]:
    """Yield what can hold no template: what it is, its path, and its text."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _plain_texts(item, (*path, index))
    for key, given in value.items() if isinstance(value, dict) else ():
        below = (*path, key)
        if key in _NAMES:
            yield "the name", below, given
        elif key in _IMAGES:
            yield from _all_of("the image", below, given)
        elif key in _LABELS and isinstance(given, dict):
            for label, text in given.items():
                yield "the label", (*below, label), label
                yield "the value of a label", (*below, label), text
        elif key in _AMOUNTS:
            yield from _all_of("the quantity", below, given)
        elif key == "env" and isinstance(given, list):
            yield from _names_of_variables(below, given)
        elif key not in _FREE:
            yield from _plain_texts(given, below)


def _names_of_variables(
    path: tuple[Step, ...], variables: list[Any]
) -> Iterator[tuple[str, tuple[Step, ...], Any]]:
    for index, variable in enumerate(variables):
        if isinstance(variable, dict):
            here = (*path, index)
            yield "the name", (*here, "name"), variable.get("name")
            yield from _plain_texts(variable.get("valueFrom"), (*here, "valueFrom"))


def _all_of(
    what: str, path: tuple[Step, ...], given: Any
) -> Iterator[tuple[str, tuple[Step, ...], Any]]:
    """A text, or every text in a mapping: some operators write `image: {repository, tag}`."""
    if isinstance(given, Mapping):
        for key, one in given.items():
            yield what, (*path, key), one
    else:
        yield what, path, given


def _say(context: CheckContext, what: str, path: tuple[Step, ...], text: Any) -> None:
    if isinstance(text, str) and any(mark in text for mark in _MARKS):
        message = f"{what} {quote_value(text)} holds a template that is not rendered"
        hint = "render the file first, and read what comes out of it"
        context.report("unrendered-template", message, path, hint=hint, settles=True)
