#include "backups/manifest.h"

#include <fmt/format.h>

#include "base/id.h"
#include "base/text.h"
#include "system/files.h"

namespace deployer::backups {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t manifest_limit = 64 * 1024 * 1024;

Json manifest_time(const std::optional<Time>& time) { return time ? Json(rfc3339(*time)) : Json(nullptr); }

std::optional<Time> manifest_time(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_string()) return std::nullopt;
  return parse_rfc3339(found->get<std::string>());
}

}  // namespace

fs::path Manifest::manifest_file() const { return file.parent_path() / (name + ".json"); }

std::string Manifest::restore_command() const {
  if (load_with.empty()) return {};
  const std::string quoted = shell_quote(file.string());
  const bool packed = file.extension() == ".zst";
  return packed ? fmt::format("zstd -dc {} | {}", quoted, load_with) : fmt::format("{} < {}", load_with, quoted);
}

Json Manifest::json() const {
  Json contents = Json::object();
  for (const auto& [table, rows] : tables) contents[table] = {{"rows", rows.rows}, {"sum", rows.sum}};
  Json json = {{"name", name},
               {"file", file.string()},
               {"database", database},
               {"engine", engine},
               {"created_at", rfc3339(created_at)},
               {"revision", revision},
               {"bytes", bytes},
               {"bytes_raw", bytes_raw},
               {"digest", digest},
               {"encrypted", encrypted},
               {"tags", tags},
               {"run", run.empty() ? Json(nullptr) : Json(run)},
               {"verified_at", manifest_time(verified_at)},
               {"drilled_at", manifest_time(drilled_at)},
               {"restore_ms", restore_ms ? Json(restore_ms->count()) : Json(nullptr)},
               {"fingerprint", fingerprint},
               {"tables", contents}};
  if (load_with.empty()) return json;
  json["history"] = history;
  json["partial"] = partial;
  json["log_position"] = log_position.empty() ? Json(nullptr) : Json(log_position);
  json["inconsistent"] = inconsistent;
  json["unfaithful"] = unfaithful;
  json["load_with"] = load_with;
  json["restore_with"] = restore_command();
  return json;
}

Result<Manifest> Manifest::from(const Json& json, const fs::path& folder) {
  try {
    Manifest manifest;
    manifest.name = json.at("name").get<std::string>();
    manifest.file = folder / fs::path(json.at("file").get<std::string>()).filename();
    manifest.database = json.at("database").get<std::string>();
    manifest.engine = json.at("engine").get<std::string>();
    manifest.created_at = parse_rfc3339(json.at("created_at").get<std::string>());
    manifest.revision = json.at("revision");
    manifest.bytes = json.at("bytes").get<std::uint64_t>();
    manifest.bytes_raw = json.at("bytes_raw").get<std::uint64_t>();
    manifest.digest = json.at("digest").get<std::string>();
    manifest.encrypted = json.at("encrypted").get<bool>();
    manifest.tags = json.at("tags").get<std::vector<std::string>>();
    if (json.at("run").is_string()) manifest.run = json.at("run").get<std::string>();
    manifest.verified_at = manifest_time(json, "verified_at");
    manifest.drilled_at = manifest_time(json, "drilled_at");
    if (json.contains("restore_ms") && json["restore_ms"].is_number_integer()) {
      manifest.restore_ms = Duration(json["restore_ms"].get<Duration::rep>());
    }
    manifest.history = json.value("history", Json(nullptr));
    manifest.partial = json.value("partial", false);
    if (json.contains("load_with")) {
      manifest.load_with = json["load_with"].get<std::string>();
      if (json.at("log_position").is_string()) manifest.log_position = json["log_position"].get<std::string>();
      manifest.inconsistent = json.at("inconsistent").get<std::vector<std::string>>();
      manifest.unfaithful = json.at("unfaithful").get<std::vector<std::string>>();
    }
    manifest.fingerprint = json.at("fingerprint").get<std::string>();
    for (const auto& [table, content] : json.at("tables").items()) {
      manifest.tables[table] = {content.at("rows").get<std::uint64_t>(), content.at("sum").get<std::string>()};
    }
    return manifest;
  } catch (const Json::exception& wrong) {
    return tl::unexpected(Error(ErrorKind::invalid, std::string("it is no manifest of a backup: ") + wrong.what()));
  }
}

void publish(const Manifest& manifest, Files& files) {
  // Both can be moved: neither knows its folder.
  Manifest beside = manifest;
  beside.file = manifest.file.filename();
  Json stored = beside.json();
  files.publish(manifest.manifest_file(), dump_pretty(stored) + "\n", 0600);
}

Manifest read_manifest(const fs::path& file, const Files& files) {
  const Json json = value_or_throw(parse_json(files.read(file, manifest_limit), file.string()));
  Result<Manifest> manifest = Manifest::from(json, fs::absolute(file).parent_path());
  if (!manifest) throw Error(ErrorKind::invalid, "cannot use " + file.string()).caused_by(manifest.error());
  if (manifest->name != file.stem().string()) {
    throw Error(ErrorKind::invalid, "cannot use " + file.string() + ": it is the manifest of " + manifest->name);
  }
  return std::move(*manifest);
}

void note_verified(Manifest& manifest, Time now, Files& files) {
  manifest.verified_at = now;
  publish(manifest, files);
}

void note_drilled(Manifest& manifest, Time now, Duration restore, Files& files) {
  manifest.verified_at = now;
  manifest.drilled_at = now;
  manifest.restore_ms = restore;
  publish(manifest, files);
}

}  // namespace deployer::backups
