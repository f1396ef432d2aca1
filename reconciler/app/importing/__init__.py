"""Writes specs for workloads that run already, and records them."""
