#include "migrations/create.h"

#include <fmt/core.h>

#include <algorithm>
#include <ctime>

#include "base/error.h"
#include "base/id.h"
#include "base/text.h"
#include "system/files.h"

namespace deployer::migrations {

namespace {

namespace fs = std::filesystem;

using Tokens = std::map<std::string, std::string>;

constexpr const char* standard_template =
    "-- revision: %(revision)s\n"
    "-- revises: %(revises)s\n"
    "-- created: %(created)s\n"
    "%(branch_labels)s"
    "%(depends_on)s"
    "-- %(message)s\n"
    "\n"
    "-- migrate:up\n"
    "\n"
    "-- migrate:down\n";

[[noreturn]] void refuse_creation(const std::string& message, const std::string& hint = {}) {
  throw Error(ErrorKind::invalid, message, hint);
}

/// Python's `%(name)s`, `%(name)d`, `%(name).2d` and `%%`; what else begins with % stands as it is.
std::string filled(const std::string& text, const Tokens& tokens) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text.compare(at, 2, "%%") == 0) {
      out += text[at++];
      continue;
    }
    const std::size_t close = text.compare(at, 2, "%(") == 0 ? text.find(')', at) : std::string::npos;
    const std::size_t type = close == std::string::npos ? close : text.find_first_not_of(".0123456789", close + 1);
    if (type == std::string::npos || (text[type] != 's' && text[type] != 'd')) {
      out += text[at];
      continue;
    }
    const std::string name = text.substr(at + 2, close - at - 2);
    const auto value = tokens.find(name);
    if (value == tokens.end()) {
      std::vector<std::string> known;
      for (const auto& token : tokens) known.push_back(token.first);
      refuse_creation("'%(" + name + ")s' is no token here", "tokens are " + listing(known));
    }
    out += value->second;
    at = type;
  }
  return out;
}

std::string file_slug(const std::string& message, std::size_t longest) {
  std::string words = slug(message);
  std::replace(words.begin(), words.end(), '-', '_');
  if (words.size() <= longest) return words;
  const std::size_t cut = words.rfind('_', longest);
  return words.substr(0, cut == std::string::npos || cut == 0 ? longest : cut);
}

Tokens file_tokens(const CreateRequest& request, const std::string& id) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(request.now);
  std::tm calendar{};
  gmtime_r(&seconds, &calendar);
  return {{"rev", id},
          {"slug", file_slug(request.message, request.slug_length)},
          {"epoch", std::to_string(seconds)},
          {"year", fmt::format("{:04}", calendar.tm_year + 1900)},
          {"month", fmt::format("{:02}", calendar.tm_mon + 1)},
          {"day", fmt::format("{:02}", calendar.tm_mday)},
          {"hour", fmt::format("{:02}", calendar.tm_hour)},
          {"minute", fmt::format("{:02}", calendar.tm_min)},
          {"second", fmt::format("{:02}", calendar.tm_sec)}};
}

Ids named_revisions(const Graph& graph, const Ids& words, const Ids& current) {
  Ids found;
  for (const std::string& word : words) {
    for (const std::string& id : graph.resolve(std::string(trim(word)), current)) {
      if (std::find(found.begin(), found.end(), id) == found.end()) found.push_back(id);
    }
  }
  return found;
}

Ids parents_for(const Graph& graph, const CreateRequest& request, const Ids& current) {
  if (request.head.empty() && graph.revisions().empty()) return {};
  Ids parents = named_revisions(graph, request.head.empty() ? Ids{"head"} : split(request.head, ','), current);
  for (const std::string& parent : parents) {
    if (request.splice || graph.is_head(parent)) continue;
    refuse_creation("revision '" + parent + "' is not a head", "--splice makes a branch of it");
  }
  return parents;
}

std::string new_id(const Graph& graph, const CreateRequest& request) {
  std::string id = request.rev_id.empty() ? random_hex(12) : request.rev_id;
  if (!is_revision_id(id)) {
    refuse_creation("'" + id + "' is no id of a revision",
                    "letters, digits, _ and - (not first), and not head, heads, base or current");
  }
  if (const Revision* taken = graph.find(id)) {
    refuse_creation("there is a revision '" + id + "' already", "it is in " + taken->file);
  }
  return id;
}

