"""Evaluation sets by name, how their rows are read, and what is computed from graded responses."""
