"""What a command shows while it works and when it is done, and where it goes."""
