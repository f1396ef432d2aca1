"""Whether a plan fits into the GPU quotas of its projects."""
