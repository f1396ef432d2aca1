"""Projects by name, as a run needs them: looked up, pinned, and held against the specs."""
