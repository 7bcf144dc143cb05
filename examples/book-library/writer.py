#!/usr/bin/env python3
"""Adds a review again and again to the database behind DATABASE_URL until SIGTERM, whatever happens meanwhile.

Prints the body of each one that the database has taken: whoever deploys meanwhile must find every one of them
afterwards. What the database refuses (locked, gone) is not printed, and tried again.
"""
import argparse
import os
import signal
import sys

from service.database import Database, Unavailable
from service.release import ADD_REVIEW


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--interval", type=float, default=0.02, help="seconds between two reviews")
    arguments = parser.parse_args()
    try:
        database = Database(os.environ.get("DATABASE_URL", ""), size=1)
    except (ValueError, ImportError) as error:
        sys.exit(f"writer: {error}")
    # Blocked and asked for between two reviews, so that none is cut off before it is printed.
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    count = 0
    while not signal.sigtimedwait(signals, arguments.interval):
        body = f"written by {os.getpid()}: {count}"
        try:
            with database.connection() as connection:
                connection.insert(ADD_REVIEW, (1, 5, body))
        except Unavailable:
            continue
        print(body, flush=True)
        count += 1
    database.close(within=0)


if __name__ == "__main__":
    main()
