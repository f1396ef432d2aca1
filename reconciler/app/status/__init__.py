"""What the server says of what is recorded, and whether an apply could work."""
