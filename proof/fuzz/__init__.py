"""Damaged documents and hostile file trees against the reading and checking of specs."""
