#pragma once

#include <memory>
#include <string>

namespace deployer::test {

/// A real MariaDB server of this test's own: a copy of a data folder that is prepared once a machine and user, its own
/// socket, started in the constructor (waits until it answers), killed with the object. As root it runs as `nobody`.
/// TCP on 127.0.0.1 only where `tcp` is asked for.
class MariaDb {
 public:
  struct Options {
    bool tcp = false;
    std::string extra;  ///< further arguments of mariadbd, blank-separated
  };
  MariaDb();
  explicit MariaDb(const Options& options);
  ~MariaDb();
  MariaDb(const MariaDb&) = delete;
  MariaDb& operator=(const MariaDb&) = delete;

  /// `mariadb://root@localhost/NAME?socket=…` of a new, empty schema.
  std::string new_database(const std::string& name);
  const std::string& socket() const;
  int port() const;
  pid_t pid() const;
  /// Kills the server and starts it again on the same data, as after a crash.
  void restart();
  /// Runs the `mariadb` client with this script; its standard output. A test failure if it does not exit with 0.
  std::string client(const std::string& schema, const std::string& sql) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The server that all tests of one program share; started at its first use.
MariaDb& shared_mariadb();

}  // namespace deployer::test
