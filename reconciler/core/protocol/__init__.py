"""How a request survives a crash: markers, transitions of a record, and what may be sent again."""
