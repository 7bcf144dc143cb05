#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <thread>

#include "database/mariadb/watcher.h"
#include "database/session.h"
#include "support/folder.h"
#include "support/mariadb.h"

namespace deployer::database {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

Deadline soon() { return Deadline::after(seconds(30)); }

std::unique_ptr<Session> session_of(const std::string& url, const Deadline& deadline = soon()) {
  return open(value_or_throw(parse_url(url)), "/", Access::existing, deadline);
}

SqlError session_error(const std::function<void()>& act) {
  try {
    act();
  } catch (const SqlError& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return SqlError(ErrorKind::internal, "", 0);
}

SqlError refusal_of(const std::string& url) {
  return session_error([&] { session_of(url); });
}

std::string first_text(Session& session, const std::string& sql) {
  return as_text(session.query(sql, soon()).rows.at(0).at(0));
}

bool stands_in(const std::string& text, std::string_view piece) { return text.find(piece) != std::string::npos; }

/// An authority of this test's own, and certificates that it has signed.
class Certificates {
 public:
  Certificates() {
    fs::permissions(folder_.path(), fs::perms::all);
    authority("ca");
    authority("stranger");
    certificate("server", "subjectAltName=IP:127.0.0.1", 30);
    certificate("old", "subjectAltName=IP:127.0.0.1", -1);
    certificate("client", "extendedKeyUsage=clientAuth", 30);
    serve("server");
  }

  std::string file(const std::string& name) const { return (folder_ / name).string(); }
  /// Lays this certificate where the server looks for its own.
  void serve(const std::string& name) const {
    for (const char* suffix : {".pem", ".key"}) {
      fs::copy_file(file(name + suffix), file(std::string("served") + suffix), fs::copy_options::overwrite_existing);
    }
  }

 private:
  void openssl(const std::string& words) const {
    const std::string line = "cd " + folder_.path().string() + " && umask 022 && openssl " + words + " >>log 2>&1";
    if (std::system(line.c_str()) != 0) throw std::runtime_error("openssl: " + test::read_file(folder_ / "log"));
  }
  void authority(const std::string& name) const {
    openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=" + name + " -keyout " +
            name + ".key -out " + name + ".pem");
  }
  void certificate(const std::string& name, const std::string& extension, int days) const {
    folder_.write(name + ".ext", extension + "\n");
    openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" + name + " -keyout " + name +
            ".key -out " + name + ".csr");
    openssl("x509 -req -in " + name + ".csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile " + name + ".ext -days " +
            std::to_string(days) + " -out " + name + ".pem");
    // The server runs as another user where the test runs as root.
    fs::permissions(file(name + ".key"), fs::perms::group_read | fs::perms::others_read, fs::perm_options::add);
  }

  test::Folder folder_;
};

struct TlsServer {
  Certificates certificates;
  test::MariaDb server{{.tcp = true,
                        .extra = "--ssl-ca=" + certificates.file("ca.pem") + " --ssl-cert=" +
                                 certificates.file("served.pem") + " --ssl-key=" + certificates.file("served.key")}};

  std::string url(const std::string& user, const std::string& host, const std::string& query) const {
    return "mysql://" + user + ":secret99@" + host + ":" + std::to_string(server.port()) + "/b?" + query;
  }
  std::string app(const std::string& query, const std::string& host = "127.0.0.1") const {
    return url("app", host, query);
  }
  std::string ca(const std::string& name = "ca") const { return "ssl_ca=" + certificates.file(name + ".pem"); }
};

