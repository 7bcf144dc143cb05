#include "database/mariadb/dump_tool.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "database/dialect.h"
#include "database/mariadb/tools.h"
#include "system/machine.h"
#include "system/process.h"

namespace deployer::database {

namespace {

constexpr std::size_t dump_definitions_limit = std::size_t{1} << 30;
constexpr std::size_t dump_complaint_limit = 4096;

/// A file in memory alone: it is gone with the last process that has it, however that ends.
class OptionFile {
 public:
  explicit OptionFile(const std::string& text) : fd_(::memfd_create("options", MFD_CLOEXEC)) {
    if (fd_ < 0) fail();
    // The tools pass over an option file that others may write.
    if (::fchmod(fd_, 0600) != 0) fail();
    for (std::size_t done = 0; done < text.size();) {
      const ssize_t wrote = ::write(fd_, text.data() + done, text.size() - done);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) fail();
      done += static_cast<std::size_t>(wrote);
    }
  }
  ~OptionFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  OptionFile(const OptionFile&) = delete;
  OptionFile& operator=(const OptionFile&) = delete;

  int fd() const { return fd_; }
  std::string path() const { return fmt::format("/proc/self/fd/{}", fd_); }

 private:
  [[noreturn]] void fail() {
    const std::string why = std::strerror(errno);
    if (fd_ >= 0) ::close(fd_);
    throw Error(ErrorKind::io, "cannot hand the password to mariadb-dump: " + why);
  }

  int fd_;
};

/// A value of an option file (MariaDB Knowledge Base, "Configuring MariaDB with Option Files").
std::string option_value(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    switch (c) {
      case '\\':
      case '"':
      case '\'':
        quoted += '\\';
        quoted += c;
        break;
      case '\n':
        quoted += "\\n";
        break;
      case '\r':
        quoted += "\\r";
        break;
      case '\t':
        quoted += "\\t";
        break;
      case '\0':
        throw Error(ErrorKind::invalid, "the database URL holds a byte that no tool of the database takes");
      default:
        quoted += c;
    }
  }
  return quoted + '"';
}

bool speaks_tls(Session& session, const Deadline& deadline) {
  const Rows rows = session.query("SHOW STATUS LIKE 'Ssl_cipher'", deadline);
  return !rows.empty() && !as_text(rows.rows[0].at(1)).empty();
}

std::string connection_options(Session& session, const Deadline& deadline) {
  const Url& url = session.url();
  std::string text = "[client]\n";
  const auto option = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) text += fmt::format("{}={}\n", name, option_value(value));
  };
  option("user", url.user);
  option("password", url.password);
  if (url.socket.empty()) {
    option("host", url.host);
    text += fmt::format("port={}\nprotocol=TCP\n", url.port);
  } else {
    option("socket", url.socket);
    text += "protocol=SOCKET\n";
  }
  const bool mysql = session.server().product == "MySQL";
  if (!speaks_tls(session, deadline)) {
    // Each family of tools knows one of the two, and says of the other that it does not.
    text += mysql ? "loose-skip-ssl\nloose-ssl-mode=DISABLED\n" : "skip-ssl\n";
    return text;
  }
  const bool identity = url.ssl_mode == SslMode::verify_identity;
  const bool authority = url.ssl_mode == SslMode::verify_ca;
  if (mysql) {
    text += fmt::format("loose-ssl\nloose-ssl-mode={}\nloose-ssl-verify-server-cert={}\n",
                        identity    ? "VERIFY_IDENTITY"
                        : authority ? "VERIFY_CA"
                                    : "REQUIRED",
                        identity ? 1 : 0);
  } else {
    text += fmt::format("ssl\nssl-verify-server-cert={}\n", identity ? 1 : 0);
  }
  if (identity || authority) option("ssl-ca", url.ssl_ca);
  option("ssl-cert", url.ssl_cert);
  option("ssl-key", url.ssl_key);
  return text;
}

