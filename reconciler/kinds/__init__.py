"""The kinds of workloads: one literal for each, in one module for each operator.

`Kind` in `kind.py` says what can be said of one; `registry.py` finds the one of a manifest.
"""
