"""The policy update in a process of its own: a launcher that keeps it alive, and the worker it starts."""
