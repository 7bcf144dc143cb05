#include "cli/cli.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <list>

#include "base/error.h"
#include "base/log.h"
#include "base/redactor.h"
#include "base/text.h"
#include "base/version.h"
#include "cli/words.h"

namespace deployer {

namespace {

std::string cli_flag(const Parameter& parameter) {
  if (parameter.name.size() == 1) return "-" + parameter.name;
  std::string flag = "--" + parameter.name;
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

/// Reads the words behind a command's name by its parameters.
class Arguments {
 public:
  explicit Arguments(const Operation& operation) : operation_(operation) {
    parser_.set_help_flag();
    parser_.allow_extras();
    for (const Parameter& parameter : global_flags()) add(parameter, cli_flag(parameter), global_);
    for (const Parameter& parameter : operation.parameters) {
      const auto place = std::find(operation.positionals.begin(), operation.positionals.end(), parameter.name);
      if (place == operation.positionals.end()) add(parameter, cli_flag(parameter), own_);
    }
    for (const std::string& name : operation.positionals) {
      for (const Parameter& parameter : operation.parameters) {
        if (parameter.name == name) add(parameter, name, own_);
      }
    }
  }

  void parse(std::vector<std::string> words) {
    std::reverse(words.begin(), words.end());
    try {
      parser_.parse(std::move(words));
    } catch (const CLI::ParseError& wrong) {
      throw Error(ErrorKind::usage, lower_first(wrong.what()), help_hint());
    }
    for (const std::string& word : parser_.remaining()) refuse(word);
    for (Value& value : own_) take(value, request_);
    for (Value& value : global_) take(value, globals_);
    for (const Parameter& parameter : operation_.parameters) {
      if (request_.contains(parameter.name)) continue;
      if (parameter.required) {
        throw Error(ErrorKind::usage, "'deployer " + operation_.words.front() + "' needs " + upper(parameter.name),
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
    if (name.starts_with('-')) value.option->allow_extra_args(false);
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
      Result<Json> parsed = parse_parameter(parameter, value.words.back(), cli_flag(parameter));
      if (!parsed) throw Error(ErrorKind::usage, parsed.error().message, parsed.error().hint);
      into[parameter.name] = *parsed;
    }
  }

  static void take_pair(const Parameter& parameter, const std::string& word, Json& map) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw Error(ErrorKind::usage, cli_flag(parameter) + " " + word + " is not NAME=VALUE");
    }
    map[word.substr(0, equals)] = word.substr(equals + 1);
  }

  [[noreturn]] void refuse(const std::string& word) const {
    if (!word.starts_with('-')) throw Error(ErrorKind::usage, "unexpected argument '" + word + "'", help_hint());
    const std::string flag = word.substr(0, word.find('='));
    for (const std::string& later : later_flags()) {
      if (flag == later) {
        throw Error(ErrorKind::usage, "'deployer " + operation_.words.front() + " " + flag + "' is not in this version",
                    help_hint());
      }
    }
    std::vector<std::string> known;
    for (const std::list<Value>* values : {&own_, &global_}) {
      for (const Value& value : *values) known.push_back(cli_flag(*value.parameter));
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

  static std::string upper(std::string text) {
    for (char& letter : text) letter = letter == '_' ? '-' : static_cast<char>(std::toupper(letter));
    return text;
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

void take_globals(App& app, const Json& globals) {
  app.project_flag = globals.value("C", "");
  app.config_flag = globals.value("config", "");
  app.database_flag = globals.value("database", "");
  app.output = globals.value("output", app.output);
  app.json = globals.value("json", false);
  app.yes = globals.value("yes", false);
  app.quiet = globals.value("quiet", false);
  const auto from_environment = app.environment.find("LOG_LEVEL");
  const std::string inherited = from_environment == app.environment.end() ? "warning" : from_environment->second;
  open_log(log_level_of(globals.value("log_level", inherited.empty() ? "warning" : inherited)), app.redactor);
}

/// Standard output, all of it or an Error.
void print(const std::string& text) {
  errno = 0;
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written && errno != EPIPE) throw io_error(errno, "cannot write to standard output");
}

void print_error(const App& app, const Error& raw) {
  const Error error = app.redactor.clean(raw);
  std::fprintf(stderr, "%s\n", error.text().c_str());
  if (app.json) print(dump_pretty({{"error", to_json(error)}}) + "\n");
}

int answer(App& app, const std::vector<std::string>& words) {
  const Asked asked = find_operation(words);
  if (asked.version) {
    print("deployer " + std::string(version()) + " (" + std::string(revision()) + ")\n");
    return 0;
  }
  if (asked.help) {
    print(asked.operation != nullptr ? help_text(*asked.operation) : help_text());
    return 0;
  }
  Arguments arguments(*asked.operation);
  arguments.parse(asked.rest);
  take_globals(app, arguments.globals());
  const Reply reply = asked.operation->run(app, arguments.request());
  if (app.json) {
    print(dump_pretty(app.redactor.clean(reply.json)) + "\n");
  } else if (!reply.text.empty()) {
    print(app.redactor.clean(reply.text));
  }
  return reply.exit_status;
}

}  // namespace

int run_cli(App& app, const std::vector<std::string>& words) {
  app.json = std::find(words.begin(), words.end(), "--json") != words.end();
  try {
    return answer(app, words);
  } catch (const Error& error) {
    print_error(app, error);
    return error_kind_info(error.kind).exit_status;
  } catch (const std::exception& bug) {
    print_error(app, Error(ErrorKind::internal, std::string("this is a bug: ") + bug.what()));
    return error_kind_info(ErrorKind::internal).exit_status;
  }
}

bool hide_passwords(int argc, char** argv) {
  bool hidden = false;
  for (int i = 1; i < argc; ++i) {
    char* value = nullptr;
    if (std::strcmp(argv[i], "--database") == 0 && i + 1 < argc) value = argv[i + 1];
    if (std::strncmp(argv[i], "--database=", 11) == 0) value = argv[i] + 11;
    if (value == nullptr || std::strchr(value, '@') == nullptr) continue;
    std::memset(value, 'x', std::strlen(value));
    hidden = true;
  }
  return hidden;
}

}  // namespace deployer
