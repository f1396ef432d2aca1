"""The command line in this process, for tests whose subject is not the process."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import mock

from reconciler.cli.main import run


def run_here(
    arguments: Sequence[str], *, folder: Path, variables: Mapping[str, str]
) -> tuple[int, str]:
    """Run one command line in a folder; returns its exit code and all that it printed.

    It reads nothing, and sees these variables only. Not for two threads at once.
    """
    printed = io.StringIO()
    with (
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, variables, clear=True),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO())),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        code = run(list(arguments))
    return code, printed.getvalue()
