#include "cli/cli.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <list>
#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "base/redactor.h"
#include "base/text.h"
#include "base/version.h"
#include "cli/words.h"

namespace deployer {

namespace {

/// The `user:password` of a URL in a word, empty where there is no password.
std::string_view credentials_in(std::string_view word) {
  const std::size_t scheme = word.find("://");
  const std::size_t at = word.rfind('@');
  if (scheme == std::string_view::npos || at == std::string_view::npos || at < scheme + 3) return {};
  const std::string_view credentials = word.substr(scheme + 3, at - scheme - 3);
  return credentials.find(':') == std::string_view::npos ? std::string_view() : credentials;
}

/// Reads the words behind a command's name by its parameters.
class Arguments {
 public:
  explicit Arguments(const Operation& operation) : operation_(operation) {
    parser_.set_help_flag();
    parser_.allow_extras();
    for (const Parameter& parameter : global_flags()) add(parameter, flag_of(parameter), global_);
    for (const Parameter& parameter : operation.parameters) {
      const auto place = std::find(operation.positionals.begin(), operation.positionals.end(), parameter.name);
      if (place == operation.positionals.end()) add(parameter, flag_of(parameter), own_);
    }
    for (const std::string& name : operation.positionals) {
      for (const Parameter& parameter : operation.parameters) {
        if (parameter.name == name) add(parameter, name, own_);
      }
    }
  }

  void parse(std::vector<std::string> words) {
    check_flags(words);
    std::reverse(words.begin(), words.end());
    try {
      parser_.parse(std::move(words));
    } catch (const CLI::ParseError& wrong) {
      throw Error(ErrorKind::usage, lower_first(wrong.what()), help_hint());
    }
    for (const std::string& word : parser_.remaining()) {
      if (word != "--") refuse(word);
    }
    for (Value& value : own_) take(value, request_);
    for (Value& value : global_) take(value, globals_);
    for (const Parameter& parameter : operation_.parameters) {
      if (request_.contains(parameter.name)) continue;
      if (parameter.required) {
        throw Error(ErrorKind::usage, "'deployer " + operation_.words.front() + "' needs " + shown_name(parameter),
                    help_hint());
      }
      if (!parameter.fallback.is_null()) request_[parameter.name] = parameter.fallback;
    }
  }

  const Json& request() const { return request_; }
  const Json& globals() const { return globals_; }

 private:
  struct Value {
    const Parameter* parameter;
    CLI::Option* option = nullptr;
    std::vector<std::string> words;
    bool flag = false;
  };

  void add(const Parameter& parameter, const std::string& name, std::list<Value>& values) {
    Value& value = values.emplace_back();
    value.parameter = &parameter;
    if (parameter.type == ParameterType::boolean) {
      value.option = parser_.add_flag(name, value.flag);
      return;
    }
    value.option = parser_.add_option(name, value.words);
    const bool many = parameter.type == ParameterType::list || parameter.type == ParameterType::map;
    // A vector would take the words behind its value too, the pipeline's name among them.
    if (!many || name.starts_with('-')) value.option->allow_extra_args(false);
    if (!many) value.option->expected(1);
    if (many && name.starts_with('-')) value.option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    if (!many && name.starts_with('-')) value.option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }

  void take(const Value& value, Json& into) const {
    const Parameter& parameter = *value.parameter;
    if (value.option->count() == 0) return;
    if (parameter.type == ParameterType::boolean) {
      into[parameter.name] = value.flag;
    } else if (parameter.type == ParameterType::list) {
      into[parameter.name] = value.words;
    } else if (parameter.type == ParameterType::map) {
      for (const std::string& word : value.words) take_pair(parameter, word, into[parameter.name]);
    } else {
      Result<Json> parsed = parse_parameter(parameter, value.words.back(), flag_of(parameter));
      if (!parsed) throw Error(ErrorKind::usage, parsed.error().message, parsed.error().hint);
      into[parameter.name] = *parsed;
    }
  }

  static void take_pair(const Parameter& parameter, const std::string& word, Json& map) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw Error(ErrorKind::usage, flag_of(parameter) + " " + word + " is not NAME=VALUE");
    }
    map[word.substr(0, equals)] = word.substr(equals + 1);
  }

  const Parameter* known_flag(const std::string& flag) const {
    for (const std::list<Value>* values : {&own_, &global_}) {
      for (const Value& value : *values) {
        if (!is_place(*value.parameter) && flag_of(*value.parameter) == flag) return value.parameter;
      }
    }
    return nullptr;
  }

