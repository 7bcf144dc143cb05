"""How a book is cited."""

__version__ = "2.1.0"


def citation(author, title, isbn=None, language=None):
    """`Author: Title (en). ISBN 9780141036144`; what is not known is left out."""
    return f"{author}: {title}" + (f" ({language})." if language else ".") + (f" ISBN {isbn}" if isbn else "")
