#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "database/row_digest.h"
#include "database/schema.h"
#include "database/session.h"

namespace deployer::database {

/// Reads a table's rows and writes them as INSERT statements of about a megabyte, each with its list of columns.
class MariaDbRowsDump {
 public:
  /// `session` must have the time zone +00:00.
  MariaDbRowsDump(Session& session, const Table& table);

  /// What the rows come to, computed from the very rows that are written. `write` gets whole statements; with
  /// `writes` false nothing is written (the rows stand in other tables). `on_rows` gets how many have passed since it
  /// was last called. Errors as of Session, and what `write` throws.
  RowDigest run(const Deadline& deadline, bool writes, const std::function<void(std::string_view)>& write,
                const std::function<void(std::uint64_t)>& on_rows);
  /// The length of the longest statement, in bytes.
  std::size_t longest() const { return longest_; }

 private:
  enum class Form { text, bytes, bytes_of_charset };
  struct Field {
    std::string name;  ///< quoted
    Form form = Form::text;
    std::string charset;
  };

  void choose_fields();
  std::string select() const;
  void append_row(const Row& row);
  void flush(const std::function<void(std::string_view)>& write);

  Session& session_;
  const Table& table_;
  RowDigester digester_;
  std::vector<Field> fields_;
  std::vector<std::string> expressions_;  ///< what is read: the fields, then what digests read otherwise
  std::vector<std::size_t> places_;       ///< where the digester's columns are among them
  std::string begin_;                     ///< INSERT INTO … VALUES
  std::string statement_;
  std::size_t longest_ = 0;
};

}  // namespace deployer::database
