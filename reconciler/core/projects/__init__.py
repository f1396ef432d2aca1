"""Projects by name: what a name means, and whether it still means that."""
