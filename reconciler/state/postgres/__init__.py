"""The state in PostgreSQL: one row for each stack is its identity, its lock and its fence."""
