"""Whether a plan fits into the GPUs that it may have."""
