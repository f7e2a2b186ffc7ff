"""The policy update in a separate process: a launcher that keeps the process alive, and the worker in it."""
