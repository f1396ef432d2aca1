"""A breadth-first search over everything that can happen to one workload and its record.

Granted are the assumptions about the server: one holder per name, an honest read by id, at most a
minute until what was made is visible, at most five until a request that was given up is dead. Left
out are other addresses and their guards, failing syncs, waves, and a client that is suspended
between the write of an intent and its send. A restored copy that had no word of what was on its
way at that moment may strand it where nobody wants it: such a workload is not counted.
"""
