"""Built-in domains of questions: problems that are made, split and solved without any data."""
