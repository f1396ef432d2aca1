"""What is sent to create a workload: exactly the API's WorkloadV2CreateRequest."""

from __future__ import annotations

import base64
import json
from typing import Any

from reconciler.core.marker import Marker, mark
from reconciler.core.model import Desired


def make_body(desired: Desired, marker: Marker) -> dict[str, Any]:
    """The declared content with our marker on its manifest, in the form its author chose.

    A manifest that was written in base64 is sent in base64, as JSON: it reads the same in every
    version of YAML.
    """
    manifest = mark(desired.manifest, marker)
    if not desired.encoded:
        return {"metadata": dict(desired.metadata), "manifest": manifest}
    text = json.dumps(manifest, separators=(",", ":"))
    encoded = base64.b64encode(text.encode()).decode()
    return {"metadata": dict(desired.metadata), "manifestBase64Encoded": encoded}
