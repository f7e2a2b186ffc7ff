"""Maintenance of runs: pruning weights, repairing damage, removing leftovers, explaining recomputation."""
