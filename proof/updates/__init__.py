"""Updates: every short story of one of them, the promises about them, and the mistakes to catch."""