void verifies_who_the_server_is(const TlsServer& tls) {
  EXPECT_NE(first_text(*session_of(tls.app("ssl_mode=required")), "SHOW STATUS LIKE 'Ssl_version'"), "");
  const auto cipher_of = [](const std::string& url) {
    return as_text(session_of(url)->query("SHOW STATUS LIKE 'Ssl_cipher'", soon()).rows.at(0).at(1));
  };
  EXPECT_NE(cipher_of(tls.app("ssl_mode=preferred")), "");
  EXPECT_EQ(cipher_of(tls.app("ssl_mode=disabled")), "");
  EXPECT_NE(cipher_of(tls.app("ssl_mode=verify_ca&" + tls.ca())), "");
  EXPECT_NE(cipher_of(tls.app("ssl_mode=verify_ca&" + tls.ca(), "localhost")), "");
  EXPECT_NE(cipher_of(tls.app("ssl_mode=verify_identity&" + tls.ca())), "");

  const SqlError stranger = refusal_of(tls.app("ssl_mode=verify_ca&" + tls.ca("stranger")));
  EXPECT_EQ(stranger.kind, ErrorKind::unavailable);
  EXPECT_EQ(stranger.code, 2026);
  EXPECT_TRUE(stands_in(stranger.message, "cannot connect to mysql://app@127.0.0.1:")) << stranger.message;
  EXPECT_EQ(stranger.hint, "the server's certificate is not signed by the authority in ssl_ca: check that file")
      << stranger.message;

  const SqlError other_name = refusal_of(tls.app("ssl_mode=verify_identity&" + tls.ca(), "localhost"));
  EXPECT_EQ(other_name.code, 2026);
  EXPECT_EQ(other_name.hint,
            "the server's certificate does not name localhost: use the name that it has, or ssl_mode=verify_ca")
      << other_name.message;

  const SqlError no_file = refusal_of(tls.app("ssl_mode=verify_ca&" + tls.ca("nowhere")));
  EXPECT_EQ(no_file.code, 2026);
  EXPECT_EQ(no_file.hint, "check the files of ssl_ca, ssl_cert and ssl_key") << no_file.message;
}

void shows_who_the_client_is(const TlsServer& tls) {
  tls.server.client("", "CREATE USER x@'%' IDENTIFIED BY 'secret99' REQUIRE X509; GRANT ALL ON b.* TO x@'%'");
  const std::string proof =
      "&ssl_cert=" + tls.certificates.file("client.pem") + "&ssl_key=" + tls.certificates.file("client.key");
  EXPECT_EQ(first_text(*session_of(tls.url("x", "127.0.0.1", "ssl_mode=verify_ca&" + tls.ca() + proof)), "SELECT 7"),
            "7");
  const SqlError without = refusal_of(tls.url("x", "127.0.0.1", "ssl_mode=verify_ca&" + tls.ca()));
  EXPECT_EQ(without.kind, ErrorKind::database);
  EXPECT_EQ(without.code, 1045);
  EXPECT_TRUE(stands_in(without.hint, "REQUIRE X509 needs ssl_cert and ssl_key")) << without.hint;

  tls.server.client("", "CREATE USER s@'%' IDENTIFIED BY 'secret99' REQUIRE SSL; GRANT ALL ON b.* TO s@'%'");
  const SqlError plain = refusal_of(tls.url("s", "127.0.0.1", "ssl_mode=disabled"));
  EXPECT_EQ(plain.code, 1045);
  EXPECT_TRUE(stands_in(plain.hint, "say ssl_mode=required")) << plain.hint;
}

void refuses_an_old_certificate(const TlsServer& tls) {
  tls.certificates.serve("old");
  tls.server.client("", "FLUSH SSL");
  const SqlError old = refusal_of(tls.app("ssl_mode=verify_ca&" + tls.ca()));
  EXPECT_EQ(old.kind, ErrorKind::unavailable);
  EXPECT_EQ(old.code, 2026);
  EXPECT_EQ(old.hint, "the server's certificate is over: renew it on the server, then FLUSH SSL there") << old.message;
}

TEST(MariaDbSession, VerifiesTheServersCertificateAndShowsItsOwn) {
  const TlsServer tls;
  tls.server.client("", "CREATE DATABASE b; CREATE USER app@'%' IDENTIFIED BY 'secret99'; GRANT ALL ON b.* TO app@'%'");
  verifies_who_the_server_is(tls);
  shows_who_the_client_is(tls);
  refuses_an_old_certificate(tls);
}

