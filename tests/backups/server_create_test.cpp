#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "backups/backup.h"
#include "backups/catalogue.h"
#include "backups/library.h"
#include "backups/verify.h"
#include "database/dump.h"
#include "database/server.h"
#include "support/forgetful_disk.h"
#include "support/mariadb.h"
#include "system/process.h"
#include "system/stream/stream.h"

namespace deployer::backups {
namespace {

using deployer::test::ForgetfulDisk;
using deployer::test::MariaDb;
using deployer::test::read_file;
using deployer::test::shared_mariadb;
using test::at_two;
using test::error_of;
using test::machine_of;
using test::names_in;
using test::soon_enough;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
namespace fs = std::filesystem;

/// A small schema on the shared server, and a folder for its backups.
class DumpedLibrary {
 public:
  explicit DumpedLibrary(int books = 20) {
    static std::atomic<int> number{0};
    name_ = "server_create_" + std::to_string(++number);
    url_ = value_or_throw(database::parse_url(shared_mariadb().new_database(name_)));
    session_ = database::open(url_, "/", database::Access::existing, soon_enough());
    sql("CREATE TABLE authors (id INT PRIMARY KEY, name VARCHAR(50) NOT NULL);"
        "CREATE TABLE books (id INT PRIMARY KEY, author INT REFERENCES authors(id), title TEXT, price FLOAT);"
        "CREATE TABLE deployer_migrations (id INT);"
        "CREATE VIEW titles AS SELECT title FROM books;"
        "INSERT INTO authors VALUES (1, 'Ada'), (2, 'Grace');"
        "INSERT INTO books SELECT seq, 1, CONCAT('book ', seq, HEX(RANDOM_BYTES(40))), seq / 3 FROM seq_1_to_" +
        std::to_string(books));
  }

  const std::string& name() const { return name_; }
  const database::Url& url() const { return url_; }
  database::Session& session() { return *session_; }
  std::filesystem::path backups() const { return folder_ / "backups"; }
  std::filesystem::path operator/(std::string_view name) const { return folder_ / name; }
  void sql(const std::string& script) { shared_mariadb().client(name_, script); }
  std::map<std::string, database::RowDigest> rows(database::Session& session) {
    return database::row_digests(session, session.dialect().introspect(session, soon_enough()), soon_enough());
  }
  BackupRequest request() const {
    BackupRequest request;
    request.directory = backups();
    request.project = folder_.path();
    request.scratch = folder_ / "scratch";
    request.now = at_two();
    return request;
  }

