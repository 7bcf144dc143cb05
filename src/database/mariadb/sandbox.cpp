#include "database/mariadb/sandbox.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/id.h"
#include "database/dialect.h"
#include "database/mariadb/sandbox_home.h"
#include "database/mariadb/sandbox_likeness.h"
#include "database/mariadb/sandbox_process.h"
#include "database/mariadb/sandbox_programs.h"
#include "database/mariadb/sandbox_template.h"
#include "database/server.h"
#include "system/files.h"
#include "system/machine.h"
#include "system/process.h"

namespace deployer::database {

namespace {

namespace fs = std::filesystem;

/// Its own, so that no account that a migration makes, drops or locks is the one that the rehearsal works with.
constexpr std::string_view administrator = "deployer-sandbox";
constexpr Duration between_looks = std::chrono::milliseconds(10);
constexpr std::uint64_t space_to_start = std::uint64_t{128} * 1024 * 1024;  // data 34 MB, temporary files, undo

/// A text as a literal under sql_mode ''.
std::string sandbox_literal(std::string_view text) {
  std::string literal = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') literal += '\\';
    literal += c;
  }
  return literal + "'";
}

std::vector<std::string> server_words(const SandboxPrograms& programs, const SandboxHome& home,
                                      const SandboxLikeness& like) {
  const std::string folder = home.server().string();
  std::vector<std::string> words = {
      programs.server.string(), "--no-defaults", "--datadir=" + folder + "/data", "--socket=" + home.socket().string(),
      "--pid-file=" + folder + "/pid", "--tmpdir=" + folder + "/tmp", "--init-file=" + folder + "/init.sql",
      // Nothing leads out of it: no network, no file but those of its folder, no library, no replication.
      "--skip-networking", "--secure-file-priv=" + folder + "/files", "--local-infile=0", "--skip-symbolic-links",
      "--plugin-dir=" + folder + "/plugins", "--skip-slave-start", "--skip-log-bin", "--event-scheduler=OFF",
      "--skip-name-resolve",
      // It is thrown away at its end, so nothing need be durable.
      "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--innodb-fast-shutdown=2",
      "--innodb-buffer-pool-size=64M", sandbox_log_size, "--innodb-buffer-pool-load-at-startup=0",
      "--key-buffer-size=1M", "--aria-pagecache-buffer-size=8M", "--performance-schema=OFF", "--max-connections=32"};
  if (like.page_size != "16384") words.push_back("--innodb-page-size=" + like.page_size);
  words.push_back("--default-time-zone=" + like.time_zone);
  // loose: another release of the series may not know each of them.
  for (const auto& [name, value] : like.settings) words.push_back("--loose-" + name + "=" + value);
  return words;
}

class MariaDbSandbox : public Sandbox {
 public:
  MariaDbSandbox(const SandboxLikeness& like, const SandboxPrograms& programs, const fs::path& folder,
                 const Machine& machine, const Deadline& deadline)
      : like_(like), home_(folder, machine.files), password_(random_hex(32)) {
    need_space(machine);
    fill_sandbox_data(home_, programs, like_, folder.parent_path(), machine, deadline);
    write_init_file(machine);
    server_.emplace(home_, sandbox_command(programs, home_, machine, server_words(programs, home_, like_)), machine);
    const std::unique_ptr<Session> session = wait_until_ready(deadline);
    session->execute("SET SESSION sql_mode = ''", deadline);
    create_schema(*session, deadline);
    for (const std::string& account : like_.accounts) create_account(*session, account, deadline);
  }

  std::unique_ptr<Session> open(const Deadline& deadline) override {
    std::unique_ptr<Session> session = connect(like_.schema, deadline);
    if (session->dialect().server()->take_lock(*session, Duration(0), deadline)) return session;
    throw Error(ErrorKind::failed, "another session of the sandbox holds the lock of its schema");
  }

  void reset(const Deadline& deadline) override {
    const std::unique_ptr<Session> session = connect("", deadline);
    session->execute("DROP DATABASE IF EXISTS " + session->dialect().quote(like_.schema), deadline);
    create_schema(*session, deadline);
  }