void refuses_what_it_was_told_wrong(const test::MariaDb& server) {
  const std::string at = "@127.0.0.1:" + std::to_string(server.port());
  server.client("", "CREATE DATABASE b; CREATE USER app@'%' IDENTIFIED BY 'secret99'; GRANT ALL ON b.* TO app@'%'");

  const SqlError plain = refusal_of("mysql://app:secret99" + at + "/b?ssl_mode=required");
  EXPECT_EQ(plain.kind, ErrorKind::unavailable);
  EXPECT_EQ(plain.message, "cannot connect to mysql://app" + at + "/b: the server does not support TLS");
  EXPECT_EQ(plain.hint, "set up TLS on the server, or say ssl_mode=preferred");

  // To verify the name means to insist on TLS before the login: the wrong password is not even tried.
  const SqlError insists = refusal_of("mysql://app:hunter2" + at + "/b?ssl_mode=verify_identity");
  EXPECT_EQ(insists.code, 2026);
  EXPECT_EQ(insists.hint, "set up TLS on the server, or say ssl_mode=preferred") << insists.message;

  const SqlError wrong = refusal_of("mysql://app:hunter2" + at + "/b");
  EXPECT_EQ(wrong.kind, ErrorKind::database);
  EXPECT_EQ(wrong.code, 1045);
  EXPECT_EQ(wrong.message, "cannot connect to mysql://app" + at +
                               "/b: Access denied for user 'app'@'127.0.0.1' (using password: YES)");
  EXPECT_TRUE(stands_in(wrong.hint, "check user and password of the database URL")) << wrong.hint;
  EXPECT_FALSE(stands_in(wrong.text(), "hunter2"));

  const SqlError schema = refusal_of("mysql://root" + at + "/missing");
  EXPECT_EQ(schema.code, 1049);
  EXPECT_EQ(schema.message, "cannot connect to mysql://root" + at + "/missing: Unknown database 'missing'");
  EXPECT_EQ(schema.hint, "an administrator makes it by CREATE DATABASE `missing` CHARACTER SET utf8mb4");

  const SqlError foreign = refusal_of("mysql://app:secret99" + at + "/mysql");
  EXPECT_EQ(foreign.code, 1044);
  EXPECT_EQ(foreign.hint,
            "an administrator gives it by GRANT ALL PRIVILEGES ON `mysql`.* TO 'app'@'…'; SELECT CURRENT_USER() names "
            "the account");

  const SqlError host = refusal_of("mysql://app:secret99@no-such-host.invalid/b");
  EXPECT_EQ(host.kind, ErrorKind::unavailable);
  EXPECT_EQ(host.code, 2005) << host.message;
  EXPECT_EQ(host.hint, "check the host of the database URL, and that this machine can look it up");
  EXPECT_FALSE(stands_in(host.text(), "secret99"));
}

void keeps_the_connection_alive(const test::MariaDb& server) {
  // The session's socket is the only one of this process that is connected to the server.
  const auto session = session_of("mysql://root@127.0.0.1:" + std::to_string(server.port()) + "/b");
  int found = 0;
  for (int fd = 3; fd < 200; ++fd) {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0 || peer.sin_family != AF_INET ||
        ntohs(peer.sin_port) != server.port()) {
      continue;
    }
    ++found;
    const auto option = [fd](int level, int name) {
      int value = 0;
      socklen_t length = sizeof value;
      EXPECT_EQ(getsockopt(fd, level, name, &value, &length), 0);
      return value;
    };
    EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 30);
    EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPINTVL), 10);
    EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPCNT), 6);
  }
  EXPECT_EQ(found, 1);
}

/// A server that goes away while a statement of it runs, and while another's result is read.
void survives_the_death_of_the_server(const test::MariaDb& server) {
  const auto session = session_of("mysql://root@127.0.0.1:" + std::to_string(server.port()) + "/b");
  std::thread killer([&] {
    while (server.client("", "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'DO SLEEP%'") !=
           "1\n") {
    }
    kill(server.pid(), SIGKILL);
  });
  const SqlError gone = session_error([&] { session->execute("DO SLEEP(60)", soon()); });
  killer.join();
  EXPECT_EQ(gone.kind, ErrorKind::unavailable);
  EXPECT_EQ(gone.code, 2013);
  const SqlError still = session_error([&] { session->query("SELECT 1", soon()); });
  EXPECT_EQ(still.kind, ErrorKind::unavailable);
  EXPECT_EQ(still.code, 2006);
  EXPECT_THROW(session->begin(soon()), SqlError);
  const SqlError nobody = refusal_of("mysql://root@127.0.0.1:" + std::to_string(server.port()) + "/b");
  EXPECT_EQ(nobody.kind, ErrorKind::unavailable);
  EXPECT_EQ(nobody.hint, "look whether the server runs and takes connections at host 127.0.0.1 port " +
                             std::to_string(server.port()));
}

