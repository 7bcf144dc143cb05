"""Release 1 of the book library: authors, books and reviews."""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from service import Release, dependency, main  # noqa: E402

bookformat = dependency("bookformat")


def show(book):
    return {
        "id": book["id"],
        "title": book["title"],
        "author": book["author"],
        "line": bookformat.line(book["title"], book["author"]),
    }


RELEASE = Release(
    name="1",
    revision="0001",
    requirements=HERE / "requirements.txt",
    list_books="SELECT b.id, b.title, a.name AS author FROM books b JOIN authors a ON a.id = b.author_id ORDER BY b.id",
    find_book="SELECT b.id, b.title, a.name AS author FROM books b JOIN authors a ON a.id = b.author_id WHERE b.id = ?",
    show=show,
)

if __name__ == "__main__":
    main(RELEASE)
