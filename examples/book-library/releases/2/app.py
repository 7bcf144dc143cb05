"""Release 2 of the book library: books have an ISBN and can be lent."""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from service import Release, dependency, main  # noqa: E402

bookformat = dependency("bookformat")

BOOKS = """SELECT b.id, b.title, a.name AS author, b.isbn,
  (SELECT COUNT(*) FROM loans l WHERE l.book_id = b.id AND l.returned = 0) AS lent
FROM books b JOIN authors a ON a.id = b.author_id """


def show(book):
    return {
        "id": book["id"],
        "title": book["title"],
        "author": book["author"],
        "isbn": book["isbn"],
        "available": book["lent"] == 0,
        "citation": bookformat.citation(book["author"], book["title"], book["isbn"]),
    }


RELEASE = Release(
    name="2",
    revision="0002",
    requirements=HERE / "requirements.txt",
    list_books=BOOKS + "ORDER BY b.id",
    find_book=BOOKS + "WHERE b.id = ?",
    show=show,
)

if __name__ == "__main__":
    main(RELEASE)
