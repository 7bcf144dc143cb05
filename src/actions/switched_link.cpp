#include "actions/switched_link.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/text.h"
#include "system/files.h"

namespace deployer {

namespace {

/// What a runner that died between making the new link and renaming it has left (Files::switch_link).
std::filesystem::path half_switched(const std::filesystem::path& link) {
  std::filesystem::path part = link;
  part += ".part";
  return part;
}

}  // namespace

Json link_text(const Files& files, const std::filesystem::path& link) {
  const auto text = files.read_link(link);
  return text ? Json(text->string()) : Json(nullptr);
}

void refuse_real_folder(const ActionContext& context, const std::filesystem::path& link) {
  const auto info = context.files().info(link);
  if (!info || info->is_link) return;
  throw Error(ErrorKind::invalid,
              link.string() + " is " + (info->is_folder ? "a folder" : "a file") + ", and would have to be a link",
              "move it away once: mv " + shell_quote(link.string()) + " " + shell_quote(link.string() + "-before"));
}

Json switch_record(const Files& files, const std::filesystem::path& link, const std::string& after) {
  return {{"link", link.string()}, {"before", link_text(files, link)}, {"after", after}};
}

Probe probe_switch(const Files& files, const Json& record) {
  const std::filesystem::path link = record.at("link").get<std::string>();
  if (link_text(files, link) != record.at("before")) return Probe::happened;
  return files.read_link(half_switched(link)) ? Probe::partly : Probe::not_happened;
}

std::string switch_back(Files& files, const Json& record, const std::string& subject) {
  const std::filesystem::path link = record.at("link").get<std::string>();
  if (files.read_link(half_switched(link))) files.remove(half_switched(link));
  const Json now = link_text(files, link);
  const Json& before = record.at("before");
  if (now == before) return "it was the previous " + subject + " still";
  if (now != record.at("after")) {
    throw Error(
        ErrorKind::left_behind,
        link.string() + (now.is_string() ? " points to " + now.get<std::string>() : std::string(" is gone")) +
            ", which this run did not do",
        before.is_string() ? "the " + subject + " before the run is " + before.get<std::string>() : std::string());
  }
  if (before.is_null()) {
    files.remove(link);
    return "the link was removed, as there was none before";
  }
  files.switch_link(link, before.get<std::string>());
  return "the previous " + subject + " was switched back";
}

Json link_baseline(const Files& files, const std::filesystem::path& link) {
  return {{"link", link.string()}, {"text", link_text(files, link)}};
}

Verification verify_link(const Files& files, const Json& baseline) {
  const std::string link = baseline.at("link").get<std::string>();
  const Json now = link_text(files, link);
  if (now == baseline.at("text")) return {true, true, link + " is as before"};
  return {true, false, link + " is " + dump(now) + " and was " + dump(baseline.at("text"))};
}

void sync_file_system(const std::filesystem::path& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw io_error(errno, "cannot open " + folder.string());
  const int code = syncfs(fd) == 0 ? 0 : errno;
  close(fd);
  if (code != 0) throw io_error(code, "cannot sync " + folder.string());
}

}  // namespace deployer
