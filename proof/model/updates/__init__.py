"""A breadth-first search over everything that can happen to one workload that is updated.

The engine's own procedures run in it, with the planner before them: only the server, the line, the
clock and the disk are a model. Granted are the assumptions A4, A6 and A9, and that a status never
matters: nobody waits here for the cluster. Left out are other workloads, and creates and deletes.
"""
