"""How a chat model is asked, and how its responses end: templates, control tokens, stop tokens, thinking. No torch."""
