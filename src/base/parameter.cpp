#include "base/parameter.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/text.h"
#include "base/units.h"

namespace deployer {

namespace {

using Kind = YamlNode::Kind;

std::string folded_name(std::string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '-', '_');
  return out;
}

bool has_expression(std::string_view text) { return text.find("${{") != std::string_view::npos; }

std::string kind_words(const YamlNode& node) {
  if (node.kind == Kind::sequence) return "a list";
  if (node.kind == Kind::mapping) return "a mapping";
  if (node.kind == Kind::null) return "nothing";
  return "'" + node.text + "'";
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  const std::string_view digits = text.substr(text.substr(0, 1) == "-" ? 1 : 0);
  if (digits.empty() || (digits.size() > 1 && digits[0] == '0')) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (wrong != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// A complaint that has no place yet.
struct Complaint {
  std::string message;
  std::string hint;
};
using Parsed = tl::expected<Json, Complaint>;

Parsed refused(std::string message, std::string hint = {}) {
  return tl::unexpected(Complaint{std::move(message), std::move(hint)});
}

Parsed parsed_choice(const Parameter& parameter, std::string_view text, std::string_view what) {
  const std::vector<std::string>& choices = parameter.choices;
  if (std::find(choices.begin(), choices.end(), text) != choices.end()) return Json(std::string(text));
  std::vector<std::string> front(choices.begin(), choices.end() - (choices.empty() ? 0 : 1));
  const std::string last = choices.empty() ? "" : choices.back();
  const std::string words = front.empty() ? last : join(front, ", ") + " or " + last;
  const std::optional<std::string> meant = did_you_mean(text, choices);
  return refused(fmt::format("{} must be {}, not '{}'", what, words, text),
                 meant ? fmt::format("did you mean '{}'?", *meant) : "");
}

// A scalar of the types that are written as one.
Parsed parsed_scalar(const Parameter& parameter, const std::string& text, std::string_view what) {
  switch (parameter.type) {
    case ParameterType::integer:
      if (const std::optional<std::int64_t> number = whole_number(text)) return Json(*number);
      return refused(fmt::format("{} must be a whole number, not '{}'", what, text));
    case ParameterType::boolean:
      if (text == "true") return Json(true);
      if (text == "false") return Json(false);
      return refused(fmt::format("{} must be true or false, not '{}'", what, text));
    case ParameterType::duration: {
      const Result<Duration> length = parse_duration(text);
      if (length) return Json(length->count());
      return refused(fmt::format("{} must be a duration, not '{}'", what, text), length.error().hint);
    }
    case ParameterType::size: {
      const Result<std::uint64_t> bytes = parse_size(text);
      if (bytes) return Json(*bytes);
      return refused(fmt::format("{} must be a size, not '{}'", what, text), bytes.error().hint);
    }
    case ParameterType::choice:
      return parsed_choice(parameter, text, what);
    case ParameterType::path:
      if (text.empty()) return refused(fmt::format("{} must be a path, not an empty text", what));
      if (text.find('\0') != std::string::npos) return refused(fmt::format("{} must be a path without a NUL", what));
      return Json(text);
    default:
      return Json(text);
  }
}

std::string type_words(const Parameter& parameter) {
  switch (parameter.type) {
    case ParameterType::text:
      return "a text";
    case ParameterType::path:
      return "a path";
    case ParameterType::choice:
      return listing(parameter.choices).empty() ? "a word" : "one of " + join(parameter.choices, ", ");
    case ParameterType::integer:
      return "a whole number";
    case ParameterType::boolean:
      return "true or false";
    case ParameterType::duration:
      return "a duration";
    case ParameterType::size:
      return "a size";
    case ParameterType::list:
      return "a list";
    case ParameterType::map:
    case ParameterType::section:
      return "a mapping";
    case ParameterType::command:
      return "a command: a text for the shell, or a list";
    case ParameterType::sections:
      return "a list of mappings";
    case ParameterType::any:
      return "a value";
  }
  return "a value";
}

// Reads one document's mappings; what it gives is nothing where a complaint was made, or where a value is not known.
class ParameterReader {
 public:
  ParameterReader(Diagnostics& diagnostics, const Evaluate& evaluate)
      : diagnostics_(diagnostics), evaluate_(evaluate) {}

  Json mapping(const YamlNode& node, const std::vector<Parameter>& parameters, std::string_view what,
               const std::vector<std::pair<std::string, std::string>>& foreign) {
    Json out = Json::object();
    if (node.kind == Kind::scalar || node.kind == Kind::sequence) {
      complain(node.at, "wrong-type", fmt::format("{} must be a mapping, not {}", what, kind_words(node)));
      return out;
    }
    for (const YamlNode::Entry& entry : node.entries) {
      const std::string name = folded_name(entry.key);
      const auto parameter = std::find_if(parameters.begin(), parameters.end(),
                                          [&](const Parameter& known) { return folded_name(known.name) == name; });
      if (parameter == parameters.end()) unknown(entry, parameters, what, foreign);
    }
    for (const Parameter& parameter : parameters) {
      const YamlNode* value = node.find(parameter.name);
      if (value == nullptr) {
        absent(node, parameter, what, out);
      } else if (std::optional<Json> read = checked(*value, parameter)) {
        out[parameter.name] = std::move(*read);
      }
    }
    return out;
  }

 private:
  void complain(const Location& at, const char* rule, std::string message, std::string hint = {}) {
    diagnostics_.push_back({at, Level::error, rule, std::move(message), std::move(hint), {}});
  }

  void unknown(const YamlNode::Entry& entry, const std::vector<Parameter>& parameters, std::string_view what,
               const std::vector<std::pair<std::string, std::string>>& foreign) {
    std::string hint;
    for (const auto& [theirs, ours] : foreign) {
      if (folded_name(std::string_view(theirs).substr(0, theirs.find(':'))) != folded_name(entry.key)) continue;
      hint = ours.substr(0, 1) == " " ? ours.substr(1) : fmt::format("`{}` is written `{}`", theirs, ours);
    }
    if (hint.empty()) {
      std::vector<std::string> names;
      for (const Parameter& parameter : parameters) names.push_back(parameter.name);
      if (const std::optional<std::string> meant = did_you_mean(entry.key, names)) {
        hint = fmt::format("did you mean '{}'?", *meant);
      }
    }
    complain(entry.key_at, "unknown-key", fmt::format("unknown key '{}' in {}", entry.key, what), std::move(hint));
  }

  void absent(const YamlNode& node, const Parameter& parameter, std::string_view what, Json& out) {
    if (!parameter.fallback.is_null()) {
      out[parameter.name] = parameter.fallback;
    } else if (parameter.required) {
      complain(node.at, "missing-key", fmt::format("the key '{}' is missing in {}", parameter.name, what));
    }
  }

  std::optional<Json> checked(const YamlNode& node, const Parameter& parameter) {
    if (!parameter.code_hint.empty() && refuses_code(node, parameter)) return std::nullopt;
    std::optional<Json> value = read(node, parameter);
    if (!value || !parameter.check) return value;
    const std::optional<std::string> complaint = parameter.check(*value);
    if (!complaint) return value;
    complain(node.at, "bad-value", fmt::format("'{}': {}", parameter.name, *complaint));
    return std::nullopt;
  }

  bool refuses_code(const YamlNode& node, const Parameter& parameter) {
    bool refused = false;
    for (const YamlNode& item : node.items) refused = refuses_code(item, parameter) || refused;
    if (!has_expression(node.text)) return refused;
    complain(node.at, "expression",
             fmt::format("an expression cannot stand in {}: its value would become code", quoted(parameter)),
             parameter.code_hint);
    return true;
  }

  std::optional<Json> read(const YamlNode& node, const Parameter& parameter) {
    switch (parameter.type) {
      case ParameterType::list:
        return list(node, parameter);
      case ParameterType::map:
        return map(node, parameter);
      case ParameterType::command:
        return command(node, parameter);
      case ParameterType::section:
        if (node.kind == Kind::scalar || node.kind == Kind::sequence) return wrong_type(node, parameter);
        return mapping(node, parameter.members, quoted(parameter), {});
      case ParameterType::sections:
        return sections(node, parameter);
      case ParameterType::any:
        return any(node);
      default:
        return scalar(node, parameter);
    }
  }

  static std::string quoted(const Parameter& parameter) { return "'" + parameter.name + "'"; }

  std::optional<Json> wrong_type(const YamlNode& node, const Parameter& parameter, std::string hint = {}) {
    if (node.kind == Kind::null) {
      complain(node.at, "wrong-type", fmt::format("{} has no value", quoted(parameter)));
    } else {
      complain(node.at, "wrong-type",
               fmt::format("{} must be {}, not {}", quoted(parameter), type_words(parameter), kind_words(node)),
               std::move(hint));
    }
    return std::nullopt;
  }

  // The text of a scalar after evaluation; nothing where it has none.
  std::optional<std::string> evaluated(const YamlNode& node) {
    if (!has_expression(node.text)) return node.text;
    if (evaluate_) return evaluate_(node, diagnostics_);
    complain(node.at, "expression", "an expression cannot stand here");
    return std::nullopt;
  }

  std::optional<Json> scalar(const YamlNode& node, const Parameter& parameter) {
    if (node.kind != Kind::scalar) return wrong_type(node, parameter);
    const bool is_bare = parameter.type == ParameterType::boolean || parameter.type == ParameterType::integer;
    if (is_bare && !node.plain && !has_expression(node.text)) {
      return wrong_type(node, parameter, "write it without quotes");
    }
    const std::optional<std::string> text = evaluated(node);
    if (!text) return std::nullopt;
    Parsed parsed = parsed_scalar(parameter, *text, quoted(parameter));
    if (parsed) return std::move(*parsed);
    complain(node.at, parameter.type == ParameterType::choice ? "bad-value" : "wrong-type", parsed.error().message,
             parsed.error().hint);
    return std::nullopt;
  }

  std::optional<std::string> item(const YamlNode& node, const Parameter& parameter, std::string_view which) {
    if (node.kind != Kind::scalar) {
      const std::string found = node.kind == Kind::null ? "nothing; an empty text is written \"\"" : kind_words(node);
      complain(node.at, "wrong-type", fmt::format("{} of {} must be a text, not {}", which, quoted(parameter), found));
      return std::nullopt;
    }
    return evaluated(node);
  }

  std::optional<Json> list(const YamlNode& node, const Parameter& parameter) {
    Json out = Json::array();
    if (node.kind == Kind::null) return out;
    if (node.kind == Kind::scalar && parameter.repeated_or_single) {
      if (std::optional<std::string> text = evaluated(node)) return Json::array({std::move(*text)});
      return std::nullopt;
    }
    if (node.kind != Kind::sequence) return wrong_type(node, parameter);
    bool whole = true;
    for (const YamlNode& member : node.items) {
      if (std::optional<std::string> text = item(member, parameter, "each value")) {
        out.push_back(std::move(*text));
      } else {
        whole = false;
      }
    }
    return whole ? std::optional<Json>(std::move(out)) : std::nullopt;
  }

  std::optional<Json> map(const YamlNode& node, const Parameter& parameter) {
    Json out = Json::object();
    if (node.kind == Kind::null) return out;
    if (node.kind != Kind::mapping) return wrong_type(node, parameter);
    bool whole = true;
    for (const YamlNode::Entry& entry : node.entries) {
      if (std::optional<std::string> text = item(entry.value, parameter, "'" + entry.key + "'")) {
        out[entry.key] = std::move(*text);
      } else {
        whole = false;
      }
    }
    return whole ? std::optional<Json>(std::move(out)) : std::nullopt;
  }

  void refuse_expression(const YamlNode& node) {
    complain(node.at, "expression", "an expression cannot stand in a command: its value would become code",
             "give it to the command by `env:` and write \"$NAME\"");
  }

  std::optional<Json> command(const YamlNode& node, const Parameter& parameter) {
    if (node.kind == Kind::scalar) {
      if (has_expression(node.text)) {
        refuse_expression(node);
        return std::nullopt;
      }
      if (!trim(node.text).empty()) return Json(node.text);
      complain(node.at, "bad-value", fmt::format("{} is an empty command", quoted(parameter)));
      return std::nullopt;
    }
    if (node.kind != Kind::sequence) return wrong_type(node, parameter);
    if (node.items.empty() || (node.items[0].kind == Kind::scalar && node.items[0].text.empty())) {
      complain(node.at, "bad-value", fmt::format("{} is an empty command", quoted(parameter)));
      return std::nullopt;
    }
    if (refuses_shell_text(node)) return std::nullopt;
    return list(node, parameter);
  }

  // `[bash, -ec, "… ${{ vars.x }} …"]`
  bool refuses_shell_text(const YamlNode& argv) {
    const std::string program = argv.items[0].text.substr(argv.items[0].text.rfind('/') + 1);
    constexpr std::array<std::string_view, 8> shells = {"sh", "bash", "dash", "zsh", "ksh", "mksh", "busybox", "fish"};
    if (std::find(shells.begin(), shells.end(), program) == shells.end()) return false;
    for (std::size_t i = 1; i + 1 < argv.items.size(); ++i) {
      const std::string& option = argv.items[i].text;
      const bool takes_code =
          option.size() > 1 && option[0] == '-' && option[1] != '-' && option.find('c') != std::string::npos;
      if (!takes_code || !has_expression(argv.items[i + 1].text)) continue;
      refuse_expression(argv.items[i + 1]);
      return true;
    }
    return false;
  }

  std::optional<Json> sections(const YamlNode& node, const Parameter& parameter) {
    Json out = Json::array();
    if (node.kind == Kind::null) return out;
    if (node.kind != Kind::sequence) return wrong_type(node, parameter);
    for (const YamlNode& member : node.items) {
      if (member.kind == Kind::mapping) {
        out.push_back(mapping(member, parameter.members, quoted(parameter), {}));
      } else {
        complain(member.at, "wrong-type",
                 fmt::format("each value of {} must be a mapping, not {}", quoted(parameter), kind_words(member)));
      }
    }
    return out;
  }

  std::optional<Json> any(const YamlNode& node) {
    if (node.kind == Kind::null) return Json(nullptr);
    if (node.kind == Kind::scalar) return any_scalar(node);
    const bool is_list = node.kind == Kind::sequence;
    Json out = is_list ? Json::array() : Json::object();
    bool whole = true;
    for (const YamlNode& member : node.items) {
      std::optional<Json> value = any(member);
      whole = whole && value;
      if (value) out.push_back(std::move(*value));
    }
    for (const YamlNode::Entry& entry : node.entries) {
      std::optional<Json> value = any(entry.value);
      whole = whole && value;
      if (value) out[entry.key] = std::move(*value);
    }
    return whole ? std::optional<Json>(std::move(out)) : std::nullopt;
  }

  // What is written plainly is what JSON takes it for; all else is a text.
  std::optional<Json> any_scalar(const YamlNode& node) {
    const std::optional<std::string> text = evaluated(node);
    if (!text) return std::nullopt;
    if (!node.plain) return Json(*text);
    const Json value = Json::parse(*text, nullptr, false);
    if (value.is_discarded() || value.is_structured() || value.is_string()) return Json(*text);
    return value;
  }

  Diagnostics& diagnostics_;
  const Evaluate& evaluate_;
};

Parsed parsed_words(const Parameter& parameter, std::string_view text, std::string_view what) {
  Json out = parameter.type == ParameterType::map ? Json::object() : Json::array();
  if (text.empty()) return out;
  for (const std::string& word : split(text, ',')) {
    const std::string member(trim(word));
    if (parameter.type == ParameterType::list) {
      out.push_back(member);
      continue;
    }
    const std::size_t equals = member.find('=');
    if (equals == std::string::npos || equals == 0) {
      return refused(fmt::format("{} must be NAME=VALUE, not '{}'", what, member));
    }
    out[member.substr(0, equals)] = member.substr(equals + 1);
  }
  return out;
}

Parsed parsed_text(const Parameter& parameter, std::string_view text, std::string_view what) {
  switch (parameter.type) {
    case ParameterType::list:
    case ParameterType::map:
      return parsed_words(parameter, text, what);
    case ParameterType::command:
      if (trim(text).empty()) return refused(fmt::format("{} is an empty command", what));
      return Json(std::string(text));
    case ParameterType::section:
    case ParameterType::sections:
      return refused(fmt::format("{} cannot be given as one text", what), "write it into a document or the settings");
    default:
      return parsed_scalar(parameter, std::string(text), what);
  }
}

}  // namespace

Json read_parameters(const YamlNode& node, const std::vector<Parameter>& parameters, std::string_view what,
                     Diagnostics& diagnostics, const Evaluate& evaluate,
                     const std::vector<std::pair<std::string, std::string>>& foreign) {
  return ParameterReader(diagnostics, evaluate).mapping(node, parameters, what, foreign);
}

Result<Json> parse_parameter(const Parameter& parameter, std::string_view text, std::string_view what) {
  Parsed parsed = parsed_text(parameter, text, what);
  if (!parsed) return tl::unexpected(Error(ErrorKind::invalid, parsed.error().message, parsed.error().hint));
  if (parameter.check) {
    if (const std::optional<std::string> complaint = parameter.check(*parsed)) {
      return tl::unexpected(Error(ErrorKind::invalid, fmt::format("{}: {}", what, *complaint)));
    }
  }
  return std::move(*parsed);
}

}  // namespace deployer
