"""What runs on the server, whether a state records it or not."""
