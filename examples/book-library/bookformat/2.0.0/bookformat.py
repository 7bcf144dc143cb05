"""How a book is cited."""

__version__ = "2.0.0"


def citation(author, title, isbn=None):
    """`Author: Title. ISBN 9780141036144`; the ISBN is left out where there is none. It takes the place of `line`."""
    return f"{author}: {title}." + (f" ISBN {isbn}" if isbn else "")
