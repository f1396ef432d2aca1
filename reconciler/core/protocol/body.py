"""The bodies that create or update a workload, exactly as the API documents them."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from reconciler.core.model import Desired, Json
from reconciler.core.protocol.marker import COMMIT, Marker, mark, with_annotations

# Characters that YAML forbids or folds in their raw form; JSON leaves them as they are.
_NOT_RAW_IN_YAML = "[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]"


def make_body(desired: Desired, marker: Marker, commit: str = "") -> dict[str, Any]:
    """The declared content with our marker on its manifest, in the form its author chose."""
    manifest = mark(desired.manifest, marker)
    if commit:
        manifest = with_annotations(manifest, {COMMIT: commit})
    return create_body(desired.metadata, manifest, encoded=desired.encoded)


def create_body(metadata: Json, manifest: Json, *, encoded: bool = False) -> dict[str, Any]:
    """Build a create or update request; raises ValueError for what JSON cannot carry."""
    if not encoded:
        return {"metadata": metadata, "manifest": manifest}
    # The server reads this as YAML, whose parsers refuse the surrogate pairs of JSON in ASCII. So
    # characters stay as they are, and only those that YAML cannot hold are escaped.
    text = json.dumps(dict(manifest), ensure_ascii=False, allow_nan=False)
    text = re.sub(_NOT_RAW_IN_YAML, lambda character: f"\\u{ord(character[0]):04x}", text)
    return {
        "metadata": metadata,
        "manifestBase64Encoded": base64.b64encode(text.encode()).decode("ascii"),
    }
