"""The database behind DATABASE_URL: SQLite, or MariaDB and MySQL by PyMySQL."""
import contextlib
import pathlib
import queue
import sqlite3
import time
import urllib.parse


class Unavailable(Exception):
    """The database cannot be asked now."""


class SqliteConnection:
    """Every statement is a transaction of its own; nothing stays open between two requests but the file itself."""

    def __init__(self, path):
        # mode=rw: a service must not make the database that it was told to use.
        address = pathlib.Path(path).absolute().as_uri() + "?mode=rw"
        # No cache of statements: an EXPLAIN kept from before would not notice that the schema has changed.
        self._connection = sqlite3.connect(address, uri=True, timeout=5, isolation_level=None, check_same_thread=False,
                                           cached_statements=0)
        try:
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode=WAL").fetchall()
            self._connection.execute("PRAGMA foreign_keys=ON")
        except sqlite3.Error:
            self._connection.close()
            raise

    def check(self):
        """Reads from the file, so that a schema that has changed meanwhile is known to what follows."""
        self._connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchall()

    def query(self, sql, parameters=()):
        return [dict(row) for row in self._connection.execute(sql, parameters).fetchall()]

    def insert(self, sql, parameters):
        return self._connection.execute(sql, parameters).lastrowid

    def has_table(self, name):
        return bool(self.query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)))

    def close(self):
        self._connection.close()


class MariaDbConnection:
    """As above, with autocommit."""

    def __init__(self, driver, options):
        self._connection = driver.connect(autocommit=True, cursorclass=driver.cursors.DictCursor, connect_timeout=5,
                                          read_timeout=10, write_timeout=10, **options)

    def check(self):
        self._connection.ping(reconnect=True)

    def _execute(self, sql, parameters):
        cursor = self._connection.cursor()
        cursor.execute(sql.replace("?", "%s"), parameters)
        return cursor

    def query(self, sql, parameters=()):
        with self._execute(sql, parameters) as cursor:
            return list(cursor.fetchall())

    def insert(self, sql, parameters):
        with self._execute(sql, parameters) as cursor:
            return cursor.lastrowid

    def has_table(self, name):
        return bool(self.query("SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() "
                               "AND table_name = ?", (name,)))

    def close(self):
        with contextlib.suppress(Exception):
            self._connection.close()


MARIADB_WORDS = {"charset": "charset", "unix_socket": "unix_socket", "socket": "unix_socket", "ssl_ca": "ssl_ca",
                 "ssl_cert": "ssl_cert", "ssl_key": "ssl_key"}


def mariadb_options(url):
    """What PyMySQL is to be called with. ValueError for a word that is not known here."""
    options = {"host": url.hostname or "localhost", "port": url.port or 3306, "charset": "utf8mb4",
               "user": urllib.parse.unquote(url.username or ""), "password": urllib.parse.unquote(url.password or ""),
               "database": urllib.parse.unquote(url.path[1:])}
    for word, value in urllib.parse.parse_qsl(url.query, keep_blank_values=True):
        if word not in MARIADB_WORDS:
            raise ValueError(f"DATABASE_URL has the unknown word '{word}'")
        options[MARIADB_WORDS[word]] = value
    return options


class Database:
    """A few connections that stay open as long as the service runs; a request borrows one."""

    def __init__(self, url, size=4):
        """ValueError for a URL that is not one. Opens nothing yet."""
        parts = urllib.parse.urlsplit(url)
        if parts.scheme.split("+")[0] == "sqlite" and parts.path[1:]:
            path = urllib.parse.unquote(parts.path[1:])
            self._errors = (sqlite3.Error,)
            self._open = lambda: SqliteConnection(path)
        elif parts.scheme.split("+")[0] in ("mysql", "mariadb"):
            import pymysql  # only where it is needed: a service on SQLite runs on the standard library alone
            options = mariadb_options(parts)
            self._errors = (pymysql.Error,)
            self._open = lambda: MariaDbConnection(pymysql, options)
        else:
            raise ValueError("DATABASE_URL is neither sqlite:///FILE nor mysql://USER:PASSWORD@HOST/NAME")
        self._size = size
        self._idle = queue.LifoQueue()
        for _ in range(size):
            self._idle.put(None)

    @property
    def errors(self):
        """What the database's own driver raises."""
        return self._errors

    @contextlib.contextmanager
    def connection(self):
        """A connection that was just seen to work. Waits at most 5 s for a free one. What goes wrong with the database,
        here or in the body, is raised as Unavailable."""
        try:
            connection = self._idle.get(timeout=5)
        except queue.Empty:
            raise Unavailable("all connections are in use") from None
        try:
            if connection is None:
                connection = self._open()
            connection.check()
            yield connection
        except self._errors as error:
            if connection is not None:
                connection.close()
                connection = None
            raise Unavailable(describe(error)) from error
        finally:
            self._idle.put(connection)

    def close(self, within):
        """Waits for requests that are under way, at most that many seconds, and closes what is free."""
        until = time.monotonic() + within
        for _ in range(self._size):
            with contextlib.suppress(queue.Empty):
                connection = self._idle.get(timeout=max(0, until - time.monotonic()))
                if connection is not None:
                    connection.close()


def describe(error):
    """The text of a driver's error: sqlite3 has (text), PyMySQL (number, text)."""
    return str(error.args[-1]) if error.args else str(error)
