"""What gives a secret away: the name it has, the shape of its text, and what an owner says."""
