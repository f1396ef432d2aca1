"""What people read in a review."""
