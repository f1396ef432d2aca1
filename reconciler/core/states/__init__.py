"""What is said of a state, wherever it is kept: its place, what a check finds, what it shows."""
