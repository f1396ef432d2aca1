"""Remembers every operation that may exist on the server; the stores behind one protocol."""
