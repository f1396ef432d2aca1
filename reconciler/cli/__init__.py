"""The command line: options in, exit codes out; one file per command."""

from __future__ import annotations

from reconciler.cli.main import main

__all__ = ["main"]
