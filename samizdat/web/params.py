"""What a page or an address sends, read without believing it."""


def number(text: str, digits: int = 14) -> int | None:
    """A number of a row or a page; None for what is none, or is longer than any of ours: databases fail at those."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None
