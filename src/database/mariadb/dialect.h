#pragma once

#include "database/dialect.h"

namespace deployer::database {

/// MariaDB, and MySQL as far as it is the same.
class MariaDbDialect : public Dialect {
 public:
  std::string_view name() const override { return "mariadb"; }
  const Capabilities& capabilities() const override { return capabilities_; }
  SqlDialect lexer() const override { return SqlDialect::mysql; }
  const Server* server() const override;
  std::string quote(std::string_view identifier) const override;
  Schema introspect(Session& session, const Deadline& deadline, const std::vector<std::string>& ignore) const override;
  std::string create_table(std::string_view table, const std::vector<Column>& columns,
                           const std::vector<std::string>& primary_key) const override;
  bool has_table(Session& session, std::string_view table, const Deadline& deadline) const override;
  std::string select_for_digest(const Table& table) const override;
  void copy_to_file(Session& session, const std::filesystem::path& target, const Deadline& deadline,
                    const std::function<void(std::uint64_t, std::uint64_t)>& progress) const override;
  void copy_from_file(Session& session, const std::filesystem::path& source, const Deadline& deadline) const override;
  std::vector<std::string> integrity(Session& session, const Deadline& deadline) const override;
  std::vector<std::string> broken_foreign_keys(Session& session, const Deadline& deadline) const override;

 private:
  Capabilities capabilities_{false, true, false};
};

/// What row digests read of a column: the same value in every session. `name` is quoted.
std::string mariadb_digest_expression(const std::string& name, const Column& column);

}  // namespace deployer::database
