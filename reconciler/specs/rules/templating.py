"""Templates that nobody has rendered, in fields where they cannot be meant.

A chart that was copied and not rendered may be valid YAML: an image `app:{{ .tag }}` would replace
what runs by what never starts. Arguments, commands and values of variables may hold braces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from reconciler.specs.compose.composed_spec import INLINE
from reconciler.specs.rules.check_context import CheckContext
from reconciler.specs.schema.compiled_schema import quote_value
from reconciler.specs.source.documents import Document
from reconciler.specs.source.nodes import Step

# Those of Helm, Go and Jinja, of Jinja's statements, of ERB, and of shells and Terraform.
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
# Texts that Kubernetes hands on to a program as they are.
_FREE = frozenset(
    {
        *("annotations", "args", "binaryData", "command", "data", "env", "exec", "httpHeaders"),
        *("stringData", "parameters"),
    }
)
# Argo puts values into the templates of its steps when it runs them.
_OWN_TEMPLATES = frozenset({"argoproj.io"})


def check_templates(context: CheckContext) -> None:
    """Report templates in images, names, quantities and labels; nothing else is told of these."""
    if not any(map(_may_hold_marks, context.composed.documents)):
        return
    value = context.composed.value
    metadata = value.get("metadata")
    for key, field in metadata.items() if isinstance(metadata, dict) else ():
        _check_text(context, f"'{key}'", ("metadata", key), field)
    manifest = value.get(INLINE)
    group = str(manifest.get("apiVersion")).partition("/")[0] if isinstance(manifest, dict) else ""
    if group not in _OWN_TEMPLATES:
        for noun, path, text in _plain_texts(manifest, (INLINE,)):
            _check_text(context, noun, path, text)


def _may_hold_marks(document: Document) -> bool:
    # Two searches instead of four, of which the first is quick: hardly any file has a brace.
    has_brace = document.holds("{") or document.holds("<%")
    return has_brace and any(map(document.holds, _MARKS))


_Texts: TypeAlias = Iterator[tuple[str, tuple[Step, ...], Any]]


def _plain_texts(value: Any, path: tuple[Step, ...]) -> _Texts:
    """Yield the texts that cannot hold a template: what each is, its path, and itself."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _plain_texts(item, (*path, index))
    for key, field in value.items() if isinstance(value, dict) else ():
        below = (*path, key)
        if key in _NAMES:
            yield "the name", below, field
        elif key in _IMAGES:
            yield from _text_or_fields("the image", below, field)
        elif key in _LABELS and isinstance(field, dict):
            for label, text in field.items():
                yield "the label", (*below, label), label
                yield "the value of a label", (*below, label), text
        elif key in _AMOUNTS:
            yield from _text_or_fields("the quantity", below, field)
        elif key == "env" and isinstance(field, list):
            # The value of a variable may hold braces, its name and its source may not.
            for index, variable in enumerate(field):
                if isinstance(variable, dict):
                    yield "the name", (*below, index, "name"), variable.get("name")
                    source_path = (*below, index, "valueFrom")
                    yield from _plain_texts(variable.get("valueFrom"), source_path)
        elif key not in _FREE:
            yield from _plain_texts(field, below)


def _text_or_fields(noun: str, path: tuple[Step, ...], value: Any) -> _Texts:
    """A text, or every text in a mapping: some operators write `image: {repository, tag}`."""
    if isinstance(value, Mapping):
        for key, text in value.items():
            yield noun, (*path, key), text
    else:
        yield noun, path, value


def _check_text(context: CheckContext, noun: str, path: tuple[Step, ...], text: Any) -> None:
    if isinstance(text, str) and any(mark in text for mark in _MARKS):
        message = f"{noun} {quote_value(text)} holds a template that is not rendered"
        hint = "render the file first, and validate the result"
        context.report("unrendered-template", message, path, hint=hint, settles=True)
