#include "cli/words.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/text.h"

namespace deployer {

namespace {

bool takes_value(const Parameter& parameter) { return parameter.type != ParameterType::boolean; }

const Parameter* global_flag(const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  for (const Parameter& parameter : global_flags()) {
    if (flag_of(parameter) == name) return &parameter;
  }
  return nullptr;
}

/// The places of the first words: up to a flag that does not stand everywhere, whose value cannot be told from a word.
std::vector<std::size_t> first_words(const std::vector<std::string>& words) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    if (!words[i].starts_with('-')) {
      places.push_back(i);
      continue;
    }
    if (words[i] == "--help" || words[i] == "-h" || words[i] == "--version") continue;
    const Parameter* flag = global_flag(words[i]);
    if (flag == nullptr) break;
    if (takes_value(*flag) && words[i].find('=') == std::string::npos) ++i;
  }
  return places;
}

const Operation* known_name(const std::string& words) {
  for (const Operation& operation : operations()) {
    if (std::find(operation.words.begin(), operation.words.end(), words) != operation.words.end()) return &operation;
  }
  return nullptr;
}

std::vector<std::string> known_words() {
  std::vector<std::string> known;
  for (const Operation& operation : operations())
    known.insert(known.end(), operation.words.begin(), operation.words.end());
  return known;
}

/// The words that may stand behind `first`, as `status` behind `migrate`; empty where it is no group.
std::vector<std::string> members_of(const std::string& first) {
  std::vector<std::string> members;
  for (const std::string& words : known_words()) {
    if (words.starts_with(first + " ")) members.push_back(words.substr(first.size() + 1));
  }
  return members;
}

[[noreturn]] void refuse(const std::string& typed) {
  for (const std::string& later : later_operations()) {
    if (typed == later || typed.starts_with(later + " ")) {
      throw Error(ErrorKind::usage, "'deployer " + later + "' is not in this version", "deployer help lists what is");
    }
  }
  std::vector<std::string> firsts = known_words();
  const std::optional<std::string> meant = did_you_mean(typed, firsts);
  const std::string first = typed.substr(0, typed.find(' '));
  const std::vector<std::string> members = members_of(first);
  if (typed == first && !members.empty()) {
    throw Error(ErrorKind::usage, "'deployer " + first + "' needs a word behind it", listing(members));
  }
  const std::optional<std::string> meant_first = did_you_mean(first, firsts);
  const std::optional<std::string>& best = meant ? meant : meant_first;
  throw Error(ErrorKind::usage, "there is no command 'deployer " + (meant || !members.empty() ? typed : first) + "'",
              best ? "did you mean 'deployer " + *best + "'?" : "deployer help lists all of them");
}

std::string wrapped(const std::string& text, std::size_t indent, std::size_t width = 80) {
  std::string out;
  std::size_t column = indent;
  for (const std::string& word : split(text, ' ')) {
    if (column > indent && column + 1 + word.size() > width) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

constexpr std::size_t help_indent = 28;

std::string help_line(const std::string& left, const std::string& doc) {
  std::string out = "  " + left;
  // Columns, not bytes: all but the bytes that continue a code point (RFC 3629).
  const auto taken = static_cast<std::size_t>(std::count_if(
      out.begin(), out.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; }));
  if (taken + 2 > help_indent) {
    out += "\n" + std::string(help_indent, ' ');
  } else {
    out += std::string(help_indent - taken, ' ');
  }
  return out + wrapped(doc, help_indent) + "\n";
}

std::string placeholder(const Parameter& parameter) {
  std::string out;
  for (const char letter : parameter.name) out += letter == '_' ? '-' : static_cast<char>(std::toupper(letter));
  return out;
}

/// What stands for the value of a flag.
std::string value_word(const Parameter& parameter) {
  switch (parameter.type) {
    case ParameterType::choice:
      return join(parameter.choices, "|");
    case ParameterType::path:
      return "PATH";
    case ParameterType::integer:
      return "N";
    case ParameterType::duration:
      return "DURATION";
    case ParameterType::map:
      return "NAME=VALUE";
    default:
      return parameter.name.size() == 1 ? "TEXT" : placeholder(parameter);
  }
}

std::string flag_line(const Parameter& parameter) {
  std::string left = flag_of(parameter);
  if (takes_value(parameter)) left += " " + value_word(parameter);
  return help_line(left, parameter.doc);
}

bool is_positional(const Operation& operation, const Parameter& parameter) {
  return std::find(operation.positionals.begin(), operation.positionals.end(), parameter.name) !=
         operation.positionals.end();
}

}  // namespace

