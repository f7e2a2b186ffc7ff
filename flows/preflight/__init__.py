"""What is known before a run starts: missing inputs, sizes, rough times, and the distance to the paper's settings."""