 private:
  deployer::test::Folder folder_;
  std::string name_;
  database::Url url_;
  std::unique_ptr<database::Session> session_;
};

std::string output_of_shell(const std::string& command) {
  Processes processes;
  const Processes::Captured ran =
      processes.capture({{"sh", "-c", command}, {{"PATH", std::getenv("PATH")}}, {}, {}, {}}, soon_enough());
  EXPECT_TRUE(ran.exit.ok()) << command << ": " << ran.err;
  return ran.out;
}

TEST(CreateServerBackup, MakesAFileOfSqlAndItsManifest) {
  DumpedLibrary library;
  Files files;
  BackupRequest request = library.request();
  request.tags = {"nightly"};
  request.run = "20261124T020000000-abcdef";
  request.revision = "9a385a344ba4";
  const Manifest manifest = create(library.session(), request, machine_of(files), soon_enough());
  EXPECT_EQ(manifest.name, "backup_20261124_020000");
  EXPECT_THAT(names_in(library.backups()),
              ElementsAre("backup_20261124_020000.json", "backup_20261124_020000.sql.zst"));
  EXPECT_EQ(manifest.engine, "mariadb");
  EXPECT_EQ(manifest.digest, sha256_hex(read_file(manifest.file)));
  EXPECT_EQ(manifest.bytes, fs::file_size(manifest.file));
  EXPECT_GT(manifest.bytes_raw, manifest.bytes);
  EXPECT_EQ(manifest.tables, library.rows(library.session()));
  EXPECT_EQ(manifest.tables.size(), 2U);
  EXPECT_TRUE(manifest.verified_at.has_value());
  EXPECT_FALSE(manifest.partial);
  EXPECT_EQ(Files().info(manifest.file)->mode, 0600U);
  EXPECT_EQ(list(library.backups(), files).backups.at(0).json(), manifest.json());
}

TEST(CreateServerBackup, SaysHowItIsRestoredWithoutUs) {
  DumpedLibrary library;
  Files files;
  const Manifest manifest = create(library.session(), library.request(), machine_of(files), soon_enough());
  EXPECT_THAT(manifest.json()["restore_with"].get<std::string>(),
              StartsWith("zstd -dc " + manifest.file.string() + " | mariadb --comments "));
  EXPECT_THAT(read_file(manifest.manifest_file()), HasSubstr("zstd -dc backup_20261124_020000.sql.zst | mariadb"));
  const auto before = library.rows(library.session());
  library.sql("DELETE FROM books; DROP VIEW titles; ALTER TABLE authors ADD COLUMN extra INT");
  output_of_shell(manifest.restore_command());
  EXPECT_EQ(library.rows(library.session()), before);
  EXPECT_EQ(library.session().dialect().introspect(library.session(), soon_enough()).fingerprint(),
            manifest.fingerprint);
}

TEST(CreateServerBackup, ThePasswordStandsInNoCommandThatIsShown) {
  DumpedLibrary library;
  library.sql("CREATE USER 'it''s me'@localhost IDENTIFIED BY 'secret'; GRANT ALL ON " + library.name() +
              ".* TO 'it''s me'@localhost; GRANT SELECT ON mysql.proc TO 'it''s me'@localhost");
  database::Url url = library.url();
  url.user = "it's me";
  url.password = "secret";
  const auto session = database::open(url, "/", database::Access::existing, soon_enough());
  Files files;
  const Manifest manifest = create(*session, library.request(), machine_of(files), soon_enough());
  EXPECT_EQ(manifest.load_with.find("secret"), std::string::npos);
  EXPECT_THAT(manifest.load_with, HasSubstr("'--user=it'\\''s me' --password " + library.name()));
}

TEST(CreateServerBackup, ThePathSaysTheFormat) {
  DumpedLibrary library;
  Files files;
  BackupRequest request = library.request();
  request.path = library / "own.sql";
  const Manifest plain = create(library.session(), request, machine_of(files), soon_enough());
  EXPECT_EQ(plain.name, "own");
  EXPECT_THAT(read_file(library / "own.sql"), testing::EndsWith("-- Dump completed\n"));
  EXPECT_EQ(plain.bytes, plain.bytes_raw);
  EXPECT_THAT(plain.restore_command(), testing::EndsWith(library.name() + " < " + (library / "own.sql").string()));
  request.path = library / "own.sqlite.zst";
  const Error error = error_of([&] { create(library.session(), request, machine_of(files), soon_enough()); });
  EXPECT_EQ(error.kind, ErrorKind::invalid);
  EXPECT_EQ(error.message, request.path.string() + " says no format of a backup by its suffix");
  EXPECT_EQ(error.hint, ".sql.zst is compressed, .sql is a plain copy");
}

TEST(CreateServerBackup, HoldsChosenTablesAlone) {
  DumpedLibrary library;
  Files files;
  BackupRequest request = library.request();
  request.tables = {"authors"};
  const Manifest manifest = create(library.session(), request, machine_of(files), soon_enough());
  EXPECT_TRUE(manifest.partial);
  EXPECT_EQ(manifest.tables.size(), 1U);
  EXPECT_EQ(manifest.tables.at("authors").rows, 2U);
  EXPECT_TRUE(list(library.backups(), files).backups.at(0).partial);
}

TEST(CreateServerBackup, NamesWhatIsNotOfOneMoment) {
  DumpedLibrary library;
  library.sql("CREATE TABLE old (a INT) ENGINE=MyISAM; CREATE TABLE hist (a INT) WITH SYSTEM VERSIONING");
  Files files;
  const Manifest manifest = create(library.session(), library.request(), machine_of(files), soon_enough());
  EXPECT_THAT(manifest.inconsistent, ElementsAre("old"));
  EXPECT_THAT(manifest.unfaithful,
              ElementsAre("table hist: it is system-versioned, and the history of its rows is left out"));
  EXPECT_EQ(list(library.backups(), files).backups.at(0).json(), manifest.json());
}

TEST(CreateServerBackup, TellsHowFarItIsAndLeavesNothingWhenItIsCancelled) {
  DumpedLibrary library(20000);
  Files files;
  std::vector<std::string> phases;
  create(library.session(), library.request(), machine_of(files), soon_enough(),
         [&](std::string_view phase, auto done, auto total) {
           EXPECT_LE(done, total);
           if (phases.empty() || phases.back() != phase) phases.emplace_back(phase);
         });
  EXPECT_THAT(phases, ElementsAre("dumping", "checking"));
  fs::remove_all(library.backups());
  for (const std::string& at : phases) {
    const Error error = error_of([&] {
      create(library.session(), library.request(), machine_of(files), soon_enough(),
             [&](std::string_view phase, auto, auto) {
               if (phase == at) throw Error(ErrorKind::cancelled, "cancelled");
             });
    });
    EXPECT_EQ(error.kind, ErrorKind::cancelled);
    EXPECT_THAT(names_in(library.backups()), ElementsAre());
  }
}

TEST(CreateServerBackup, LeavesNothingOnAFullDisk) {
  DumpedLibrary library(20000);
  for (std::uint64_t n = 1; n <= 4; ++n) {
    fs::create_directories(library.backups());
    ForgetfulDisk disk(library.backups());
    disk.fail_from(ForgetfulDisk::Call::write, n, ENOSPC);
    Files files(disk);
    const Error error =
        error_of([&] { create(library.session(), library.request(), machine_of(files), soon_enough()); });
    EXPECT_EQ(error.kind, ErrorKind::no_space);
    EXPECT_THAT(names_in(library.backups()), ElementsAre());
  }
}

TEST(CreateServerBackup, IsGoodOrNotThereWhicheverCallFails) {
  DumpedLibrary library(5);
  for (std::uint64_t n = 1;; ++n) {
    SCOPED_TRACE("call " + std::to_string(n) + " fails");
    fs::remove_all(library.backups());
    fs::create_directory(library.backups());
    ForgetfulDisk disk(library.backups());
    disk.fail(ForgetfulDisk::Call::any, n, EIO);
    Files files(disk);
    bool made = false;
    try {
      create(library.session(), library.request(), machine_of(files), soon_enough());
      made = true;
    } catch (const Error& error) {
      EXPECT_THAT(error.kind, AnyOf(ErrorKind::io, ErrorKind::no_space));
    }
    disk.repair();
    const Catalogue catalogue = list(library.backups(), files);
    EXPECT_THAT(catalogue.problems, ElementsAre());
    EXPECT_TRUE(!made || catalogue.backups.size() == 1);
    for (const Manifest& backup : catalogue.backups) EXPECT_TRUE(verify(backup, files, soon_enough()).good());
    remove_leftovers(library.backups(), files);
    EXPECT_EQ(names_in(library.backups()).size(), 2 * catalogue.backups.size());
    if (disk.count(ForgetfulDisk::Call::any) < n) return;
  }
}

TEST(CreateServerBackup, LeavesNothingWhenTheServerGoesAwayInTheMiddle) {
  MariaDb server;
  const std::string url = server.new_database("gone");
  server.client("gone",
                "CREATE TABLE t (a INT PRIMARY KEY, b CHAR(200)); INSERT INTO t SELECT seq, REPEAT('x', 200) FROM "
                "seq_1_to_50000");
  const auto session =
      database::open(value_or_throw(database::parse_url(url)), "/", database::Access::existing, soon_enough());
  const DumpedLibrary library(1);
  Files files;
  const Error error = error_of([&] {
    create(*session, library.request(), machine_of(files), soon_enough(),
           [&](std::string_view, auto, auto) { kill(server.pid(), SIGKILL); });
  });
  EXPECT_EQ(error.kind, ErrorKind::unavailable);
  EXPECT_THAT(names_in(library.backups()), ElementsAre());
}

TEST(CreateServerBackup, KilledAtAnyTimeItLeavesABackupOrALeftover) {
  DumpedLibrary library(30000);
  for (const int at : {1, 2, 3}) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      Files files;
      const auto session = database::open(library.url(), "/", database::Access::existing, soon_enough());
      int calls = 0;
      create(*session, library.request(), machine_of(files), soon_enough(), [&](std::string_view, auto, auto) {
        if (++calls == at) kill(getpid(), SIGKILL);
      });
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status));
    Files files;
    const Catalogue catalogue = list(library.backups(), files);
    EXPECT_THAT(catalogue.problems, ElementsAre());
    EXPECT_THAT(catalogue.backups, testing::IsEmpty());
    EXPECT_FALSE(names_in(library.backups()).empty());
    remove_leftovers(library.backups(), files);
    EXPECT_THAT(names_in(library.backups()), ElementsAre());
  }
}

}  // namespace
}  // namespace deployer::backups
