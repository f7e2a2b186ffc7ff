"""What `serl check` says about the memory of cards, and what to set if that is not enough."""
