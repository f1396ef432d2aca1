"""Wires the rooms together: one function per use case, from settings to a result."""
