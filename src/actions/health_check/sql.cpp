#include "actions/health_check/probes.h"
#include "base/error.h"
#include "database/session.h"

namespace deployer {

namespace {

bool is_no(const database::Value& value) {
  if (database::is_null(value)) return true;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number == 0;
  if (const auto* number = std::get_if<double>(&value)) return *number == 0;
  const std::string text = database::as_text(value);
  return text.empty() || text == "0";
}

}  // namespace

std::optional<std::string> sql_complaint(ActionContext& context, const std::string& statement,
                                         const Deadline& deadline) {
  try {
    const database::Rows rows = context.database().query(statement, {}, deadline);
    if (rows.empty()) return "the statement gave no row";
    if (rows.rows.front().empty()) return "the statement gave no column";
    const database::Value& value = rows.rows.front().front();
    if (!is_no(value)) return std::nullopt;
    if (database::is_null(value)) return "the statement gave NULL";
    const std::string text = database::as_text(value);
    return text.empty() ? std::string("the statement gave an empty text") : "the statement gave " + text;
  } catch (const Error& error) {
    if (error.kind == ErrorKind::cancelled) throw;
    return error.summary();
  }
}

}  // namespace deployer