std::string flag_of(const Parameter& parameter) {
  if (parameter.name.size() == 1) return "-" + parameter.name;
  std::string flag = "--" + parameter.name;
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

Asked find_operation(const std::vector<std::string>& words) {
  Asked asked;
  std::vector<std::size_t> places = first_words(words);
  const auto end_of_flags = std::find(words.begin(), words.end(), "--");
  const auto has = [&](const char* word) { return std::find(words.begin(), end_of_flags, word) != end_of_flags; };
  if (places.empty()) {
    asked.version = has("--version");
    asked.help = !asked.version && (has("--help") || has("-h"));
    for (const std::string& word : words) {
      if (word.starts_with('-') && word != "--version" && word != "--help" && word != "-h" &&
          global_flag(word) == nullptr) {
        throw Error(ErrorKind::usage, "unknown flag '" + word + "' before a command",
                    "deployer help lists what there is");
      }
    }
    if (!asked.version && !asked.help) {
      throw Error(ErrorKind::usage, "no command is given", "deployer help lists all of them");
    }
    return asked;
  }
  asked.help = has("--help") || has("-h");
  if (words[places.front()] == "help") {
    asked.help = true;
    places.erase(places.begin());
    if (places.empty() || words[places.front()] == "help") return asked;
    asked.group = words[places.front()];
    if (places.size() == 1 && known_name(asked.group) == nullptr && !members_of(asked.group).empty()) return asked;
    asked.group.clear();
  }
  std::string typed;
  std::size_t matched = 0;
  for (std::size_t count = 1; count <= std::min<std::size_t>(2, places.size()); ++count) {
    typed += (count > 1 ? " " : "") + words[places[count - 1]];
    const Operation* named = known_name(typed);
    if (named == nullptr) continue;
    asked.operation = named;
    asked.name = typed;
    matched = count;
  }
  // `runs` alone is `runs list`; `runs lsit` is neither.
  const bool is_no_member =
      matched == 1 && places.size() > 1 && asked.operation->positionals.empty() && !members_of(asked.name).empty();
  if (is_no_member) refuse(typed);
  const bool has_later =
      std::find(later_operations().begin(), later_operations().end(), typed) != later_operations().end();
  if (asked.operation == nullptr || has_later) refuse(typed);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto word_of_name = std::find(places.begin(), places.begin() + static_cast<std::ptrdiff_t>(matched), i);
    if (word_of_name == places.begin() + static_cast<std::ptrdiff_t>(matched)) asked.rest.push_back(words[i]);
  }
  return asked;
}

const std::vector<Parameter>& global_flags() {
  static const std::vector<Parameter> flags = {
      {.name = "C", .type = ParameterType::path, .doc = "work in this folder, as `git -C` does"},
      {.name = "config",
       .type = ParameterType::path,
       .doc = "the settings file; else etc/deployer.yml, then "
              "/etc/deployer/deployer.yml"},
      {.name = "database", .type = ParameterType::text, .doc = "a database URL, env:NAME or file:PATH"},
      {.name = "output", .type = ParameterType::text, .doc = "how progress is reported: auto, plain or json"},
      {.name = "json", .type = ParameterType::boolean, .doc = "one JSON document on stdout"},
      {.name = "log_level", .type = ParameterType::text, .doc = "trace, debug, info, warning or error; on stderr"},
      {.name = "yes", .type = ParameterType::boolean, .doc = "answer yes to every confirmation"},
      {.name = "quiet", .type = ParameterType::boolean, .doc = "silent on success, for cron"},
  };
  return flags;
}

std::string help_text() {
  std::string out =
      "usage: deployer COMMAND [ARGUMENT…]\n"
      "\n"
      "Deployments that end done or undone.\n"
      "\n"
      "commands:\n";
  for (const Operation& operation : operations()) out += help_line(operation.words.front(), operation.doc);
  out += "\nflags of every command:\n";
  for (const Parameter& flag : global_flags()) out += flag_line(flag);
  out += "\ndeployer help COMMAND tells more of one.\n";
  return out;
}

std::string help_text(const std::string& group) {
  std::string out = "usage: deployer " + group + " COMMAND [ARGUMENT…]\n\ncommands:\n";
  for (const Operation& operation : operations()) {
    const auto name = std::find_if(operation.words.begin(), operation.words.end(),
                                   [&](const std::string& words) { return words.starts_with(group + " "); });
    if (name != operation.words.end()) out += help_line(*name, operation.doc);
  }
  return out + "\ndeployer help " + group + " COMMAND tells more of one.\n";
}

std::string help_text(const Operation& operation) {
  std::string usage = "usage: deployer " + operation.words.front();
  std::string places;
  std::string flags;
  for (const std::string& name : operation.positionals) {
    const auto parameter = std::find_if(operation.parameters.begin(), operation.parameters.end(),
                                        [&](const Parameter& candidate) { return candidate.name == name; });
    std::string word = placeholder(*parameter);
    if (parameter->type == ParameterType::list) word.replace(word.size() - 1, 1, "…");  // PIPELINES: PIPELINE…
    usage += parameter->required ? " " + word : " [" + word + "]";
    places += help_line(word, parameter->doc);
  }
  for (const Parameter& parameter : operation.parameters) {
    if (!is_positional(operation, parameter)) flags += flag_line(parameter);
  }
  if (!flags.empty()) usage += " [FLAG…]";
  std::string out = usage + "\n\n" + wrapped(operation.doc, 0) + "\n";
  if (operation.words.size() > 1) {
    out += "\nalso: deployer " +
           join(std::vector<std::string>(operation.words.begin() + 1, operation.words.end()), ", deployer ") + "\n";
  }
  if (!places.empty()) out += "\narguments:\n" + places;
  if (!flags.empty()) out += "\nflags:\n" + flags;
  return out + "\ndeployer help lists the flags of every command.\n";
}

}  // namespace deployer
