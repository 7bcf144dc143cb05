"""Backups of a schema on a real MariaDB by the program: made, listed, shown, verified, and restored without it."""
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.mariadb import MariaDb  # noqa: E402
from support.program import Project, wait_for  # noqa: E402

PASSWORD = "p'a\"s s#w\\ord"
SCHEMA = """
CREATE TABLE authors (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50));
CREATE TABLE books (id INT PRIMARY KEY, author INT REFERENCES authors (id), price FLOAT, cover BLOB);
CREATE VIEW names AS SELECT name FROM authors;
INSERT INTO authors (name) VALUES ('Ada'), ('Gräce 📚');
INSERT INTO books SELECT seq, 1 + seq % 2, seq / 7, SHA2(seq, 256) FROM seq_1_to_200;
DELIMITER //
CREATE TRIGGER cheap BEFORE INSERT ON books FOR EACH ROW BEGIN /* a remark */ SET NEW.price = NEW.price - 1; END//
DELIMITER ;
"""


class ServerBackup(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = MariaDb()
        cls.server.sql("CREATE DATABASE books CHARACTER SET utf8mb4")
        cls.server.sql(SCHEMA, "books")
        quoted = PASSWORD.replace("\\", "\\\\").replace("'", "''")
        cls.server.sql(f"CREATE USER deployer@localhost IDENTIFIED BY '{quoted}';"
                       "GRANT ALL ON books.* TO deployer@localhost")

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def setUp(self):
        self.project = Project()
        self.addCleanup(self.project.__exit__)
        self.project.__enter__()
        url = f"mariadb://deployer@localhost/books?socket={self.server.socket}"
        secret = PASSWORD.encode().hex()
        secret = "".join("%" + secret[i:i + 2] for i in range(0, len(secret), 2))
        self.secret = secret
        self.project.env["DATABASE_URL"] = url.replace("deployer@", f"deployer:{secret}@")

    def run_well(self, *words):
        done = self.project.run(*words)
        self.assertEqual(done.status, 0, done)
        return done

    def test_is_made_listed_shown_verified_and_restored_by_the_client(self):
        file = pathlib.Path(self.run_well("backup").out.strip())
        self.assertTrue(file.name.endswith(".sql.zst"), file)
        [item] = self.run_well("backup", "list", "--json").json()["items"]
        self.assertEqual((item["name"], item["engine"]), (file.name[:-8], "mariadb"))
        self.assertEqual({name: table["rows"] for name, table in item["tables"].items()}, {"authors": 2, "books": 200})
        self.assertEqual(self.run_well("backup", "verify").out, f"{item['name']} is good\n")
        shown = self.run_well("backup", "show", item["name"])
        self.assertIn(item["restore_with"], shown.out)
        before = self.server.content("books")
        self.server.sql("DROP TABLE books; DROP VIEW names; ALTER TABLE authors ADD COLUMN x INT", "books")
        command = item["restore_with"].replace("--user=deployer --password", "--user=root")
        subprocess.run(["sh", "-c", command], check=True)
        after = self.server.content("books")
        self.assertEqual((after["tables"], after["rows"]), (before["tables"], before["rows"]))
        self.assertIn("SET NEW.price = NEW.price - 1", after["others"])

    def test_a_damaged_one_is_found(self):
        file = pathlib.Path(self.run_well("backup").out.strip())
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        done = self.project.run("backup", "verify", "--all")
        self.assertEqual(done.status, 6, done)
        self.assertIn("damaged", done.out)

    def test_the_action_makes_one_and_the_password_is_nowhere(self):
        self.project.write("p.yml", "steps: [{uses: backup}]\n")
        self.run_well("run", "p.yml")
        [item] = self.run_well("backup", "list", "--json").json()["items"]
        self.assertTrue(item["verified_at"])
        self.assert_no_password_on_disk()

    def test_killed_while_the_tool_runs_the_password_is_on_no_command_line_and_in_no_file(self):
        script = "#!/bin/sh\necho $$ > held\nwhile [ ! -e go ]; do sleep 0.02; done\n"
        self.project.write("bin/mariadb-dump", script, 0o755)
        started = self.project.start("backup", env={"PATH": f"{self.project.path('bin')}:{os.environ['PATH']}"})
        self.addCleanup(self.end, started)
        wait_for(lambda: (self.project.read("held") or "").endswith("\n"))
        tool = pathlib.Path(f"/proc/{int(self.project.read('held'))}")
        words = (tool / "cmdline").read_bytes()
        self.assertIn(b"--defaults-file=/proc/self/fd/", words)
        for text in (words, (tool / "environ").read_bytes(), pathlib.Path(f"/proc/{started.pid}/cmdline").read_bytes()):
            self.assertNotIn(PASSWORD.encode(), text)
            self.assertNotIn(self.secret.encode(), text)
        self.end(started)
        self.assert_no_password_on_disk()
        self.run_well("recover", "--yes")
        self.assertEqual([path.name for path in self.project.path("backups").iterdir()], [])

    def end(self, started):
        started.kill()
        started.communicate()
        self.project.write("go", "")

    def assert_no_password_on_disk(self):
        for path in self.project.folder.rglob("*"):
            if path.is_file():
                self.assertNotIn(PASSWORD.encode(), path.read_bytes(), path)


if __name__ == "__main__":
    unittest.main()
