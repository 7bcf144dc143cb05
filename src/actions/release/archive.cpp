#include <array>

#include "actions/release/source.h"
#include "base/error.h"
#include "base/text.h"
#include "system/files.h"

namespace deployer {

namespace {

struct ArchiveForm {
  std::string_view suffix;
  const char* program;  ///< what must be there beside tar
};

constexpr std::array<ArchiveForm, 10> archive_forms = {{
    {".tar", "tar"},
    {".tar.gz", "gzip"},
    {".tgz", "gzip"},
    {".tar.xz", "xz"},
    {".txz", "xz"},
    {".tar.zst", "zstd"},
    {".tzst", "zstd"},
    {".tar.bz2", "bzip2"},
    {".tbz2", "bzip2"},
    {".zip", "unzip"},
}};

/// Prints the first member that would be outside, if there is one. A list of all may be too long to keep.
constexpr const char* find_outside = R"( | { grep -E '^/|(^|/)\.\.(/|$)' || test $? -eq 1; } | sed -n 1p)";

CommandLine archive_shell(const std::string& text, const std::vector<std::string>& words) {
  std::vector<std::string> argv = {"bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", text, "bash"};
  argv.insert(argv.end(), words.begin(), words.end());
  return {"", argv, {}};
}

[[noreturn]] void refuse_member(const std::filesystem::path& archive, const std::string& member) {
  throw Error(ErrorKind::failed, archive.string() + " holds " + member + ", which leaves the folder of the release");
}

/// What tar and unzip make of such links is inside or harmless; what the application makes of them is not.
void refuse_links_out(const std::filesystem::path& archive, const std::filesystem::path& folder) {
  std::error_code failure;
  const std::filesystem::path root = std::filesystem::canonical(folder, failure);
  if (failure) throw io_error(failure.value(), "cannot look at " + folder.string());
  std::filesystem::recursive_directory_iterator entries(root, failure);
  for (; !failure && entries != std::filesystem::recursive_directory_iterator(); entries.increment(failure)) {
    if (!entries->is_symlink(failure)) continue;
    const std::filesystem::path& link = entries->path();
    const std::filesystem::path text = std::filesystem::read_symlink(link, failure);
    if (failure) break;
    std::error_code endless;
    const std::filesystem::path end = std::filesystem::weakly_canonical(link.parent_path() / text, endless);
    const std::filesystem::path inside = end.lexically_relative(root);
    if (endless || text.is_absolute() || inside.empty() || *inside.begin() == "..") {
      refuse_member(archive, "the link " + link.lexically_relative(root).string() + " -> " + text.string());
    }
  }
  if (failure) throw io_error(failure.value(), "cannot look through " + folder.string());
}

}  // namespace

std::string archive_program(const std::filesystem::path& archive) {
  const std::string name = archive.filename().string();
  std::vector<std::string> suffixes;
  for (const ArchiveForm& form : archive_forms) {
    if (name.size() > form.suffix.size() && name.ends_with(form.suffix)) return form.program;
    suffixes.emplace_back(form.suffix);
  }
  throw Error(ErrorKind::invalid, archive.string() + " is no archive that can be unpacked",
              "its name must end with one of " + join(suffixes, " "));
}

void unpack_release_archive(ActionContext& context, const std::filesystem::path& archive,
                            const std::filesystem::path& folder) {
  if (!context.files().exists(archive)) throw Error(ErrorKind::failed, archive.string() + " does not exist");
  const bool is_zip = archive_program(archive) == "unzip";
  CommandOptions quiet;
  quiet.env["LC_ALL"] = "C";
  quiet.quiet = true;
  const std::string listing =
      is_zip ? "unzip -Z1 -- \"$1\"" : "tar --list --force-local --absolute-names --file=\"$1\"";
  const CommandResult outside =
      context.must(archive_shell(listing + find_outside, {archive.string()}), "reading " + archive.string(), quiet);
  if (!trim(outside.out).empty()) refuse_member(archive, std::string(trim(outside.out)));

  CommandOptions options;
  options.env["LC_ALL"] = "C";
  std::vector<std::string> argv = {
      "tar",           "--extract",       "--file=" + archive.string(), "--directory=" + folder.string(),
      "--force-local", "--no-same-owner", "--same-permissions"};
  if (is_zip) argv = {"unzip", "-q", "-o", "--", archive.string(), "-d", folder.string()};
  const CommandResult unpacked = context.must({"", argv, {}}, "unpacking " + archive.string(), options);
  // tar takes hard links to the outside for ones to the inside, and says so.
  if (unpacked.err_tail.find("from hard link targets") != std::string::npos) {
    refuse_member(archive, "a hard link to the outside");
  }
  refuse_special_files(folder);
  refuse_links_out(archive, folder);
}

}  // namespace deployer
