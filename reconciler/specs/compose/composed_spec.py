"""One spec with everything laid into it that its author wrote elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

from reconciler.core.diagnostics import Diagnostic
from reconciler.specs.compose.defaults import DefaultsChain
from reconciler.specs.compose.merging import merge, merge_trees
from reconciler.specs.rules.codes import make_diagnostic
from reconciler.specs.rules.tree_diagnostics import diagnostic_at
from reconciler.specs.schema.compiled_schema import quote_value
from reconciler.specs.source.documents import Document, Reading
from reconciler.specs.source.fileaccess import ReadFailure
from reconciler.specs.source.nodes import Entry, Node, Step, place_of_value
from reconciler.specs.source.readers import read_source
from reconciler.specs.source.source_cache import SourceCache
from reconciler.specs.source.source_text import decode

INLINE, IN_FILE, ENCODED = FORMS = ("manifest", "manifestFile", "manifestBase64Encoded")


class ComposedSpec(NamedTuple):
    """An effective spec before it is checked.

    `value` has the manifest in it wherever it was written, `manifest` is the document it came
    from if that is another one, `pulled` the real path of its file and `named` what findings call
    it. `broken` says that a finding has been made already which leaves the spec incomplete.
    """

    document: Document
    chain: DefaultsChain
    value: dict[str, Any]
    manifest: Document | None = None
    encoded: bool = False
    pulled: str = ""
    named: str = ""
    broken: bool = False

    @property
    def documents(self) -> tuple[Document, ...]:
        """Every document that parts of the value may come from, the spec's own first."""
        manifest = () if self.manifest is None else (self.manifest,)
        return (self.document, *self.chain.layers, *manifest)

    @property
    def files(self) -> set[str]:
        """The names of all files that parts of the value come from, or were to."""
        names = {document.source.file for document in self.documents}
        return names | {self.named} if self.named else names

    def tree(self) -> Node:
        """Build the same value again with the place of every part of it."""
        layers = [layer.tree() for layer in (*self.chain.layers, self.document)]
        root = reduce(merge_trees, layers)
        return root if self.manifest is None else self._with_manifest(root, self.manifest.tree())

    def _with_manifest(self, root: Node, manifest: Node) -> Node:
        form = ENCODED if self.encoded else IN_FILE
        entries: dict[str, Entry] = {k: v for k, v in root.value.items() if k not in FORMS}
        under = root.value.get(INLINE)
        if under is not None and not self.encoded:
            manifest = merge_trees(under[1], manifest)
        entries[INLINE] = (root.value[form][0], manifest)
        return Node(root.source, root.start, root.end, entries)


def compose(
    document: Document, chain: DefaultsChain, library: SourceCache, found: list[Diagnostic]
) -> ComposedSpec:
    """Lay defaults and the manifest into a spec; what is wrong is added to `found`."""
    draft = ComposedSpec(
        document=document,
        chain=chain,
        value=merge(chain.value, document.value),
        broken=chain.broken,
    )
    declared = [form for form in FORMS if form in document.value]
    others = [form for form in (IN_FILE, ENCODED) if form in draft.value]
    if len(declared) > 1 or len(others) != 1:
        return draft
    form = others[0]
    if not isinstance(draft.value[form], str):
        return _without(draft, INLINE)
    return (_lay_in_file if form == IN_FILE else _lay_in_encoded)(draft, library, found)


def writer_of(draft: ComposedSpec, key: str) -> Document:
    """Return the document, of a spec and its defaults, that decided about a top-level key."""
    nearest: tuple[Document, ...] = (draft.document, *reversed(draft.chain.layers))
    return next(one for one in nearest if key in one.value)


def looks_like_spec(value: Any) -> bool:
    """Whether a mapping is shaped like one of our specs rather than like a manifest."""
    if not isinstance(value, dict):
        return False
    metadata = value.get("metadata")
    named = isinstance(metadata, dict) and not {"project", "projectId"}.isdisjoint(metadata)
    return named or not set(FORMS).isdisjoint(value)


def _without(draft: ComposedSpec, *keys: str) -> ComposedSpec:
    return draft._replace(value={k: v for k, v in draft.value.items() if k not in keys})


def _fail(draft: ComposedSpec) -> ComposedSpec:
    """Leave the reference as it stands: what it refers to has had its finding."""
    return _without(draft, INLINE)._replace(broken=True)


def _lay_in_file(
    draft: ComposedSpec, library: SourceCache, found: list[Diagnostic]
) -> ComposedSpec:
    path = draft.value[IN_FILE]
    target = library.locate(writer_of(draft, IN_FILE).folder, path)
    if isinstance(target, ReadFailure):
        found.append(
            _say(draft, target.code, f"{quote_value(path)} {target.message}", hint=target.hint)
        )
        return _fail(draft)
    reading = library.read(target)
    pulled = draft._replace(pulled=target.real, named=target.name)
    if not reading.documents:
        return _fail(pulled)
    if looks_like_spec(reading.documents[0].value):
        message = f"{quote_value(path)} is a spec, not a manifest"
        found.append(_say(draft, "not-a-spec", message, hint="name a file with the manifest alone"))
        return _fail(draft)
    manifest = _only_mapping(reading, found)
    if manifest is None:
        return _fail(pulled)
    under = draft.value.get(INLINE)
    value = merge(under, manifest.value) if isinstance(under, dict) else manifest.value
    return _complete(pulled, manifest, value)


def _lay_in_encoded(
    draft: ComposedSpec, library: SourceCache, found: list[Diagnostic]
) -> ComposedSpec:
    del library  # the same signature as for a file
    data = _decode_strictly(draft.value[ENCODED])
    if data is None:
        hint = "encode without line breaks: base64 -w0 FILE"
        found.append(_say(draft, "bad-base64", "this is not strict base64", hint=hint))
        return _fail(draft)
    if not data.strip():
        found.append(_say(draft, "empty-manifest", "the manifest is empty"))
        return _fail(draft)
    field = place_of_value(draft.tree(), [ENCODED])
    source = decode(data, field.source.file, decoded_from=field.where)
    if isinstance(source, Diagnostic):
        found.append(source)
        return _fail(draft)
    reading = read_source(source)
    found.extend(reading.diagnostics)
    manifest = _only_mapping(reading, found) if reading.documents else None
    if manifest is None:
        return _fail(draft)
    return _complete(draft, manifest, manifest.value)._replace(encoded=True)


def _complete(draft: ComposedSpec, manifest: Document, value: dict[str, Any]) -> ComposedSpec:
    rest = _without(draft, *FORMS)
    return rest._replace(manifest=manifest, value={**rest.value, INLINE: value})


def _only_mapping(reading: Reading, found: list[Diagnostic]) -> Document | None:
    if len(reading.documents) > 1:
        second = reading.documents[1]
        message = f"a manifest is one document{second.decoded_place}"
        found.append(make_diagnostic("many-documents", message, second.where))
        return None
    document = reading.documents[0]
    if not isinstance(document.value, dict):
        message = f"a manifest is a mapping{document.decoded_place}"
        found.append(make_diagnostic("not-a-mapping", message, document.where))
        return None
    return document


def _decode_strictly(text: str) -> bytes | None:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    # Unused bits at the end may hide a character that was lost.
    return data if base64.b64encode(data).decode() == text else None


def _say(draft: ComposedSpec, code: str, message: str, hint: str = "") -> Diagnostic:
    path: Sequence[Step] = [IN_FILE if IN_FILE in draft.value else ENCODED]
    return diagnostic_at(draft.tree(), code, message, path, hint=hint)