TEST(MariaDbSession, SaysWhatIsWrongWithAUrlOrAServer) {
  const test::MariaDb server({.tcp = true, .extra = ""});
  refuses_what_it_was_told_wrong(server);
  keeps_the_connection_alive(server);
  survives_the_death_of_the_server(server);
}

/// A socket that takes connections and never says a word.
class SilentServer {
 public:
  SilentServer() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(fd_, 8) != 0 ||
        getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("no listening socket");
    }
    url_ = "mysql://app:secret99@127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/b";
  }
  ~SilentServer() { close(fd_); }
  const std::string& url() const { return url_; }

 private:
  int fd_;
  std::string url_;
};

TEST(MariaDbSession, WaitsForASilentServerNoLongerThanItMay) {
  const SilentServer server;
  const auto begin = Deadline::Clock::now();
  const SqlError late =
      session_error([&] { session_of(server.url(), Deadline::after(std::chrono::milliseconds(50))); });
  EXPECT_EQ(late.kind, ErrorKind::timed_out);
  EXPECT_TRUE(stands_in(late.message, "/b: timed out")) << late.message;

  std::stop_source source;
  std::thread stopper([&] {
    Deadline::never().sleep(std::chrono::milliseconds(30));
    source.request_stop();
  });
  const SqlError stopped = session_error([&] { session_of(server.url(), Deadline::never(source.get_token())); });
  stopper.join();
  EXPECT_EQ(stopped.kind, ErrorKind::cancelled);
  EXPECT_LT(Deadline::Clock::now() - begin, std::chrono::milliseconds(900))
      << "only the deadline and the stop end these";

  Url url = value_or_throw(parse_url(server.url()));
  url.connect_timeout = std::chrono::milliseconds(100);
  const SqlError silent = session_error([&] { open(url, "/", Access::existing, soon()); });
  EXPECT_EQ(silent.kind, ErrorKind::unavailable);
  EXPECT_TRUE(stands_in(silent.message, "/b: no answer within 1 s")) << silent.message;
  EXPECT_FALSE(stands_in(silent.text(), "secret99"));
}

std::string shared_url() {
  static const std::string url = test::shared_mariadb().new_database("session");
  return url;
}

std::unique_ptr<Session> impatient_session() {
  Url url = value_or_throw(parse_url(shared_url()));
  url.read_timeout = std::chrono::milliseconds(100);
  return open(url, "/", Access::existing, soon());
}

void ends_a_read_that_the_server_keeps_waiting() {
  const auto session = impatient_session();
  const SqlError silent = session_error([&] { session->query("SELECT SLEEP(30) FROM dual", soon()); });
  EXPECT_EQ(silent.kind, ErrorKind::timed_out);
  EXPECT_EQ(silent.message, "the server was silent for 1 s (read_timeout); the statement was interrupted");
  EXPECT_EQ(first_text(*session, "SELECT 7"), "7") << "the session goes on";
}

/// A change is never ended by the URL's read time-out, nor is a reader that takes its time with the rows.
void lets_a_change_take_its_time() {
  const auto session = impatient_session();
  session->execute("CREATE TABLE slow (id INT PRIMARY KEY)", soon());
  EXPECT_EQ(session->execute("INSERT INTO slow SELECT SLEEP(0.15)", soon()), 1);
  const auto holder = session_of(shared_url());
  EXPECT_EQ(first_text(*holder, "SELECT GET_LOCK('held', 0)"), "1");
  EXPECT_EQ(first_text(*session, "SELECT GET_LOCK('held', 0.2)"), "0") << "a wait for a lock is bounded by itself";
  int rows = 0;
  session->stream("SELECT 1 UNION ALL SELECT 2", {}, soon(), [&](const Row&) {
    if (++rows == 1) Deadline::never().sleep(std::chrono::milliseconds(150));
  });
  EXPECT_EQ(rows, 2);
}

TEST(MariaDbSession, BoundsTheSilenceOfReadsOnly) {
  ends_a_read_that_the_server_keeps_waiting();
  lets_a_change_take_its_time();
}

