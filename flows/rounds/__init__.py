"""Stages 1 to 4 of an iteration: once, or in rounds until enough questions are kept; and what they pass on."""
