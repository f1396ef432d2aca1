"""A state in object storage: a log of segments, of which each is created once."""
