"""A check that several groups of settings share."""


def require_exactly_one(group: str, **sources: object) -> None:
    """Raise ValueError unless exactly one of `sources` is set; `group` names the settings in the message."""
    present = [name for name, value in sources.items() if value is not None]
    if len(present) != 1:
        raise ValueError(f"{group} needs exactly one of {', '.join(sources)}; found {' and '.join(present) or 'none'}")