  bool is_place(const Parameter& parameter) const {
    const auto& places = operation_.positionals;
    return std::find(places.begin(), places.end(), parameter.name) != places.end();
  }

  /// What CLI11 would say in words that are not ours, or would take for something else: flags of a later version, and
  /// flags without their value.
  void check_flags(const std::vector<std::string>& words) const {
    for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
      if (!words[i].starts_with('-')) continue;
      const std::string flag = words[i].substr(0, words[i].find('='));
      const Parameter* parameter = known_flag(flag);
      if (parameter == nullptr) {
        refuse_later(flag);
      } else if (parameter->type != ParameterType::boolean && flag == words[i]) {
        ++i;
        const bool is_flag = i < words.size() && known_flag(words[i].substr(0, words[i].find('='))) != nullptr;
        if (i == words.size() || is_flag) throw Error(ErrorKind::usage, flag + " needs a value", help_hint());
      }
    }
  }

  void refuse_later(const std::string& flag) const {
    const auto& later = operation_.later_flags;
    if (std::find(later.begin(), later.end(), flag) == later.end()) return;
    throw Error(ErrorKind::usage, "'deployer " + operation_.words.front() + " " + flag + "' is not in this version",
                help_hint());
  }

  [[noreturn]] void refuse(const std::string& word) const {
    if (!word.starts_with('-')) {
      const std::string shown = credentials_in(word).empty() ? "'" + word + "'" : "with a password in it";
      throw Error(ErrorKind::usage, "unexpected argument " + shown, help_hint());
    }
    const std::string flag = word.substr(0, word.find('='));
    std::vector<std::string> known;
    for (const std::list<Value>* values : {&own_, &global_}) {
      for (const Value& value : *values) {
        if (!is_place(*value.parameter)) known.push_back(flag_of(*value.parameter));
      }
    }
    const std::optional<std::string> meant = did_you_mean(flag, known);
    throw Error(ErrorKind::usage, "unknown flag '" + flag + "'",
                meant ? "did you mean '" + *meant + "'?" : help_hint());
  }

  std::string help_hint() const { return "deployer help " + operation_.words.front(); }

  static std::string lower_first(std::string text) {
    if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
  }

  /// As help shows it: `PIPELINE`, `-m`.
  std::string shown_name(const Parameter& parameter) const {
    if (!is_place(parameter)) return flag_of(parameter);
    std::string name = parameter.name;
    for (char& letter : name) letter = letter == '_' ? '-' : static_cast<char>(std::toupper(letter));
    return name;
  }

  const Operation& operation_;
  CLI::App parser_;
  std::list<Value> own_;
  std::list<Value> global_;
  Json request_ = Json::object();
  Json globals_ = Json::object();
};

LogLevel log_level_of(const std::string& word) {
  static const std::vector<std::pair<std::string, LogLevel>> levels = {
      {"trace", LogLevel::trace},     {"debug", LogLevel::debug},  {"info", LogLevel::info},
      {"warning", LogLevel::warning}, {"warn", LogLevel::warning}, {"error", LogLevel::error},
      {"critical", LogLevel::error}};
  std::string lower;
  for (const char letter : word) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  for (const auto& [name, level] : levels) {
    if (name == lower) return level;
  }
  throw Error(ErrorKind::usage, "'" + word + "' is not a log level", "trace, debug, info, warning or error");
}

/// https://no-color.org and https://bixense.com/clicolors: a terminal that can, unless told otherwise.
bool wants_color(const App& app) {
  const auto set = [&](const char* name) {
    const auto found = app.environment.find(name);
    return found == app.environment.end() ? std::string() : found->second;
  };
  if (!set("NO_COLOR").empty()) return false;
  if (!set("CLICOLOR_FORCE").empty() && set("CLICOLOR_FORCE") != "0") return true;
  return ::isatty(STDOUT_FILENO) != 0 && set("TERM") != "dumb" && set("CLICOLOR") != "0";
}

/// `-C` as git has it: as if one stood there. Paths on the command line are of that folder then.
void work_in(App& app, const std::string& folder) {
  if (folder.empty()) return;
  const std::filesystem::path there = (app.cwd / folder).lexically_normal();
  std::error_code wrong;
  if (!std::filesystem::is_directory(there, wrong)) {
    throw Error(ErrorKind::usage, "-C " + folder + ": there is no such folder");
  }
  app.cwd = there.has_filename() ? there : there.parent_path();
  app.project_flag = app.cwd.string();
}

