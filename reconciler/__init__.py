"""Declarative batch sync for NVIDIA Run:ai Workloads V2."""

__version__ = "0.1.0"
