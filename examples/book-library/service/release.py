"""What makes one release differ from another."""
import dataclasses
import importlib
import pathlib
import sys
from typing import Callable

FIND_REVIEWS = "SELECT id, rating, body, created_at FROM reviews WHERE book_id = ? ORDER BY id"
ADD_REVIEW = "INSERT INTO reviews (book_id, rating, body) VALUES (?, ?, ?)"


@dataclasses.dataclass(frozen=True)
class Release:
    name: str
    revision: str  # of the schema that its statements were written for
    requirements: pathlib.Path  # its requirements.txt
    list_books: str
    find_book: str
    show: Callable[[dict], dict]  # a row of the two statements above, as the client gets it

    def statements(self):
        """Everything it asks the database, by name. The health check looks whether the database can answer them."""
        return {
            "list books": self.list_books,
            "find a book": self.find_book,
            "find reviews": FIND_REVIEWS,
            "add a review": ADD_REVIEW,
        }

    def required_versions(self):
        """Package to version, from the lines `NAME==VERSION` of its requirements."""
        lines = self.requirements.read_text(encoding="utf-8").split()
        return dict(line.split("==") for line in lines)


def dependency(name):
    """Imports a package at the start, or returns None: the service then runs and says in /health what it lacks."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def loaded_version(name):
    """The version of a package that this process runs, whatever has been installed since; None without one."""
    return getattr(sys.modules.get(name), "__version__", None)
