"""What keeps a run in order: pruning weights, repairing damage, removing leftovers, explaining recomputation."""
