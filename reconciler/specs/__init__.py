"""Files in, checked workloads out: reading, positions, defaults, schemas, diagnostics."""
