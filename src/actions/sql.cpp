#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <functional>

#include "actions/builtin.h"
#include "actions/inputs.h"
#include "actions/outputs.h"
#include "base/error.h"
#include "base/text.h"
#include "database/dialect.h"
#include "database/session.h"
#include "system/files.h"

namespace deployer {

namespace {

constexpr std::uint64_t largest_sql_file = 16 << 20;

/// Statements of a server without transactional DDL that end a transaction beside its schema changes: "SQL statements
/// that cause an implicit commit" of its manual.
constexpr std::array<std::string_view, 17> committing_verbs = {
    "ANALYZE", "CACHE", "CHANGE", "CHECK",    "FLUSH", "GRANT", "INSTALL", "LOCK",     "OPTIMIZE",
    "REPAIR",  "RESET", "REVOKE", "SHUTDOWN", "START", "STOP",  "UNLOCK",  "UNINSTALL"};

/// Statements that would lead what the run does later on the same connection somewhere else.
constexpr std::array<std::string_view, 3> leading_verbs = {"USE", "ATTACH", "DETACH"};

/// One statement, and where it stands for people.
struct SqlStep {
  database::Statement statement;
  database::StatementKind kind;
  std::string where;  ///< `FILE:LINE`, or `statement 2, line 3`
  std::size_t marks = 0;
};

bool is_placeholder(const database::Token& token) {
  using database::TokenKind;
  return token.text == "?" && (token.kind == TokenKind::variable || token.kind == TokenKind::operator_sign);
}

bool has_sql_word(const database::Statement& statement, std::string_view word) {
  return std::any_of(statement.tokens.begin(), statement.tokens.end(),
                     [&](const database::Token& token) { return token.is(word); });
}

/// What a step of SQL is to do, read and checked without a server.
class SqlWork {
 public:
  explicit SqlWork(const ActionContext& context) : context_(context), inputs_(context.inputs()) {
    const std::string own = text_input(inputs_, "url");
    if (own.empty() && !context.has_database()) {
      refuse("there is no database", "give a url, or `database: {url: …}` in the document");
    }
    if (has_input(inputs_, "statement") == has_input(inputs_, "file")) {
      refuse("either statement or file is needed", {});
    }
    url_ = value_or_throw(
        database::parse_url(own.empty() ? context.pipeline().database.at("url").get<std::string>() : own));
    is_own_ = !own.empty();
    read();
    check_parameters();
    for (const SqlStep& step : steps_) check_statement(step);
  }

  const std::deque<SqlStep>& steps() const { return steps_; }
  const database::Url& url() const { return url_; }
  bool is_own() const { return is_own_; }
  bool in_transaction() const { return inputs_.at("transaction").get<bool>(); }

  /// The parameters of each statement, in their order.
  database::Row parameters(std::size_t from, std::size_t count) const {
    database::Row row;
    for (std::size_t i = from; i < from + count; ++i) row.push_back(parameter(inputs_["parameters"][i]));
    return row;
  }

 private:
  const database::Dialect& dialect() const { return database::dialect_of(url_.engine); }

  [[noreturn]] void refuse(const std::string& what, const std::string& hint) const {
    throw Error(ErrorKind::invalid, "step '" + context_.step().id + "': " + what, hint);
  }

  void read() {
    if (has_input(inputs_, "file")) {
      const std::filesystem::path file = context_.path(text_input(inputs_, "file"));
      texts_.push_back(context_.files().read(file, largest_sql_file));
      take(texts_.back(), file.string(), [&](const Location& at) { return at.file + ":" + std::to_string(at.line); });
    } else {
      const std::vector<std::string> statements = list_input(inputs_, "statement");
      for (std::size_t i = 0; i < statements.size(); ++i) {
        texts_.push_back(statements[i]);
        const std::string name = statements.size() == 1 ? "" : "statement " + std::to_string(i + 1) + ", ";
        take(texts_.back(), "statement", [&](const Location& at) { return name + "line " + std::to_string(at.line); });
      }
    }
    if (steps_.empty()) refuse("there is no statement", {});
  }

