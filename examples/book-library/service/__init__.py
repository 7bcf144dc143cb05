"""What all releases of the book library have in common; a release's app.py holds what is its own."""
from service.release import Release, dependency
from service.server import main

__all__ = ["Release", "dependency", "main"]
