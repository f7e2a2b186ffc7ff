"""The models of a run: where they lie, how they are asked, and what of them the run's start fixes."""
