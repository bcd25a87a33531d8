"""How messages show a value that a caller gave: shortly, and whatever it is."""

SHOWN_MAX = 80


def shown(value: object, most: int = SHOWN_MAX) -> str:
    """Its repr, shortened; of one that has none, what it is."""
    try:
        text = repr(value)
    except Exception as error:  # anybody's code; and of an int Python writes no more than some thousand digits
        text = hex(value) if type(value) is int else f"<{type(value).__name__} without a repr: {type(error).__name__}>"
    return text if len(text) <= most else f"{text[:most]}..."