/// What it complained of, without its own name and without warnings.
std::string complaint_of(const std::string& err) {
  std::vector<std::string> lines;
  for (const std::string& line : split(err, '\n')) {
    if (trim(line).empty() || line.starts_with("Warning:") || line.find("[Warning]") != std::string::npos) continue;
    const std::size_t colon = line.find(": ");
    const bool named = colon != std::string::npos && line.substr(0, colon).ends_with("dump");
    lines.emplace_back(trim(named ? line.substr(colon + 2) : line));
  }
  return join(lines, "; ");
}

}  // namespace

std::string run_mariadb_dump(Session& session, const std::vector<std::string>& tables,
                             const std::vector<std::string>& without, const Machine& machine,
                             const Deadline& deadline) {
  const std::string& schema = session.url().name;
  const OptionFile options(connection_options(session, deadline));
  Command command;
  command.argv = {need_mariadb_tool("mariadb-dump", machine.path).string(),
                  "--defaults-file=" + options.path(),
                  "--no-data",
                  "--skip-comments",
                  "--skip-lock-tables",
                  "--no-tablespaces",
                  "--default-character-set=utf8mb4",
                  "--triggers"};
  if (tables.empty()) command.argv.insert(command.argv.end(), {"--routines", "--events"});
  if (session.server().product == "MySQL") {
    // Of MySQL's own tool alone: GTIDs and statistics are no part of definitions.
    command.argv.insert(command.argv.end(), {"--loose-set-gtid-purged=OFF", "--loose-column-statistics=0"});
  }
  for (const std::string& name : without) command.argv.push_back(fmt::format("--ignore-table={}.{}", schema, name));
  command.argv.insert(command.argv.end(), {"--", schema});
  command.argv.insert(command.argv.end(), tables.begin(), tables.end());
  command.env = {{"PATH", machine.path}};
  command.keep_fds = {options.fd()};
  std::string out;
  std::string err;
  const Exit exit = machine.processes.run(command, deadline, [&](OutputStream stream, std::string_view piece) {
    if (stream == OutputStream::err) {
      err += piece.substr(0, dump_complaint_limit - std::min(dump_complaint_limit, err.size()));
      return;
    }
    out += piece;
    if (out.size() > dump_definitions_limit) {
      throw Error(ErrorKind::database, "the definitions of the schema are larger than 1 GiB");
    }
  });
  if (exit.kind == Exit::Kind::cancelled) throw Error(ErrorKind::cancelled, "mariadb-dump was cancelled");
  if (exit.kind == Exit::Kind::timed_out) throw Error(ErrorKind::timed_out, "mariadb-dump took too long");
  if (!exit.ok()) {
    const std::string complaint = complaint_of(err);
    const bool denied = complaint.find("denied") != std::string::npos;
    throw Error(ErrorKind::database,
                "mariadb-dump " + exit.text() + (complaint.empty() ? std::string() : ": " + complaint),
                denied ? fmt::format("GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON {}.* TO {}",
                                     session.dialect().quote(schema), session.url().user)
                       : std::string());
  }
  return out;
}

std::string mariadb_load_command(const Url& url) {
  // Without --comments the client takes comments out of bodies.
  std::vector<std::string> words = {"mariadb", "--comments", "--default-character-set=utf8mb4",
                                    "--max-allowed-packet=1G"};
  if (url.socket.empty()) {
    words.push_back("--host=" + url.host);
    words.push_back(fmt::format("--port={}", url.port));
    words.emplace_back("--protocol=TCP");
  } else {
    words.push_back("--socket=" + url.socket);
  }
  if (!url.ssl_ca.empty()) words.push_back("--ssl-ca=" + url.ssl_ca);
  if (!url.ssl_cert.empty()) words.push_back("--ssl-cert=" + url.ssl_cert);
  if (!url.ssl_key.empty()) words.push_back("--ssl-key=" + url.ssl_key);
  if (!url.user.empty()) words.push_back("--user=" + url.user);
  if (!url.password.empty()) words.emplace_back("--password");
  words.push_back(url.name);
  for (std::string& word : words) word = shell_quote(word);
  return join(words, " ");
}

}  // namespace deployer::database
