#include "database/mariadb/statement.h"

#include <fmt/format.h>
#include <mysqld_error.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>

#include "database/mariadb/errors.h"

namespace deployer::database {

namespace {

constexpr unsigned binary_charset = 63;

bool is_integer_field(enum_field_types type) {
  switch (type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_YEAR:
      return true;
    default:
      return false;
  }
}

bool is_bytes_field(const MYSQL_FIELD& field) {
  switch (field.type) {
    case MYSQL_TYPE_BIT:
    case MYSQL_TYPE_GEOMETRY:
      return true;
    case MYSQL_TYPE_TINY_BLOB:
    case MYSQL_TYPE_MEDIUM_BLOB:
    case MYSQL_TYPE_LONG_BLOB:
    case MYSQL_TYPE_BLOB:
    case MYSQL_TYPE_STRING:
    case MYSQL_TYPE_VAR_STRING:
    case MYSQL_TYPE_VARCHAR:
      return field.charsetnr == binary_charset;
    default:
      return false;
  }
}

Value integer_value(std::string_view text) {
  std::int64_t number = 0;
  const std::from_chars_result end = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end.ec == std::errc() && end.ptr == text.data() + text.size()) return number;
  return std::string(text);  // BIGINT UNSIGNED over 2^63
}

}  // namespace

Value mariadb_value(const MYSQL_FIELD& field, const char* text, std::size_t size) {
  if (text == nullptr) return std::monostate{};
  if (is_bytes_field(field)) return Blob{std::string(text, size)};
  if (is_integer_field(field.type)) return integer_value({text, size});
  if (field.type == MYSQL_TYPE_FLOAT) return static_cast<double>(std::strtof(std::string(text, size).c_str(), nullptr));
  if (field.type == MYSQL_TYPE_DOUBLE) return std::strtod(std::string(text, size).c_str(), nullptr);
  return std::string(text, size);
}

/// Where the client library puts a column: numbers as they are; of all else only the length, since guessing a size
/// means allocating what the column could hold.
struct MariaDbStatement::Cell {
  union {
    std::int64_t integer;
    double number;
    float single;
  };
  unsigned long length = 0;
  my_bool null = 0;
  my_bool cut = 0;
};

MariaDbStatement::MariaDbStatement(MYSQL* handle) : handle_(handle), statement_(mysql_stmt_init(handle)) {
  if (statement_ == nullptr) throw Error(ErrorKind::internal, "the MariaDB client library has no memory");
}

MariaDbStatement::~MariaDbStatement() {
  if (metadata_ != nullptr) mysql_free_result(metadata_);
  mysql_stmt_close(statement_);
}

void MariaDbStatement::fail(const Deadline& deadline) const {
  // An error in the middle of a result is told by the connection only.
  if (mysql_stmt_errno(statement_) == 0) {
    throw_mariadb_error(handle_, mysql_errno(handle_), mysql_error(handle_), mysql_sqlstate(handle_), deadline);
  }
  throw_mariadb_error(handle_, mysql_stmt_errno(statement_), mysql_stmt_error(statement_),
                      mysql_stmt_sqlstate(statement_), deadline);
}

bool MariaDbStatement::prepare(std::string_view sql, const Deadline& deadline) {
  if (mysql_stmt_prepare(statement_, sql.data(), sql.size()) == 0) return true;
  if (mysql_stmt_errno(statement_) == ER_UNSUPPORTED_PS) return false;
  fail(deadline);
}

void MariaDbStatement::execute(const Row& parameters, const Deadline& deadline) {
  const std::size_t wanted = mysql_stmt_param_count(statement_);
  if (wanted != parameters.size()) {
    throw SqlError(ErrorKind::database,
                   fmt::format("the statement has {} parameters, {} are given", wanted, parameters.size()), 0);
  }
  Row values = parameters;  // the library takes pointers to what may change
  std::vector<MYSQL_BIND> binds(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    MYSQL_BIND& bind = binds[i];
    bind = MYSQL_BIND{};
    bind.buffer_type = MYSQL_TYPE_NULL;
    if (auto* integer = std::get_if<std::int64_t>(&values[i])) {
      bind.buffer_type = MYSQL_TYPE_LONGLONG;
      bind.buffer = integer;
    } else if (auto* number = std::get_if<double>(&values[i])) {
      bind.buffer_type = MYSQL_TYPE_DOUBLE;
      bind.buffer = number;
    } else if (auto* text = std::get_if<std::string>(&values[i])) {
      bind.buffer_type = MYSQL_TYPE_STRING;
      bind.buffer = text->data();
      bind.buffer_length = text->size();
    } else if (auto* blob = std::get_if<Blob>(&values[i])) {
      bind.buffer_type = MYSQL_TYPE_BLOB;
      bind.buffer = blob->bytes.data();
      bind.buffer_length = blob->bytes.size();
    }
  }
  if (!binds.empty() && mysql_stmt_bind_param(statement_, binds.data()) != 0) fail(deadline);
  if (mysql_stmt_execute(statement_) != 0) fail(deadline);
  const my_ulonglong affected = mysql_stmt_affected_rows(statement_);
  affected_ = affected == std::numeric_limits<my_ulonglong>::max() ? 0 : static_cast<std::int64_t>(affected);
  metadata_ = mysql_stmt_result_metadata(statement_);
  if (metadata_ != nullptr) bind_results(deadline);
}

