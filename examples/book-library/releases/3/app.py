"""Release 3 of the book library: books have a language, and `isbn` is now called `isbn13`.

This release is broken, on purpose: its migration renames the column, but the query for one book was forgotten and still
reads the old name. The migration succeeds, the service starts, and its health check tells.
"""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from service import Release, dependency, main  # noqa: E402

bookformat = dependency("bookformat")


def books(isbn):
    return f"""SELECT b.id, b.title, a.name AS author, {isbn}, b.language,
  (SELECT COUNT(*) FROM loans l WHERE l.book_id = b.id AND l.returned = 0) AS lent
FROM books b JOIN authors a ON a.id = b.author_id """


def show(book):
    return {
        "id": book["id"],
        "title": book["title"],
        "author": book["author"],
        "isbn": book["isbn"],
        "language": book["language"],
        "available": book["lent"] == 0,
        "citation": bookformat.citation(book["author"], book["title"], book["isbn"], book["language"]),
    }


RELEASE = Release(
    name="3",
    revision="0003",
    requirements=HERE / "requirements.txt",
    list_books=books("b.isbn13 AS isbn") + "ORDER BY b.id",
    find_book=books("b.isbn") + "WHERE b.id = ?",
    show=show,
)

if __name__ == "__main__":
    main(RELEASE)