void take_globals(App& app, const Operation& operation, const Json& globals) {
  work_in(app, globals.value("C", ""));
  if (globals.contains("config")) app.config_flag = (app.cwd / globals["config"].get<std::string>()).string();
  app.database_flag = globals.value("database", "");
  if (globals.contains("database") && app.database_flag.empty()) {
    throw Error(ErrorKind::usage, "--database is empty", "a URL, env:NAME or file:PATH");
  }
  app.output = globals.value("output", app.output);
  check_output(app.output, app.redactor);
  app.color = wants_color(app);
  app.json = globals.value("json", false) || (app.output == "json" && !operation.changes);
  app.yes = globals.value("yes", false);
  app.quiet = globals.value("quiet", false);
  const auto from_environment = app.environment.find("LOG_LEVEL");
  const std::string inherited = from_environment == app.environment.end() ? "warning" : from_environment->second;
  open_log(log_level_of(globals.value("log_level", inherited.empty() ? "warning" : inherited)), app.redactor);
}

/// Standard output, all of it or an Error. A reader that has seen enough is none.
void print(const std::string& text) {
  errno = 0;
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written && errno != EPIPE) throw io_error(errno, "cannot write to standard output");
}

/// The same where the exit status tells of something that is done: it stays what it is.
void print_if_possible(const std::string& text) {
  try {
    print(text);
  } catch (const Error& error) {
    std::fprintf(stderr, "warning: %s\n", error.message.c_str());
  }
}

/// The text of the error stands on stderr already; that it cannot be told on stdout too would be one complaint too
/// many.
void print_error_document(const Error& error) {
  try {
    print(dump_pretty({{"error", to_json(error)}}) + "\n");
  } catch (const Error&) {
  }
}

int fail(const App& app, const Error& raw) {
  const Error error = app.redactor.clean(raw);
  std::fprintf(stderr, "%s\n", error.text().c_str());
  if (app.json) print_error_document(error);
  return error_kind_info(error.kind).exit_status;
}

std::string text_of_reply(const App& app, const Operation& operation, const Reply& reply) {
  if (app.json) return dump_pretty(app.redactor.clean(reply.json)) + "\n";
  // Events have stood there, and nothing else may.
  if (app.output == "json" && operation.changes) return {};
  const bool is_answer = !operation.changes && !operation.writes;
  return app.quiet && reply.exit_status == 0 && !is_answer ? std::string() : app.redactor.clean(reply.text);
}

int answer(App& app, const std::vector<std::string>& words) {
  const Asked asked = find_operation(words);
  const Operation& operation = *asked.operation;
  Arguments arguments(operation);
  arguments.parse(asked.rest);
  take_globals(app, operation, arguments.globals());
  const Reply reply = operation.run(app, arguments.request());
  const std::string text = text_of_reply(app, operation, reply);
  if (text.empty()) return reply.exit_status;
  if (operation.changes || operation.writes) {
    print_if_possible(text);
  } else {
    print(text);
  }
  return reply.exit_status;
}

bool asks_for_json(const std::vector<std::string>& words) {
  return std::find(words.begin(), words.end(), "--json") != words.end();
}

}  // namespace

std::optional<int> answer_at_once(const std::vector<std::string>& words) {
  try {
    const Asked asked = find_operation(words);
    if (asked.version) {
      print("deployer " + std::string(version()) + " (" + std::string(revision()) + ")\n");
      return 0;
    }
    if (!asked.help) return std::nullopt;
    if (!asked.group.empty()) {
      print(help_text(asked.group));
    } else {
      print(asked.operation != nullptr ? help_text(*asked.operation) : help_text());
    }
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.text().c_str());
    if (asks_for_json(words)) print_error_document(error);
    return error_kind_info(error.kind).exit_status;
  }
}

bool changes_something(const std::vector<std::string>& words) {
  const Operation& operation = *find_operation(words).operation;
  return operation.changes || operation.writes;
}

int run_cli(App& app, const std::vector<std::string>& words) {
  app.json = asks_for_json(words);
  try {
    return answer(app, words);
  } catch (const Error& error) {
    return fail(app, error);
  } catch (const std::exception& bug) {
    return fail(app, Error(ErrorKind::internal, std::string("this is a bug: ") + bug.what()));
  }
}

bool hide_passwords(int argc, char** argv) {
  bool hidden = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view credentials = credentials_in(argv[i]);
    if (credentials.empty()) continue;
    std::memset(argv[i] + (credentials.data() - argv[i]), 'x', credentials.size());
    hidden = true;
  }
  return hidden;
}

}  // namespace deployer
