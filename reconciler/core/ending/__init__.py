"""What is over: what has ended by itself, and what its lifecycle ends."""
