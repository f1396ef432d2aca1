"""What a run leaves for monitoring."""
