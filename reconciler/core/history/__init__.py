"""What an apply has done, as values: its events, its outcome, and how they lie in time."""
