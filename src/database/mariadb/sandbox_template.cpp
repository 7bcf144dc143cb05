#include "database/mariadb/sandbox_template.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <system_error>

#include "base/error.h"
#include "base/id.h"
#include "base/text.h"
#include "system/files.h"
#include "system/machine.h"
#include "system/process.h"
#include "system/process_descriptor.h"

namespace deployer::database {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view usual_page_size = "16384";
constexpr const char* zone_files = "/usr/share/zoneinfo";  // tzset(3)
constexpr auto abandoned_after = std::chrono::hours(1);    // a part that is being written is seconds old

std::string template_name(const SandboxPrograms& programs, const SandboxLikeness& like) {
  std::string name = "sandbox-template-";
  for (const char c : programs.version) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-';
    name += plain ? c : '_';
  }
  if (like.page_size != usual_page_size) name += "-page-" + like.page_size;
  if (like.has_zones) name += "-zones";
  return name;
}

void copy_folder(const fs::path& from, const fs::path& to) {
  std::error_code failure;
  fs::copy(from, to, fs::copy_options::recursive | fs::copy_options::copy_symlinks, failure);
  if (failure) throw io_error(failure.value(), fmt::format("cannot copy {} to {}", from.string(), to.string()));
}

/// Everything on the file system of `folder` is on the disk: after a power cut no template is a torn one.
void sync_file_system(const fs::path& folder) {
  const process::Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.open() || ::syncfs(opened.get()) != 0) throw io_error(errno, "cannot sync " + folder.string());
}

std::vector<std::string> data_options(const fs::path& data, const SandboxLikeness& like) {
  std::vector<std::string> options = {"--no-defaults", "--datadir=" + data.string(), sandbox_log_size};
  if (like.page_size != usual_page_size) options.push_back("--innodb-page-size=" + like.page_size);
  return options;
}

void load_zones(const SandboxHome& home, const SandboxPrograms& programs, const SandboxLikeness& like,
                const fs::path& data, const Machine& machine, const Deadline& deadline) {
  std::error_code unknown;
  const auto tool = find_program("mariadb-tzinfo-to-sql", machine.path + ":/usr/bin");
  if (!tool || !fs::is_directory(zone_files, unknown)) {
    throw Error(ErrorKind::missing_tool, "the database knows time zones by name, and this machine does not",
                "install them: apt-get install tzdata mariadb-server");
  }
  const Command list = sandbox_command(programs, home, machine, {tool->string(), "--skip-write-binlog", zone_files});
  const std::string statements = run_in_sandbox(list, machine, "read the time zones of this machine", deadline);
  std::vector<std::string> words = data_options(data, like);
  words.insert(words.begin(), programs.server.string());
  words.emplace_back("--bootstrap");
  Command load = sandbox_command(programs, home, machine, words);
  load.input = "USE mysql;\n" + statements;
  run_in_sandbox(load, machine, "load the time zones", deadline);
}

void remove_abandoned(const fs::path& keep, Files& files) {
  for (const std::string& name : files.list(keep)) {
    if (name.rfind(".sandbox-template-", 0) != 0) continue;
    const std::optional<FileInfo> part = files.info(keep / name);
    if (part && std::chrono::system_clock::now() - part->modified > abandoned_after) files.remove_folder(keep / name);
  }
}

void publish_template(const fs::path& made, const fs::path& published, const Machine& machine) {
  const fs::path part = published.parent_path() / ("." + published.filename().string() + "-" + random_hex(8));
  try {
    copy_folder(made, part);
    sync_file_system(part);
    if (::rename(part.c_str(), published.c_str()) == 0) {
      machine.files.sync_folder(published.parent_path());
      return;
    }
    if (errno != ENOTEMPTY && errno != EEXIST) throw io_error(errno, "cannot rename to " + published.string());
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(part, ignored);
    throw;
  }
  machine.files.remove_folder(part);  // another process was first
}

}  // namespace

void fill_sandbox_data(const SandboxHome& home, const SandboxPrograms& programs, const SandboxLikeness& like,
                       const fs::path& keep, const Machine& machine, const Deadline& deadline) {
  const fs::path data = home.server() / "data";
  const fs::path kept = keep / template_name(programs, like);
  if (machine.files.exists(kept)) {
    copy_folder(kept, data);
  } else {
    machine.files.make_folder(keep, 0700);
    remove_abandoned(keep, machine.files);
    machine.files.make_folder(data, 0700);
    home.give(data);
    std::vector<std::string> words = data_options(data, like);
    // --force: also where the machine's own name cannot be looked up. Nobody logs in as root, who cannot be anybody
    // else than the machine's own.
    words.insert(words.end(), {"--force", "--skip-test-db", "--auth-root-authentication-method=socket"});
    words.insert(words.begin(), programs.prepare.string());
    run_in_sandbox(sandbox_command(programs, home, machine, words), machine, "prepare a data folder", deadline);
    if (like.has_zones) load_zones(home, programs, like, data, machine, deadline);
    publish_template(data, kept, machine);
  }
  home.give(data);
}

}  // namespace deployer::database