void undoes_an_interrupted_change() {
  const auto session = session_of(shared_url());
  session->execute("CREATE TABLE rebuilt (id INT PRIMARY KEY, t VARCHAR(200))", soon());
  session->execute("INSERT INTO rebuilt SELECT seq, REPEAT('x', 200) FROM seq_1_to_2000", soon());
  const std::string before = as_text(session->query("SHOW CREATE TABLE rebuilt", soon()).rows.at(0).at(1));
  const auto interrupted = [&](const std::string& sql) {
    const SqlError late = session_error([&] { session->execute(sql, Deadline::after(std::chrono::milliseconds(60))); });
    EXPECT_EQ(late.kind, ErrorKind::timed_out) << sql;
    EXPECT_EQ(late.code, 1317) << sql;
  };
  interrupted("UPDATE rebuilt SET t = CONCAT(SLEEP(0.01), 'y')");
  interrupted("CREATE TABLE copied AS SELECT SLEEP(0.01) FROM rebuilt");
  const auto reader = session_of(shared_url());
  reader->begin(soon());
  reader->query("SELECT COUNT(*) FROM rebuilt", soon());
  interrupted("ALTER TABLE rebuilt ADD COLUMN n INT, ALGORITHM=COPY");
  reader->rollback();
  EXPECT_EQ(as_text(session->query("SHOW CREATE TABLE rebuilt", soon()).rows.at(0).at(1)), before);
  EXPECT_EQ(first_text(*session, "SELECT COUNT(*) FROM rebuilt WHERE t LIKE '%y'"), "0");
  EXPECT_TRUE(session->query("SHOW TABLES LIKE 'copied'", soon()).empty());
}

void keeps_characters_of_four_bytes() {
  const auto session = session_of(shared_url());
  const std::string text = "\xf0\x9f\x93\x9a \xf0\x9d\x94\x98 caf\xc3\xa9";
  session->execute("CREATE TABLE signs (id INT PRIMARY KEY, t VARCHAR(40) CHARACTER SET utf8mb4)", soon());
  session->execute("INSERT INTO signs VALUES (1, ?)", {text}, soon());
  session->execute("INSERT INTO signs VALUES (2, '" + text + "')", soon());
  const Rows rows = session->query("SELECT t, CHAR_LENGTH(t), HEX(t) FROM signs ORDER BY id", soon());
  EXPECT_EQ(rows.rows.at(0), rows.rows.at(1));
  EXPECT_EQ(as_text(rows.rows.at(0).at(0)), text);
  EXPECT_EQ(as_text(rows.rows.at(0).at(1)), "8");
}

std::size_t resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmRSS:", 0) == 0) return std::stoul(line.substr(6));
  }
  throw std::runtime_error("no VmRSS");
}

