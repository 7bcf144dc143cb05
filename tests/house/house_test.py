"""The rules of the house: who includes whom, the format, and what may not stand in a source."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECKER = ROOT / "cmake" / "check_rooms.py"


class Rooms(unittest.TestCase):
    """The checker stops a wrong include with a sentence."""

    def check(self, files):
        with tempfile.TemporaryDirectory() as folder:
            src = pathlib.Path(folder) / "src"
            for name, text in files.items():
                (src / name).parent.mkdir(parents=True, exist_ok=True)
                (src / name).write_text(text)
            rules = pathlib.Path(folder) / "rooms.txt"
            rules.write_text(
                "room base :  : \nroom system : base : \nroom engine : base : system\nroom actions : engine base : \n"
                "header Poco/Net/ system\nheader Poco/ system\n")
            done = subprocess.run([sys.executable, CHECKER, rules, src], capture_output=True, text=True)
            return done.returncode, done.stdout

    def test_what_the_rooms_allow_passes(self):
        self.assertEqual(self.check({
            "engine/runner.cpp": '#include "system/process.h"\n#include "engine/runner.h"\n#include <vector>\n',
            "engine/runner.h": '#include "base/error.h"\n',
            "system/http.cpp": "#include <Poco/Net/HTTPClientSession.h>\n",
        }), (0, ""))

    def test_an_include_of_a_room_above_is_named_with_what_is_allowed(self):
        self.assertEqual(self.check({"engine/plan.cpp": '\n\n#include "actions/table.h"\n', "actions/table.h": ""}),
                         (1, "src/engine/plan.cpp:3: engine/ may not use actions/; it may use: base, system\n"))

    def test_a_header_may_not_include_what_its_room_only_uses(self):
        self.assertEqual(self.check({"engine/plan.h": '#include "system/process.h"\n'}),
                         (1, "src/engine/plan.h:1: a header of engine/ may not use system/; it may use: base\n"))

    def test_climbing_out_of_the_folder_is_refused(self):
        self.assertEqual(self.check({"base/a.cpp": '#include "../engine/run.h"\n'}),
                         (1, 'src/base/a.cpp:1: "../engine/run.h" climbs out of its folder; write the path from src/\n'))

    def test_a_header_of_another_project_outside_its_room_is_refused(self):
        self.assertEqual(self.check({"engine/a.cpp": "#include <Poco/Net/HTTPClientSession.h>\n"}),
                         (1, "src/engine/a.cpp:1: <Poco/Net/HTTPClientSession.h> belongs to system\n"))

    def test_a_folder_that_is_no_room_is_refused(self):
        self.assertEqual(self.check({"util/a.cpp": ""})[0], 1)


class Format(unittest.TestCase):
    def test_every_source_is_as_clang_format_leaves_it(self):
        program = shutil.which("clang-format")
        self.assertIsNotNone(program, "clang-format is not installed")
        sources = [path for folder in ("src", "tests") for suffix in ("*.h", "*.cpp")
                   for path in (ROOT / folder).rglob(suffix)]
        done = subprocess.run([program, "--dry-run", "--Werror", *sources], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr[:4000])


class Sources(unittest.TestCase):
    def test_no_file_is_called_util_helper_or_common(self):
        named = [path for path in (ROOT / "src").rglob("*") if path.stem in ("util", "utils", "helper", "common")]
        self.assertEqual(named, [])

    def test_no_database_is_named_outside_its_folder(self):
        """Code outside database/ chooses by capability, never by name (docs and messages of tables apart)."""
        allowed = {"src/database", "src/operations/table.cpp", "src/actions/table.cpp"}
        found = []
        for path in [*(ROOT / "src").rglob("*.cpp"), *(ROOT / "src").rglob("*.h")]:
            name = path.relative_to(ROOT).as_posix()
            if any(name.startswith(prefix) for prefix in allowed):
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                code = line.split("//")[0]
                for word in ("Engine::sqlite", "Engine::mariadb", '== "sqlite', '== "mariadb', '== "mysql'):
                    if word in code:
                        found.append(f"{name}:{number}")
        self.assertEqual(found, [])


if __name__ == "__main__":
    unittest.main()
