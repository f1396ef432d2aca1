"""From files to values: one guarded reader, and YAML and JSON with the place of every part."""
