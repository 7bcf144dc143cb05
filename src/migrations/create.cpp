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

constexpr const char* standard_template =
    "-- revision: %(revision)s\n"
    "-- revises: %(revises)s\n"
    "-- created: %(created)s\n"
    "%(branch_labels)s"
    "%(depends_on)s"
    "-- transaction: auto\n"
    "-- %(message)s\n"
    "\n"
    "-- migrate:up\n"
    "\n"
    "-- migrate:down\n";

std::string filled(const std::string& text, const std::map<std::string, std::string>& values) {
  std::string out;
  std::size_t begin = 0;
  while (true) {
    const std::size_t open = text.find("%(", begin);
    if (open == std::string::npos) break;
    const std::size_t close = text.find(")s", open);
    const std::size_t close_number = text.find(")d", open);
    const std::size_t end = std::min(close, close_number);
    if (end == std::string::npos) break;
    const std::string name = text.substr(open + 2, end - open - 2);
    const auto value = values.find(name);
    if (value == values.end()) {
      std::vector<std::string> known;
      for (const auto& entry : values) known.push_back(entry.first);
      throw Error(ErrorKind::invalid, "'%(" + name + ")s' is no token of a migration's template",
                  "tokens are " + listing(known));
    }
    out += text.substr(begin, open - begin) + value->second;
    begin = end + 2;
  }
  return out + text.substr(begin);
}

std::string file_slug(const std::string& message, std::size_t longest) {
  std::string words = slug(message);
  std::replace(words.begin(), words.end(), '-', '_');
  if (words.size() <= longest) return words;
  const std::size_t cut = words.rfind('_', longest);
  return words.substr(0, cut == std::string::npos || cut == 0 ? longest : cut);
}

std::map<std::string, std::string> file_tokens(const CreateRequest& request, const std::string& id) {
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

Ids parents_for(const Graph& graph, const CreateRequest& request, const Ids& current) {
  if (request.head.empty() && graph.revisions().empty()) return {};
  const Ids parents = graph.resolve(request.head.empty() ? "head" : request.head, current);
  for (const std::string& parent : parents) {
    if (!request.splice && !graph.is_head(parent)) {
      throw Error(ErrorKind::invalid, "revision '" + parent + "' is not a head", "--splice makes a branch of it");
    }
  }
  return parents;
}

}  // namespace

Created create(const Graph& graph, const CreateRequest& request, const Ids& current, Files& files) {
  const std::string message(trim(request.message));
  if (message.find('\n') != std::string::npos) throw Error(ErrorKind::invalid, "a message has one line");
  Created created;
  created.revision = request.rev_id.empty() ? random_hex(12) : request.rev_id;
  if (!is_revision_id(created.revision)) {
    throw Error(ErrorKind::invalid, "'" + created.revision + "' is no id of a revision", "letters, digits, _ and -");
  }
  if (const Revision* taken = graph.find(created.revision)) {
    throw Error(ErrorKind::invalid, "there is a revision '" + created.revision + "' already",
                "it is in " + taken->file);
  }
  Ids dependencies;
  for (const std::string& word : request.depends_on) {
    const Ids named = graph.resolve(word, current);
    dependencies.insert(dependencies.end(), named.begin(), named.end());
  }
  created.down_revisions = parents_for(graph, request, current);
  std::string name = filled(request.file_template, file_tokens(request, created.revision)) + ".sql";
  if (name.find('/') != std::string::npos) throw Error(ErrorKind::invalid, "file_template makes a path: " + name);
  created.file = request.folder / name;
  if (files.exists(created.file)) throw Error(ErrorKind::invalid, created.file.string() + " exists already");
  const fs::path own = request.folder / "template.sql";
  const std::string text = files.exists(own) ? files.read(own) : standard_template;
  const std::string line_of_labels =
      request.branch_label.empty() ? "" : "-- branch-labels: " + request.branch_label + "\n";
  const std::string line_of_dependencies =
      dependencies.empty() ? "" : "-- depends-on: " + join(dependencies, ", ") + "\n";
  files.make_folder(request.folder);
  files.publish(created.file, filled(text, {{"revision", created.revision},
                                            {"revises", join(created.down_revisions, ", ")},
                                            {"created", rfc3339(request.now).substr(0, 19) + "Z"},
                                            {"message", message},
                                            {"branch_labels", line_of_labels},
                                            {"depends_on", line_of_dependencies}}));
  return created;
}

}  // namespace deployer::migrations
