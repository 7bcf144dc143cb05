#include "pipeline/secrets.h"

#include <set>

#include "base/error.h"
#include "base/parameter.h"
#include "base/redactor.h"
#include "base/text.h"
#include "pipeline/document_keys.h"
#include "pipeline/url_password.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer {

namespace {

constexpr std::uint64_t largest_secret = 64 * 1024;

std::string without_line_end(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

/// One source of a secret, or its complaint.
class SecretReader {
 public:
  SecretReader(const SecretSources& sources, const Deadline& deadline, Diagnostics& diagnostics)
      : sources_(sources), deadline_(deadline), diagnostics_(diagnostics) {}

  std::optional<std::string> from_environment(const std::string& name, const Location& at) {
    const auto found = sources_.environment.find(name);
    if (found != sources_.environment.end() && !found->second.empty()) return found->second;
    complain(at, "the secret '" + name + "' is not in the environment",
             "export " + name + "=…, or give {name: " + name + ", file: PATH}");
    return std::nullopt;
  }

  std::optional<std::string> from_file(const std::string& name, const std::string& path, const Location& at) {
    const std::filesystem::path file = sources_.project / path;
    try {
      return without_line_end(sources_.files.read(file, largest_secret));
    } catch (const Error& error) {
      complain(at, "the secret '" + name + "' cannot be read: " + error.summary(), error.hint);
      return std::nullopt;
    }
  }

  std::optional<std::string> from_command(const std::string& name, const Json& command, const Location& at) {
    Command program;
    program.argv = command.is_string()
                       ? std::vector<std::string>{"bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command}
                       : command.get<std::vector<std::string>>();
    program.env = sources_.environment;
    program.directory = sources_.project;
    const Processes::Captured captured =
        sources_.processes.capture(program, deadline_.at_most(std::chrono::seconds(60)));
    if (captured.exit.ok()) return without_line_end(captured.out);
    complain(at, "the command of the secret '" + name + "' " + captured.exit.text() + complaint_of(captured.err), "");
    return std::nullopt;
  }

  void complain(const Location& at, const std::string& message, const std::string& hint) {
    diagnostics_.push_back({at, Level::error, "secret", message, hint, ""});
  }

  // A mistake of the document, not a secret that is missing.
  void refuse(const Location& at, const std::string& message, const std::string& hint) {
    diagnostics_.push_back({at, Level::error, "document", message, hint, ""});
  }

  // A name that can be one, once.
  bool accepts(const std::string& name, const Location& at) {
    if (!is_variable_name(name)) {
      refuse(at, "'" + name + "' is no name of a secret", "letters, digits and _, as in DATABASE_URL");
      return false;
    }
    if (names_.insert(name).second) return true;
    refuse(at, "the secret '" + name + "' stands in the list twice", "");
    return false;
  }

 private:
  static std::string complaint_of(const std::string& err) {
    const std::string_view text = trim(err);
    const std::size_t last = text.rfind('\n');
    const std::string_view line = last == std::string_view::npos ? text : text.substr(last + 1);
    return line.empty() ? "" : ": " + std::string(line);
  }

  const SecretSources& sources_;
  Deadline deadline_;
  Diagnostics& diagnostics_;
  std::set<std::string> names_;
};

void make_known(const SecretSources& sources, const std::string& name, const std::string& value, const Location& at,
                Diagnostics& diagnostics) {
  make_url_passwords_known(sources.redactor, value);
  if (value.empty() || sources.redactor.add(name, value)) return;
  diagnostics.push_back({at, Level::warning, "secret", "the secret '" + name + "' is too short to be masked",
                         "a secret has at least 4 bytes", ""});
}

std::optional<std::string> read_one(const YamlNode& item, std::string& name, SecretReader& reader,
                                    const SecretSources& sources, Diagnostics& diagnostics) {
  static const std::vector<Parameter> parameters = {
      {.name = "name", .type = ParameterType::text, .required = true},
      {.name = "file", .type = ParameterType::path},
      {.name = "command", .type = ParameterType::command},
  };
  if (item.kind == YamlNode::Kind::scalar) {
    if (!reader.accepts(item.text, item.at)) return std::nullopt;
    name = item.text;
    return sources.read ? reader.from_environment(name, item.at) : std::nullopt;
  }
  const std::size_t before = diagnostics.size();
  const Json source = read_parameters(item, parameters, "a secret", diagnostics);
  if (diagnostics.size() > before) return std::nullopt;
  if (!reader.accepts(source.at("name"), item.find("name")->at)) return std::nullopt;
  name = source.at("name");
  if (source.contains("file") && source.contains("command")) {
    reader.refuse(item.at, "the secret '" + name + "' has both a file and a command", "give one of the two");
    return std::nullopt;
  }
  if (!sources.read) return std::nullopt;
  if (source.contains("file")) return reader.from_file(name, source["file"], item.at);
  if (source.contains("command")) return reader.from_command(name, source["command"], item.at);
  return reader.from_environment(name, item.at);
}

std::string unquoted(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char next = text[++i];
    out += next == 'n' ? '\n' : next == 't' ? '\t' : next == 'r' ? '\r' : next;
  }
  return out;
}

/// The value behind `NAME=`, or a complaint.
std::optional<std::string> env_value(std::string_view text, std::string& complaint) {
  text = trim(text);
  if (text.starts_with('"') || text.starts_with('\'')) {
    const char quote = text.front();
    std::size_t end = 1;
    while (end < text.size() && text[end] != quote) end += quote == '"' && text[end] == '\\' ? 2 : 1;
    if (end >= text.size()) {
      complaint = "the quote does not end on this line";
      return std::nullopt;
    }
    const std::string_view rest = trim(text.substr(end + 1));
    if (!rest.empty() && !rest.starts_with('#')) {
      complaint = "something stands behind the quoted value";
      return std::nullopt;
    }
    const std::string_view inner = text.substr(1, end - 1);
    return quote == '"' ? unquoted(inner) : std::string(inner);
  }
  const std::size_t comment = text.find(" #");
  return std::string(trim(comment == std::string_view::npos ? text : text.substr(0, comment)));
}

}  // namespace

Secrets read_secrets(const YamlNode* node, const SecretSources& sources, const Deadline& deadline,
                     Diagnostics& diagnostics) {
  Secrets secrets;
  if (node == nullptr || node->kind == YamlNode::Kind::null) return secrets;
  SecretReader reader(sources, deadline, diagnostics);
  if (node->kind != YamlNode::Kind::sequence) {
    reader.refuse(node->at, "secrets must be a list", "as in secrets: [DATABASE_URL]");
    return secrets;
  }
  for (const YamlNode& item : node->items) {
    std::string name;
    std::optional<std::string> value = read_one(item, name, reader, sources, diagnostics);
    if (value) make_known(sources, name, *value, item.at, diagnostics);
    if (value && value->find('\0') != std::string::npos) {
      reader.complain(item.at, "the secret '" + name + "' holds a NUL byte: no program can be given it", "");
      value = std::nullopt;
    }
    if (!name.empty()) secrets[name] = std::move(value);
  }
  return secrets;
}

std::map<std::string, std::string> read_env_file(const std::filesystem::path& file, const Location& at,
                                                 const SecretSources& sources, Diagnostics& diagnostics) {
  std::map<std::string, std::string> values;
  std::error_code unresolved;
  const std::filesystem::path real = std::filesystem::canonical(file, unresolved);  // a link's own mode says nothing
  const std::optional<FileInfo> info = sources.files.info(unresolved ? file : real);
  if (!info || info->is_link) {
    diagnostics.push_back({at, Level::error, "secret", "the env_file " + file.string() + " does not exist", "", ""});
    return values;
  }
  if ((info->mode & 0077U) != 0) {
    diagnostics.push_back({at, Level::error, "secret", "the env_file " + file.string() + " can be read by others",
                           "chmod 600 " + shell_quote(file.string()), ""});
    return values;
  }
  if (!sources.read) return values;
  std::string text;
  try {
    text = sources.files.read(file, largest_secret);
  } catch (const Error& error) {
    diagnostics.push_back({at, Level::error, "secret", "the env_file cannot be read: " + error.summary(), "", ""});
    return values;
  }
  if (text.find('\0') != std::string::npos) {
    diagnostics.push_back(
        {at, Level::error, "secret", "the env_file " + file.string() + " holds a NUL byte: it is no text", "", ""});
    return values;
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  int number = 0;
  for (const std::string& raw : split(text, '\n')) {
    const Location place{file.string(), ++number, 1};
    std::string_view line = trim(raw);
    if (line.empty() || line.starts_with('#')) continue;
    if (line.starts_with("export ")) line = trim(line.substr(7));
    const std::size_t equals = line.find('=');
    const std::string name(trim(line.substr(0, equals)));
    std::string complaint;
    std::optional<std::string> value;
    if (equals == std::string_view::npos || !is_variable_name(name)) {
      complaint = "this line is not NAME=value";
    } else {
      value = env_value(line.substr(equals + 1), complaint);
    }
    if (!value) {
      diagnostics.push_back({place, Level::error, "secret", complaint, "", ""});
      continue;
    }
    make_known(sources, name, *value, place, diagnostics);
    values[name] = *value;
  }
  return values;
}

}  // namespace deployer
