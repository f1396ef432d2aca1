"""Harnesses that try to break the promises of the product, each a command that can fail."""
