#!/usr/bin/env python3
"""Builds a wheel of each version of bookformat into a folder, for `pip install --no-index --find-links FOLDER`.

Needs neither network nor setuptools. The same sources give the same bytes.
"""
import argparse
import base64
import hashlib
import os
import pathlib
import re
import sys
import zipfile

SOURCES = pathlib.Path(__file__).resolve().parent / "bookformat"


def record_line(name, content):
    """A line of RECORD: https://packaging.python.org/en/latest/specifications/recording-installed-packages/"""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}\n"


def wheel_files(version, module):
    """Name and content of each file of the wheel.

    https://packaging.python.org/en/latest/specifications/binary-distribution-format/
    """
    info = f"bookformat-{version}.dist-info"
    files = {
        "bookformat.py": module,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: bookformat\nVersion: {version}\n"
                            "Summary: How a book is written on one line\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: build-wheels\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = "".join(record_line(name, content) for name, content in files.items())
    files[f"{info}/RECORD"] = (lines + f"{info}/RECORD,,\n").encode()
    return files


def build(source, folder):
    """Writes the wheel of one version whole or not at all; returns its path."""
    version = source.name
    module = (source / "bookformat.py").read_bytes()
    written = re.search(rb'^__version__ = "(.+)"$', module, re.MULTILINE)
    if not written or written[1].decode() != version:
        raise SystemExit(f"{source / 'bookformat.py'}: __version__ is not {version}, the name of its folder")
    wheel = folder / f"bookformat-{version}-py3-none-any.whl"
    part = wheel.with_name(f"{wheel.name}.{os.getpid()}.part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for name, content in wheel_files(version, module).items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    os.replace(part, wheel)
    return wheel


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="where the wheels go; made if it is not there")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(path for path in SOURCES.iterdir() if path.is_dir() and path.name != "__pycache__"):
        print(build(source, folder))


if __name__ == "__main__":
    sys.exit(main())
