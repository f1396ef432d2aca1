"""What the API server and the operators refuse of each kind, beyond its pods."""
