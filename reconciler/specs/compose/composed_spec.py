"""One spec with everything laid into it that its author wrote elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

from reconciler.core.diagnostics import Diagnostic
from reconciler.specs.compose.defaults import DefaultsChain
from reconciler.specs.compose.manifest_integers import (
    manifest_tree,
    manifest_value,
    spec_tree,
    spec_value,
)
from reconciler.specs.compose.merging import merge, merge_trees
from reconciler.specs.compose.patching import Patch
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
_ANY_FORM, _ANY_PROJECT = frozenset(FORMS), frozenset({"project", "projectId"})


class ComposedSpec(NamedTuple):
    """An effective spec before it is checked.

    `value` has the manifest in it wherever it was written. `manifest` is the document that it came
    from if that is another one, `manifest_path` the real path of that file, and `manifest_file` its
    name in diagnostics. `patches` were applied to the value in their order. `broken`: an error that
    was reported already leaves the spec incomplete.
    """

    document: Document
    chain: DefaultsChain
    value: dict[str, Any]
    manifest: Document | None = None
    encoded: bool = False
    manifest_path: str = ""
    manifest_file: str = ""
    patches: tuple[Patch, ...] = ()
    broken: bool = False

    @property
    def documents(self) -> tuple[Document, ...]:
        """Every document that parts of the value may come from, the spec's own first."""
        if self.manifest is None and not self.patches:
            # As most are, and each is asked several times.
            return (self.document, *self.chain.layers)
        manifest = () if self.manifest is None else (self.manifest,)
        patches = (patch.document for patch in self.patches)
        return (self.document, *self.chain.layers, *manifest, *patches)

    @property
    def files(self) -> set[str]:
        """The names of all files that parts of the value come from, or were to."""
        names = {document.source.file for document in self.documents}
        # A manifest that cannot be read has no document.
        return names | {self.manifest_file} if self.manifest_file else names

    def tree(self) -> Node:
        """Build the same value again with the place of every part of it."""
        root = self._unpatched_tree()
        for patch in self.patches:
            root = patch.apply_to_tree(root)
        return root

    def _unpatched_tree(self) -> Node:
        root = reduce(merge_trees, map(spec_tree, (*self.chain.layers, self.document)))
        if self.manifest is None:
            return root
        manifest = manifest_tree(self.manifest)
        inline = root.value.get(INLINE)
        if inline is not None and not self.encoded:
            manifest = merge_trees(inline[1], manifest)
        # The key is where the author wrote about a manifest at all.
        key, _ = root.value[ENCODED if self.encoded else IN_FILE]
        entries: dict[str, Entry] = {k: v for k, v in root.value.items() if k not in FORMS}
        entries[INLINE] = (key, manifest)
        return Node(root.source, root.start, root.end, entries)


def compose(
    document: Document, chain: DefaultsChain, sources: SourceCache, diagnostics: list[Diagnostic]
) -> ComposedSpec:
    """Lay defaults and the manifest into a spec; what is wrong is added to `diagnostics`."""
    spec = ComposedSpec(
        document=document,
        chain=chain,
        value=merge(chain.value, spec_value(document)),
        broken=chain.broken,
    )
    written = [form for form in FORMS if form in document.value]
    references = [form for form in (IN_FILE, ENCODED) if form in spec.value]
    if len(written) > 1 or len(references) != 1:
        # Only inline, or a choice that the checks will report.
        return spec
    if not isinstance(spec.value[references[0]], str):
        return _without(spec, INLINE)
    if references[0] == IN_FILE:
        return _lay_in_file(spec, sources, diagnostics)
    return _lay_in_encoded(spec, diagnostics)


def writer_of(spec: ComposedSpec, key: str) -> Document:
    """Return the document, of a spec and its defaults, that decided about a top-level key."""
    nearest: tuple[Document, ...] = (spec.document, *reversed(spec.chain.layers))
    return next(document for document in nearest if key in document.value)


