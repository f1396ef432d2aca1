"""The client of the control plane: one request per call, every outcome a value."""

import sys

# `import httpx` also loads httpx's own command line, and with it rich and pygments: half of its
# time. It does without where those two are not installed, which an ImportError of this module tells
# it; None here makes Python raise one. Nothing of ours is that command line.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type] # as Python's own documentation has it; its stubs take modules alone
