"""What `reconciler status` says of each recorded workload."""
