"""How a book is written on one line."""

__version__ = "1.0.0"


def line(title, author):
    """`Title by Author`."""
    return f"{title} by {author}"
