"""The part of a response that is the response's own."""


def own_part(text: str, announcements: tuple[str, ...] = ()) -> str:
    """Return a text up to where it ends."""
    return text