 private:
  void need_space(const Machine& machine) const {
    const std::uint64_t free = machine.files.free_space(home_.path());
    if (free >= space_to_start) return;
    throw Error(ErrorKind::no_space, fmt::format("{} has {} MiB left, and a sandbox needs {} MiB to start",
                                                 home_.path().string(), free >> 20U, space_to_start >> 20U));
  }

  /// What the server runs before it lets anybody in: the administrator, and nobody else without a password.
  void write_init_file(const Machine& machine) const {
    const fs::path file = home_.server() / "init.sql";
    machine.files.publish(file,
                          fmt::format("CREATE USER '{0}'@'localhost' IDENTIFIED BY '{1}';\n"
                                      "GRANT ALL PRIVILEGES ON *.* TO '{0}'@'localhost' WITH GRANT OPTION;\n",
                                      administrator, password_),
                          0600);
    home_.give(file);
  }

  std::unique_ptr<Session> connect(const std::string& schema, const Deadline& deadline) const {
    Url url;
    url.engine = Engine::mariadb;
    url.socket = home_.socket().string();
    url.user = administrator;
    url.password = password_;
    url.name = schema;
    url.ssl_mode = SslMode::disabled;
    return database::open(url, home_.path(), Access::existing, deadline);
  }

  std::unique_ptr<Session> wait_until_ready(const Deadline& deadline) const {
    while (true) {
      deadline.check("starting the sandbox");
      if (server_->has_ended()) {
        throw Error(tells_full_disk(server_->log()) ? ErrorKind::no_space : ErrorKind::failed,
                    "the server of the sandbox ended while it started: " + last_words(server_->log()));
      }
      try {
        if (fs::exists(home_.socket())) return connect("", deadline);
      } catch (const SqlError& error) {
        if (error.kind != ErrorKind::unavailable) throw;
      }
      deadline.sleep(between_looks);
    }
  }

  void create_schema(Session& session, const Deadline& deadline) const {
    session.execute(fmt::format("CREATE DATABASE {} CHARACTER SET {} COLLATE {}", session.dialect().quote(like_.schema),
                                like_.character_set, like_.collation),
                    deadline);
  }

  /// One that nobody can log in with. It may do all, since who may do what is not what is rehearsed.
  static void create_account(Session& session, const std::string& account, const Deadline& deadline) {
    const std::size_t at = account.rfind('@');
    if (at == std::string::npos || at + 1 == account.size()) {
      const std::string role = sandbox_literal(account.substr(0, at));
      session.execute("CREATE ROLE IF NOT EXISTS " + role, deadline);
      session.execute("GRANT ALL PRIVILEGES ON *.* TO " + role, deadline);
      return;
    }
    const std::string name = sandbox_literal(account.substr(0, at)) + "@" + sandbox_literal(account.substr(at + 1));
    session.execute("CREATE USER IF NOT EXISTS " + name + " ACCOUNT LOCK", deadline);
    session.execute("GRANT ALL PRIVILEGES ON *.* TO " + name, deadline);
  }

  SandboxLikeness like_;
  SandboxHome home_;
  std::string password_;
  std::optional<SandboxProcess> server_;  // ends before its home is removed
};

}  // namespace

std::unique_ptr<Sandbox> start_mariadb_sandbox(Session& like, const fs::path& folder, const Machine& machine,
                                               const Deadline& deadline) {
  if (like.server().product != "MariaDB") {
    throw Error(ErrorKind::invalid, "this version has no sandbox for " + like.server().product,
                "rehearse: false, or --no-rehearse, leaves the rehearsal out");
  }
  const SandboxLikeness likeness = sandbox_likeness(like, deadline);
  const SandboxPrograms programs = sandbox_programs(like.server(), machine, deadline);
  return std::make_unique<MariaDbSandbox>(likeness, programs, folder, machine, deadline);
}

}  // namespace deployer::database
