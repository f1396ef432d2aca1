"""How a run waits for what the cluster makes of a workload."""