void MariaDbStatement::bind_results(const Deadline& deadline) {
  const unsigned count = mysql_num_fields(metadata_);
  cells_.assign(count, Cell{});
  binds_.assign(count, MYSQL_BIND{});
  for (unsigned i = 0; i < count; ++i) {
    const MYSQL_FIELD& field = *mysql_fetch_field_direct(metadata_, i);
    MYSQL_BIND& bind = binds_[i];
    Cell& cell = cells_[i];
    bind.buffer_type = MYSQL_TYPE_STRING;
    if (is_integer_field(field.type)) {
      bind.buffer_type = MYSQL_TYPE_LONGLONG;
      bind.buffer = &cell.integer;
      bind.buffer_length = sizeof cell.integer;
      bind.is_unsigned = (field.flags & UNSIGNED_FLAG) != 0;
    } else if (field.type == MYSQL_TYPE_DOUBLE) {
      bind.buffer_type = MYSQL_TYPE_DOUBLE;
      bind.buffer = &cell.number;
      bind.buffer_length = sizeof cell.number;
    } else if (field.type == MYSQL_TYPE_FLOAT) {
      bind.buffer_type = MYSQL_TYPE_FLOAT;
      bind.buffer = &cell.single;
      bind.buffer_length = sizeof cell.single;
    }
    bind.length = &cell.length;
    bind.is_null = &cell.null;
    bind.error = &cell.cut;
  }
  if (mysql_stmt_bind_result(statement_, binds_.data()) != 0) fail(deadline);
}

std::vector<std::string> MariaDbStatement::columns() const {
  std::vector<std::string> names;
  if (metadata_ == nullptr) return names;
  for (unsigned i = 0; i < mysql_num_fields(metadata_); ++i) {
    const MYSQL_FIELD& field = *mysql_fetch_field_direct(metadata_, i);
    names.emplace_back(field.name, field.name_length);
  }
  return names;
}

bool MariaDbStatement::fetch(Row& row, const Deadline& deadline) {
  if (metadata_ == nullptr) return false;
  const int code = mysql_stmt_fetch(statement_);
  if (code == MYSQL_NO_DATA) return false;
  if (code != 0 && code != MYSQL_DATA_TRUNCATED) fail(deadline);  // every text is "truncated" to no byte
  row.resize(cells_.size());
  for (std::size_t i = 0; i < row.size(); ++i) row[i] = read(i, deadline);
  return true;
}

Value MariaDbStatement::read(std::size_t index, const Deadline& deadline) {
  const MYSQL_FIELD& field = *mysql_fetch_field_direct(metadata_, static_cast<unsigned>(index));
  const Cell& cell = cells_[index];
  if (cell.null != 0 || field.type == MYSQL_TYPE_NULL) return std::monostate{};
  if (binds_[index].buffer_type == MYSQL_TYPE_LONGLONG) {
    const bool too_large = binds_[index].is_unsigned != 0 && cell.integer < 0;
    if (too_large) return std::to_string(static_cast<std::uint64_t>(cell.integer));
    return cell.integer;
  }
  if (binds_[index].buffer_type == MYSQL_TYPE_DOUBLE) return cell.number;
  if (binds_[index].buffer_type == MYSQL_TYPE_FLOAT) return static_cast<double>(cell.single);
  std::string text(cell.length, '\0');
  if (!text.empty()) {
    MYSQL_BIND bind{};
    unsigned long length = 0;
    my_bool null = 0;
    my_bool cut = 0;
    bind.buffer_type = MYSQL_TYPE_STRING;
    bind.buffer = text.data();
    bind.buffer_length = text.size();
    bind.length = &length;
    bind.is_null = &null;
    bind.error = &cut;
    if (mysql_stmt_fetch_column(statement_, &bind, static_cast<unsigned>(index), 0) != 0) fail(deadline);
    text.resize(std::min<std::size_t>(length, text.size()));
  }
  if (is_bytes_field(field)) return Blob{std::move(text)};
  return text;
}

void MariaDbStatement::finish(const Deadline& deadline) {
  if (metadata_ != nullptr && mysql_stmt_free_result(statement_) != 0) fail(deadline);
  for (;;) {
    const int more = mysql_stmt_next_result(statement_);
    if (more < 0) return;
    if (more > 0) fail(deadline);
    if (mysql_stmt_field_count(statement_) > 0 && mysql_stmt_free_result(statement_) != 0) fail(deadline);
  }
}

std::int64_t MariaDbStatement::affected() const { return affected_; }

}  // namespace deployer::database
