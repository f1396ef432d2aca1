"""What Kubernetes itself would refuse of a manifest, or take in another way than it was meant."""
