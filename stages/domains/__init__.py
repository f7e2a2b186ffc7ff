"""Built-in question domains: problems that can be made, split and solved without any data."""
