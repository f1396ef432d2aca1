"""Decides, never does: plain values in, plain values out."""