void check_label(const Graph& graph, const std::string& label) {
  if (label.empty()) return;
  if (!is_revision_id(label)) refuse_creation("'" + label + "' is no branch label", "letters, digits, _ and -");
  if (graph.find(label) != nullptr) refuse_creation("'" + label + "' is the id of a revision, and no label");
  for (const auto& [id, revision] : graph.revisions()) {
    const auto& labels = revision.branch_labels;
    if (std::find(labels.begin(), labels.end(), label) == labels.end()) continue;
    refuse_creation("the branch label '" + label + "' is taken", "it is in " + revision.file);
  }
}

fs::path file_for(const CreateRequest& request, const std::string& id) {
  std::string name = filled(request.file_template, file_tokens(request, id));
  while (name.ends_with('_') || name.ends_with('-')) name.pop_back();  // of a message without letters
  if (name.empty() || name.find('/') != std::string::npos || name.starts_with('.')) {
    refuse_creation("file_template makes no file name: '" + name + "'");
  }
  return request.folder / (name + ".sql");
}

/// Without the blanks that an empty value leaves at the ends of lines.
std::string without_trailing_blanks(const std::string& text) {
  std::vector<std::string> lines = split(text, '\n');
  for (std::string& line : lines) {
    while (line.ends_with(' ')) line.pop_back();
  }
  return join(lines, "\n");
}

Revision read_back(const std::string& header, const std::string& file, Diagnostics& wrong) {
  return parse_revision(header + "\n-- migrate:up\n", file, {}, wrong);
}

/// A message like `phase: expand` would be read as a key.
void check_message(const std::string& message) {
  if (message.find_first_of("\r\n") != std::string::npos) refuse_creation("a message has one line");
  Diagnostics wrong;
  const Revision read = read_back("-- revision: 1\n-- " + message, "", wrong);
  if (wrong.empty() && read.description == message) return;
  refuse_creation("the message would not be read as a description: '" + message + "'", "put a word before it");
}

/// What is written must be read back as it was meant: a template can be in the way.
void check_file(const std::string& text, const Created& created, const Ids& dependencies) {
  const std::size_t sections = text.find("-- migrate:up");
  if (sections == std::string::npos) {
    refuse_creation("template.sql has no section -- migrate:up", "take the line in");
  }
  Diagnostics wrong;
  const Revision read = parse_revision(text.substr(0, sections) + "-- migrate:up\n", created.file.string(), {}, wrong);
  const bool right =
      read.id == created.revision && read.down_revisions == created.down_revisions && read.depends_on == dependencies;
  if (right && !has_errors(wrong)) return;
  refuse_creation("template.sql gives a file that says something else: " +
                      (wrong.empty() ? "a key is missing" : wrong.front().message),
                  "its header needs -- revision: %(revision)s, -- revises: %(revises)s and %(depends_on)s");
}

}  // namespace

Created create(const Graph& graph, const CreateRequest& request, const Ids& current, Files& files) {
  const std::string message(trim(request.message));
  check_message(message);
  check_label(graph, request.branch_label);
  Created created;
  created.revision = new_id(graph, request);
  created.down_revisions = parents_for(graph, request, current);
  created.file = file_for(request, created.revision);
  const Ids dependencies = named_revisions(graph, request.depends_on, current);
  const fs::path own = request.folder / "template.sql";
  const std::string label_line = request.branch_label.empty() ? "" : "-- branch-labels: " + request.branch_label + "\n";
  const std::string dependency_line = dependencies.empty() ? "" : "-- depends-on: " + join(dependencies, ", ") + "\n";
  const std::string text = without_trailing_blanks(filled(files.exists(own) ? files.read(own) : standard_template,
                                                          {{"revision", created.revision},
                                                           {"revises", join(created.down_revisions, ", ")},
                                                           {"created", rfc3339(request.now).substr(0, 19) + "Z"},
                                                           {"message", message},
                                                           {"branch_labels", label_line},
                                                           {"depends_on", dependency_line}}));
  check_file(text, created, dependencies);
  files.make_folder(request.folder);
  std::optional<Files::Publication> file = files.begin_new(created.file);
  if (!file) refuse_creation(created.file.string() + " exists already");
  file->write(text);
  file->commit();
  return created;
}

}  // namespace deployer::migrations
