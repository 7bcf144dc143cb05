"""Reads the include lines of src/ and says which of them the rooms do not allow.

usage: check_rooms.py RULES SRC
RULES holds the lines that cmake/Rooms.cmake writes: `room NAME : SHOWS… : USES…` and `header PREFIX ROOM…`.
Prints `src/ROOM/FILE:LINE: SENTENCE` for each wrong include and ends with status 1 if there was one.
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def read_rules(path):
    rooms, headers = {}, []
    for line in path.read_text().splitlines():
        if line.startswith("room "):
            name, shows, uses = (part.split() for part in line[5:].split(":"))
            rooms[name[0]] = (shows, uses)
        elif line.startswith("header "):
            prefix, *owners = line.split()[1:]
            headers.append((prefix, owners))
    return rooms, headers


def complaint(room, is_header, quote, target, rooms, headers):
    if target.startswith("../") or "/../" in target:
        return f'"{target}" climbs out of its folder; write the path from src/'
    if quote == '"':
        other = target.split("/")[0]
        if "/" not in target:
            return f'"{target}" has no room; write the path from src/, as in "base/error.h"'
        if other not in rooms:
            return f"there is no room {other}/ in src/"
        if room is None:
            return None
        shows, uses = rooms[room]
        allowed = [room] + shows + ([] if is_header else uses)
        if other in allowed:
            return None
        may = ", ".join(shows if is_header else shows + uses) or "nothing"
        what = "a header of " if is_header and other in uses else ""
        return f"{what}{room}/ may not use {other}/; it may use: {may}"
    for prefix, owners in headers:
        if target.startswith(prefix):
            if room is not None and room not in owners:
                return f"<{target}> belongs to {', '.join(owners)}"
            return None
    return None


def main():
    rooms, headers = read_rules(pathlib.Path(sys.argv[1]))
    src = pathlib.Path(sys.argv[2])
    wrong = 0
    for file in sorted([*src.rglob("*.cpp"), *src.rglob("*.h")]):
        path = file.relative_to(src)
        room = path.parts[0] if len(path.parts) > 1 else None
        if room is not None and room not in rooms:
            print(f"src/{path}:1: there is no room {room}/; add it to CMakeLists.txt with deployer_room()")
            wrong += 1
            continue
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            sentence = complaint(room, file.suffix == ".h", match[1], match[2], rooms, headers)
            if sentence:
                print(f"src/{path}:{number}: {sentence}")
                wrong += 1
    sys.exit(1 if wrong else 0)


main()