void streams_in_flat_memory() {
  const auto session = session_of(shared_url());
  std::size_t rows = 0;
  std::size_t bytes = 0;
  std::size_t early = 0;
  session->stream("SELECT seq, REPEAT('x', 1000) FROM seq_1_to_100000", {}, soon(), [&](const Row& row) {
    bytes += as_text(row.at(1)).size();
    if (++rows == 1000) early = resident_kib();
  });
  EXPECT_EQ(rows, 100'000U);
  EXPECT_EQ(bytes, 100'000'000U);
  EXPECT_LT(resident_kib(), early + 8 * 1024) << "KiB; the result has 95 MiB";
}

void stays_dead_when_killed() {
  const auto session = session_of(shared_url());
  test::shared_mariadb().client("", "KILL " + std::to_string(session->server().connection_id));
  const SqlError killed = session_error([&] { session->execute("INSERT INTO signs VALUES (3, 'a')", soon()); });
  EXPECT_EQ(killed.kind, ErrorKind::unavailable);
  EXPECT_TRUE(killed.code == 1927 || killed.code == 2006 || killed.code == 2013) << killed.code;
  for (int i = 0; i < 3; ++i) {
    const SqlError again = session_error([&] { session->query("SELECT 1", soon()); });
    EXPECT_EQ(again.kind, ErrorKind::unavailable);
    EXPECT_TRUE(again.code == 2006 || again.code == 2013) << again.code;
  }
  EXPECT_EQ(first_text(*session_of(shared_url()), "SELECT COUNT(*) FROM signs"), "2");
}

TEST(MariaDbSession, InterruptsStreamsAndKeepsWhatItIsGiven) {
  undoes_an_interrupted_change();
  keeps_characters_of_four_bytes();
  streams_in_flat_memory();
  stays_dead_when_killed();
}

TEST(MariaDbSession, TellsAFullServerFromARefusal) {
  const auto session = session_of(shared_url());
  session->execute("SET SESSION max_heap_table_size = 16384", soon());
  session->execute("CREATE TABLE small (t CHAR(200)) ENGINE=MEMORY", soon());
  const SqlError full =
      session_error([&] { session->execute("INSERT INTO small SELECT 'x' FROM seq_1_to_1000", soon()); });
  EXPECT_EQ(full.kind, ErrorKind::no_space);
  EXPECT_EQ(full.code, 1114);
  EXPECT_EQ(full.hint, "make room on the server's disk (or raise the limit of the table), then run again");
}

std::string hint_for(Session& session, const std::string& sql) {
  const SqlError error = session_error([&] { session.execute(sql, soon()); });
  EXPECT_EQ(error.kind, ErrorKind::database) << error.message;
  return error.hint.empty() ? error.message : error.hint.substr(0, error.hint.find("; SELECT CURRENT_USER()"));
}

TEST(MariaDbSession, SaysWhichPrivilegeToGive) {
  test::MariaDb& server = test::shared_mariadb();
  const std::string url = shared_url();
  server.client("session",
                "CREATE TABLE closed (id INT, secret INT); CREATE PROCEDURE p() SELECT 1;"
                "CREATE USER weak@localhost; GRANT SELECT (id), INSERT ON session.closed TO weak@localhost");
  const auto weak = session_of("mysql://weak@localhost/session?socket=" + server.socket());
  const std::string gives = "an administrator gives it by GRANT ";
  EXPECT_EQ(hint_for(*weak, "DROP TABLE closed"), gives + "DROP ON `session`.* TO 'weak'@'…'");
  EXPECT_EQ(hint_for(*weak, "ALTER TABLE session.closed ADD a INT"), gives + "ALTER ON `session`.* TO 'weak'@'…'");
  EXPECT_EQ(hint_for(*weak, "SELECT secret FROM closed"), gives + "SELECT ON `session`.* TO 'weak'@'…'");
  EXPECT_EQ(hint_for(*weak, "CALL p()"), gives + "EXECUTE ON `session`.* TO 'weak'@'…'");
  EXPECT_EQ(hint_for(*weak, "CREATE DATABASE an_other"), gives + "ALL PRIVILEGES ON `an\\_other`.* TO 'weak'@'…'");
  EXPECT_EQ(hint_for(*weak, "SET GLOBAL read_only = 1"), gives + "READ_ONLY ADMIN ON *.* TO 'weak'@'…'");
  EXPECT_EQ(hint_for(*weak, "SHOW BINARY LOGS"), gives + "BINLOG MONITOR ON *.* TO 'weak'@'…'");
  EXPECT_EQ(hint_for(*weak, "SELECT * FROM information_schema.INNODB_SYS_TABLES"),
            gives + "PROCESS ON *.* TO 'weak'@'…'");

  server.client("", "GRANT ALL ON session.* TO weak@localhost; SET GLOBAL read_only = 1");
  const auto writer = session_of("mysql://weak@localhost/session?socket=" + server.socket());
  const SqlError read_only = session_error([&] { writer->execute("INSERT INTO closed VALUES (1, 1)", soon()); });
  server.client("", "SET GLOBAL read_only = 0");
  EXPECT_EQ(read_only.kind, ErrorKind::database);
  EXPECT_EQ(read_only.code, 1290);
  EXPECT_EQ(read_only.hint,
            "the server is read-only: it is a replica, or somebody has set read_only; name the server that takes "
            "writes, or let an administrator SET GLOBAL read_only = 0");
  // 1290 of another option.
  EXPECT_FALSE(
      stands_in(session_error([&] { session_of(url)->execute("SELECT 1 INTO OUTFILE '/nowhere/x'", soon()); }).hint,
                "read-only"));
}

TEST(MariaDbWatcher, CutsTheConnectionWhereTheServerCannotBeTold) {
  std::atomic<int> told = 0;
  std::atomic<bool> cut = false;
  MariaDbWatcher watcher(
      [&] {
        ++told;
        return false;
      },
      [&] { cut = true; }, std::chrono::milliseconds(5));
  watcher.arm(Deadline::after(std::chrono::milliseconds(1)));
  const Deadline patience = soon();
  while (!cut && !patience.expired()) patience.sleep(std::chrono::milliseconds(1));
  EXPECT_TRUE(watcher.disarm());
  EXPECT_GE(told, 3);
}

}  // namespace
}  // namespace deployer::database