  void take(const std::string& text, const std::string& file,
            const std::function<std::string(const Location&)>& where) {
    if (const auto wrong = invalid_utf8(text)) {
      refuse(file + " is no text in UTF-8: byte " + std::to_string(*wrong + 1), {});
    }
    database::Script script = database::split_script(text, dialect().lexer(), file);
    if (!script.diagnostics.empty()) {
      const Diagnostic& first = script.diagnostics.front();
      refuse(where(first.at) + ": " + first.message, first.hint);
    }
    for (database::Statement& statement : script.statements) {
      SqlStep step{statement, database::classify(statement), where(statement.at), 0};
      step.marks =
          static_cast<std::size_t>(std::count_if(statement.tokens.begin(), statement.tokens.end(), is_placeholder));
      steps_.push_back(std::move(step));
    }
  }

  void check_parameters() const {
    std::size_t wanted = 0;
    for (const SqlStep& step : steps_) wanted += step.marks;
    const std::size_t given = has_input(inputs_, "parameters") ? inputs_["parameters"].size() : 0;
    if (wanted == given) return;
    refuse("there are " + std::to_string(given) + " parameters for " + std::to_string(wanted) + " `?`",
           "each `?` takes the next parameter, over all statements");
  }

  void check_statement(const SqlStep& step) const {
    const auto is_one_of = [&](const auto& verbs) {
      return std::find(verbs.begin(), verbs.end(), step.kind.verb) != verbs.end();
    };
    for (const database::Token& token : step.statement.tokens) {
      if (dialect().lexer() == database::SqlDialect::sqlite && token.kind == database::TokenKind::variable &&
          token.text != "?") {
        refuse(step.where + ": '" + std::string(token.text) + "' cannot be bound", "write `?`");
      }
    }
    if (!is_own_ && is_one_of(leading_verbs)) {
      refuse(step.where + ": " + step.kind.verb + " would lead later steps of the run to another database",
             "give the step a url of its own");
    }
    if (!in_transaction()) return;
    const std::string change = "take it out, or say transaction: false";
    if (step.kind.transaction_control || (step.kind.verb == "SET" && has_sql_word(step.statement, "autocommit"))) {
      refuse(step.where + ": " + step.kind.verb + " would end the transaction that the step makes", change);
    }
    if (dialect().capabilities().transactional_ddl) return;
    const std::vector<database::Token>& tokens = step.statement.tokens;
    const bool is_temporary =
        (step.kind.verb == "CREATE" || step.kind.verb == "DROP") &&
        std::any_of(tokens.begin(), tokens.begin() + std::min<std::ptrdiff_t>(4, std::ssize(tokens)),
                    [](const database::Token& token) { return token.is("TEMPORARY"); });
    const bool is_password = step.kind.verb == "SET" && tokens.size() > 1 && tokens[1].is("PASSWORD");
    if ((step.kind.changes_schema && !is_temporary) || is_password || is_one_of(committing_verbs)) {
      refuse(step.where + ": " + step.kind.verb + " ends a transaction on this server",
             "say transaction: false, or write a migration");
    }
  }

  static database::Value parameter(const Json& value) {
    if (value.is_null()) return std::monostate();
    if (value.is_boolean()) return std::int64_t{value.get<bool>() ? 1 : 0};
    if (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX) return dump(value);
    if (value.is_number_integer()) return value.get<std::int64_t>();
    if (value.is_number()) return value.get<double>();
    return value.get<std::string>();
  }

  const ActionContext& context_;
  const Json& inputs_;
  database::Url url_;
  bool is_own_ = false;
  std::deque<std::string> texts_;  ///< the statements point into them
  std::deque<SqlStep> steps_;
};

/// The statements on one connection.
class SqlExecution {
 public:
  SqlExecution(ActionContext& context, const SqlWork& work) : context_(context), work_(work) {
    if (work.is_own()) {
      own_ = database::open(work.url(), context.pipeline().project, database::Access::existing, context.deadline());
    }
    session_ = work.is_own() ? own_.get() : &context.database();
  }

  void run() {
    if (!work_.in_transaction()) {
      run_all();
      return;
    }
    session_->begin(context_.deadline());
    try {
      run_all();
      session_->commit(context_.deadline());
    } catch (const std::exception&) {
      take_back();
      throw;
    }
  }

  std::int64_t rows() const { return rows_; }
  const std::optional<database::Value>& value() const { return value_; }

 private:
  void run_all() {
    std::size_t taken = 0;
    for (const SqlStep& step : work_.steps()) {
      try {
        run_one(step, work_.parameters(taken, step.marks));
      } catch (const Error& error) {
        if (error.kind == ErrorKind::cancelled || error.kind == ErrorKind::timed_out) throw;
        throw Error(error.kind, step.where, error.hint).caused_by(error);
      }
      taken += step.marks;
    }
  }

