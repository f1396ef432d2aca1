"""Whether two objects mean the same, and how they differ."""
