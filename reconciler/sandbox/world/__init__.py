"""What the server keeps: workloads, their kinds and manifests, and their data file."""