  void run_one(const SqlStep& step, const database::Row& parameters) {
    const bool returns = step.kind.is_read || step.kind.verb == "PRAGMA" || has_sql_word(step.statement, "RETURNING");
    if (!returns) {
      rows_ += session_->execute(step.statement.text, parameters, context_.deadline());
    } else {
      std::int64_t count = 0;
      std::optional<database::Value> first;
      session_->stream(step.statement.text, parameters, context_.deadline(), [&](const database::Row& row) {
        if (count++ == 0 && !row.empty()) first = row.front();
      });
      value_ = first.value_or(database::Value());
      if (step.kind.changes_rows) rows_ += count;
    }
    // A routine can commit without a word of it in the statement.
    if (work_.in_transaction() && !session_->in_transaction()) {
      throw Error(ErrorKind::failed, "the transaction has ended in this statement, so what came before it stays");
    }
  }

  void take_back() noexcept {
    try {
      session_->rollback();
    } catch (const std::exception&) {
      // The first error is the one to tell. The connection is given up after it, and the server then takes back.
    }
  }

  ActionContext& context_;
  const SqlWork& work_;
  std::unique_ptr<database::Session> own_;
  database::Session* session_ = nullptr;
  std::int64_t rows_ = 0;
  std::optional<database::Value> value_;
};

Json output_of(const database::Value& value) {
  if (database::is_null(value)) return nullptr;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
  if (const auto* number = std::get_if<double>(&value)) return *number;
  return database::as_text(value);
}

std::optional<std::string> sql_parameters_complaint(const Json& value) {
  if (!value.is_array()) return "a list is needed";
  for (const Json& item : value) {
    if (item.is_structured()) return "each must be a text, a number, true, false or null";
  }
  return std::nullopt;
}

std::vector<Parameter> sql_inputs() {
  std::vector<Parameter> inputs = {
      declare_input("statement", ParameterType::list, "SQL: one text, or a list of them."),
      declare_input("file", ParameterType::path, "A file of SQL, in place of statement."),
      declare_input("parameters", ParameterType::any, "A list of values, one for each `?` in the statements."),
      declare_input("url", ParameterType::text, "Another database than that of the document."),
      declare_input("transaction", ParameterType::boolean, "Whether all is one transaction.", true),
  };
  inputs[0].repeated_or_single = true;
  inputs[0].code_hint = "write ? in its place, and the expression in `parameters`";
  inputs[2].check = sql_parameters_complaint;
  inputs[3].check = [](const Json& value) -> std::optional<std::string> {
    const auto url = database::parse_url(value.get<std::string>());
    return url ? std::nullopt : std::optional<std::string>(url.error().message);
  };
  return inputs;
}

/// `sql`: statements as one effect, which only the step's `rollback` takes back once it is committed.
class SqlAction : public Action {
 public:
  const ActionSpec& spec() const override { return spec_; }

  void check(ActionContext& context) const override { SqlWork{context}; }

  StepPlan plan(ActionContext& context) const override {
    const SqlWork work(context);
    StepPlan plan{"runs SQL on " + work.url().masked(), {}, {}, std::nullopt};
    for (const SqlStep& step : work.steps()) plan.details.emplace_back(trim(step.statement.text));
    if (context.step().rollback && !context.step().rollback->none) plan.undo = "its rollback command";
    return plan;
  }

  Outcome run(ActionContext& context) const override {
    const SqlWork work(context);
    std::optional<database::Value> value;
    const Json result = context.effect("sql", Json::object(), [&] {
      SqlExecution execution(context, work);
      execution.run();
      value = execution.value();
      return Json{{"rows", execution.rows()}};
    });
    const std::int64_t rows = result.at("rows").get<std::int64_t>();
    Outcome outcome{std::to_string(rows) + (rows == 1 ? " row changed" : " rows changed"), {{"rows", rows}}};
    if (value) keep_output(context, outcome.outputs, "value", output_of(*value));
    return outcome;
  }

  std::string undo(ActionContext& /*context*/, const UndoRecord& /*record*/) const override {
    return "nothing: the step has no rollback";
  }

 private:
  ActionSpec spec_{"sql", "Runs SQL on a database.", sql_inputs(), true, false, true};
};

}  // namespace

const Action& sql_action() {
  static const SqlAction action;
  return action;
}

}  // namespace deployer
