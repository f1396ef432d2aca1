"""Whole histories of the real engine against an in-memory server, on virtual time."""
