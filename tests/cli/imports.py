"""What a command line has imported when it has ended."""

from __future__ import annotations

HEAVY = {
    *("deepdiff", "httpx", "jsonschema", "jwt", "rich", "sqlite3", "sqlite_utils", "uvicorn"),
    *("asyncio", "yaml"),
}


LOADED = """
import json, sys
from reconciler.cli.main import run
code = run(sys.argv[1:])
modules = sorted(name for name in sys.modules if sys.modules[name])
print(json.dumps([code, modules]), file=sys.stderr)
"""
