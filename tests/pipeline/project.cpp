#include "pipeline/project.h"

#include <cstdlib>

namespace deployer::test {

namespace {

std::string lines_of(const Diagnostics& diagnostics) {
  std::string out;
  for (const Diagnostic& diagnostic : diagnostics) out += diagnostic.text() + "\n";
  return out;
}

std::optional<std::string> url_complaint(const Json& url) {
  if (url.get<std::string>().find("://") != std::string::npos) return std::nullopt;
  return "the database URL has no scheme";
}

}  // namespace

Project::Project() {
  request.file = folder / "p.yml";
  request.project = folder.path();
  request.environment = {{"PATH", std::getenv("PATH")}};
  request.run_id = "20261124T020000000-abcdef";
  request.started_at = "2026-11-24T02:00:00.000Z";
  vocabulary.actions = {
      {"restart",
       {{.name = "systemd", .type = ParameterType::list, .repeated_or_single = true},
        {.name = "command", .type = ParameterType::command},
        {.name = "ready_within", .type = ParameterType::duration, .fallback = 30'000}},
       true},
      {"migrate", {{.name = "target", .type = ParameterType::text, .fallback = "head"}}, false},
      {"run", {}, true},
  };
  vocabulary.later_actions = {"approve"};
  vocabulary.database = {
      {.name = "url", .type = ParameterType::text, .secret = true, .check = url_complaint},
      {.name = "migrations", .type = ParameterType::path},
  };
  vocabulary.backups = {{.name = "directory", .type = ParameterType::path, .fallback = "backups"}};
}

Settings Project::settings() const { return Settings::load({folder.path(), "", request.environment}, files); }

Pipeline Project::load(const std::string& text) {
  folder.write("p.yml", text);
  const Settings read = settings();
  return PipelineLoader(vocabulary, read, files, processes, redactor)
      .load(request, Deadline::after(std::chrono::seconds(20)));
}

std::string Project::complaints(const std::string& text) {
  try {
    load(text);
    return "";
  } catch (const Error& error) {
    return relative(std::string(error_kind_info(error.kind).name) + "\n" + lines_of(error.diagnostics));
  }
}

std::string Project::warnings(const std::string& text) { return relative(lines_of(load(text).warnings)); }

std::string Project::relative(std::string text) const {
  const std::string prefix = folder.path().string() + "/";
  for (std::size_t at = text.find(prefix); at != std::string::npos; at = text.find(prefix, at)) {
    text.erase(at, prefix.size());
  }
  return text;
}

}  // namespace deployer::test
