"""Carrying out a plan under the lock of its state."""
