"""Removes a model's thinking from its response."""


def without_thinking(text: str) -> str | None:
    """Return a response without its thinking; None if the thinking never ends."""
    before, start, rest = text.partition("<think>")
    if not start:
        return text.rpartition("</think>")[2]
    return before + rest.rpartition("</think>")[2] if "</think>" in rest else None
