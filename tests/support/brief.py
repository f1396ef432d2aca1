"""The command line with other timings of a state that machines share, as JSON in a variable.

Run as `python -m tests.support.brief` in the place of `python -m reconciler`.
"""

from __future__ import annotations

import json
import os

from reconciler.cli import main
from reconciler.state.shared import timings

TIMINGS = "BRIEF_TIMINGS"

if __name__ == "__main__":
    timings.DEFAULT = timings.Timings(**json.loads(os.environ[TIMINGS]))
    main()
