"""The HTTP side: GET /books, GET /books/ID, POST /reviews, GET /health, all JSON, on 127.0.0.1."""
import argparse
import http.server
import json
import os
import re
import signal
import socketserver
import sys
import threading
import traceback

from service import health
from service.database import Database, Unavailable
from service.release import ADD_REVIEW, FIND_REVIEWS

LARGEST_BODY = 64 * 1024


class Refused(Exception):
    """A request that cannot be answered as it is: status and reason."""


def parse_review(body):
    try:
        review = json.loads(body)
        book, rating, text = review["book_id"], review["rating"], review.get("body", "")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refused(400, "a review is a JSON object with book_id, rating and body") from None
    if type(book) is not int or type(rating) is not int or not isinstance(text, str):
        raise Refused(400, "book_id and rating are numbers, body is a text")
    if not 1 <= rating <= 5 or len(text) > 1000:
        raise Refused(400, "rating is 1 to 5, body has at most 1000 characters")
    return book, rating, text


def find_book(release, connection, book):
    rows = connection.query(release.find_book, (book,))
    if not rows:
        raise Refused(404, f"there is no book {book}")
    return rows[0]


def answer(release, connection, errors, method, path, body):
    """Status and body of the answer to a request."""
    if (method, path) == ("GET", "/health"):
        return health.report(release, connection, errors)
    if (method, path) == ("GET", "/books"):
        return 200, {"items": [release.show(row) for row in connection.query(release.list_books)]}
    if method == "GET" and (match := re.fullmatch(r"/books/([0-9]{1,9})", path)):
        book = int(match[1])
        shown = release.show(find_book(release, connection, book))
        return 200, {**shown, "reviews": connection.query(FIND_REVIEWS, (book,))}
    if (method, path) == ("POST", "/reviews"):
        review = parse_review(body)
        find_book(release, connection, review[0])
        return 201, {"id": connection.insert(ADD_REVIEW, review)}
    raise Refused(404, f"there is nothing at {method} {path}")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10  # seconds, of each read and write

    def do_GET(self):
        self.respond(b"")

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,9}", length) or int(length) > LARGEST_BODY:
            self.close_connection = True
            self.send(400, {"error": f"Content-Length must be 0 to {LARGEST_BODY}"})
            return
        self.respond(self.rfile.read(int(length)))

    def respond(self, body):
        """Sends while the connection is still borrowed: to wait for all connections is to wait for all answers."""
        release, database, path = self.server.release, self.server.database, self.path.partition("?")[0]
        try:
            with database.connection() as connection:
                try:
                    self.send(*answer(release, connection, database.errors, self.command, path, body))
                except Refused as refused:
                    self.send(refused.args[0], {"error": refused.args[1]})
        except Unavailable as unavailable:
            if path == "/health":
                self.send(*health.report_unreachable(release, unavailable))
            else:
                self.send(503, {"error": f"the database cannot answer: {unavailable}"})
        except OSError:  # the client has gone
            self.close_connection = True
        except Exception:
            traceback.print_exc()
            self.send(500, {"error": "internal error, see the log"})

    def send(self, status, body):
        text = json.dumps(body, ensure_ascii=False, default=str).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port, release, database):
        self.release, self.database = release, database
        super().__init__(("127.0.0.1", port), Handler)

    def server_bind(self):
        """Without the base class's look-up of this host's name, which may wait for a name server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address


def main(release):
    """Serves until SIGTERM or SIGINT; requests under way get half a second to end."""
    parser = argparse.ArgumentParser(description=f"The book library, release {release.name}.")
    parser.add_argument("--port", type=int, default=8090, help="on 127.0.0.1; 0: any free one")
    arguments = parser.parse_args()
    try:
        database = Database(os.environ.get("DATABASE_URL", ""))
        server = Server(arguments.port, release, database)
    except (ValueError, ImportError, OSError) as error:
        sys.exit(f"book-library: {error}")

    # Blocked here and in every thread, and waited for: no handler interrupts anything.
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    print(f"book-library {release.name} is ready on http://127.0.0.1:{server.server_port}", flush=True)
    signal.sigwait(signals)
    server.shutdown()
    server.server_close()
    database.close(within=0.5)
    print(f"book-library {release.name} has ended", flush=True)