def looks_like_spec(value: Any) -> bool:
    """Whether a mapping is shaped like one of our specs rather than like a manifest."""
    if not isinstance(value, dict):
        return False
    metadata = value.get("metadata")
    # Other manifests have `metadata`, too, but only ours names a project there.
    has_project = isinstance(metadata, dict) and not _ANY_PROJECT.isdisjoint(metadata)
    return has_project or not _ANY_FORM.isdisjoint(value)


def _without(spec: ComposedSpec, *keys: str) -> ComposedSpec:
    return spec._replace(value={k: v for k, v in spec.value.items() if k not in keys})


def _fail(spec: ComposedSpec) -> ComposedSpec:
    """Leave the reference as it stands: what it refers to has been reported."""
    return _without(spec, INLINE)._replace(broken=True)


def _lay_in_file(
    spec: ComposedSpec, sources: SourceCache, diagnostics: list[Diagnostic]
) -> ComposedSpec:
    path = spec.value[IN_FILE]
    # Relative to the file that says so, which may be one of defaults.
    target = sources.locate(writer_of(spec, IN_FILE).folder, path)
    if isinstance(target, ReadFailure):
        message = f"{quote_value(path)} {target.message}"
        diagnostics.append(_at_reference(spec, target.code, message, hint=target.hint))
        return _fail(spec)
    reading = sources.read(target)
    named = spec._replace(manifest_path=target.real, manifest_file=target.name)
    if not reading.documents:
        return _fail(named)
    if looks_like_spec(reading.documents[0].value):
        message = f"{quote_value(path)} is a spec, not a manifest"
        hint = "name a file with the manifest alone"
        diagnostics.append(_at_reference(spec, "not-a-spec", message, hint=hint))
        # Without the name of the file: it stays a spec of its own.
        return _fail(spec)
    manifest = _only_mapping(reading, diagnostics)
    if manifest is None:
        return _fail(named)
    inline = spec.value.get(INLINE)
    value = manifest_value(manifest)
    if isinstance(inline, dict):
        value = merge(inline, value)
    return _complete(named, manifest, value)


def _lay_in_encoded(spec: ComposedSpec, diagnostics: list[Diagnostic]) -> ComposedSpec:
    text = spec.value[ENCODED]
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        data = b""
    # Unused bits at the end may hide a character that was lost.
    if base64.b64encode(data).decode() != text:
        hint = "encode without line breaks: base64 -w0 FILE"
        message = "this is not strict base64"
        diagnostics.append(_at_reference(spec, "bad-base64", message, hint=hint))
        return _fail(spec)
    if not data.strip():
        diagnostics.append(_at_reference(spec, "empty-manifest", "the manifest is empty"))
        return _fail(spec)
    field = place_of_value(spec.tree(), [ENCODED])
    source = decode(data, field.source.file, decoded_from=field.where)
    if isinstance(source, Diagnostic):
        diagnostics.append(source)
        return _fail(spec)
    reading = read_source(source)
    diagnostics.extend(reading.diagnostics)
    manifest = _only_mapping(reading, diagnostics) if reading.documents else None
    if manifest is None:
        return _fail(spec)
    return _complete(spec, manifest, manifest_value(manifest))._replace(encoded=True)


def _complete(spec: ComposedSpec, manifest: Document, value: dict[str, Any]) -> ComposedSpec:
    others = _without(spec, *FORMS)
    return others._replace(manifest=manifest, value={**others.value, INLINE: value})


def _only_mapping(reading: Reading, diagnostics: list[Diagnostic]) -> Document | None:
    if len(reading.documents) > 1:
        second = reading.documents[1]
        message = f"a manifest must be one document{second.decoded_place}"
        diagnostics.append(make_diagnostic("many-documents", message, second.where))
        return None
    document = reading.documents[0]
    if not isinstance(document.value, dict):
        message = f"a manifest must be a mapping{document.decoded_place}"
        diagnostics.append(make_diagnostic("not-a-mapping", message, document.where))
        return None
    return document


def _at_reference(spec: ComposedSpec, code: str, message: str, hint: str = "") -> Diagnostic:
    path: Sequence[Step] = [IN_FILE if IN_FILE in spec.value else ENCODED]
    return diagnostic_at(spec.tree(), code, message, path, hint=hint)
