#pragma once

#include <filesystem>
#include <string>

#include "engine/action.h"

namespace deployer {

// Where a release's files come from. What they start are children of the step; Errors are `failed` where the source is
// not as it should be, and what ActionContext::must throws.

/// A commit of a repository, by way of a bare mirror that is kept beside the releases and fetched each time.
struct GitSource {
  std::string url;  ///< as git takes it; a local path is absolute
  std::string ref;  ///< a branch, a tag, a commit, or a full name as in refs/pull/7/head

  /// The source as the document has it: paths are of the project. Error `invalid` for what git would take as an option.
  static GitSource from(const ActionContext& context, const std::string& url, const std::string& ref);
  /// The URL without user and password.
  std::string name() const;
  /// Fetches, and gives the whole digits of the commit that `ref` is. A mirror that is not whole (a clone that was cut
  /// short, files that a crash has emptied) is made anew.
  std::string fetch(ActionContext& context, const std::filesystem::path& mirror) const;
  /// Writes the files of the commit into an empty folder, as `git archive` does: without what `.gitattributes` has as
  /// `export-ignore`, and without submodules.
  void write(ActionContext& context, const std::filesystem::path& mirror, const std::string& commit,
             const std::filesystem::path& folder) const;
};

/// Copies a folder's content into an empty folder: links as links, modes and times kept, the owner is the runner.
void copy_release_folder(ActionContext& context, const std::filesystem::path& source,
                         const std::filesystem::path& folder);

/// The name of the program that unpacks such a file beside tar, or tar or unzip; Error `invalid` for a suffix of
/// another kind.
std::string archive_program(const std::filesystem::path& archive);
/// Unpacks an archive into an empty folder. A member that leaves the folder is refused, whether by its name or by a
/// link.
void unpack_release_archive(ActionContext& context, const std::filesystem::path& archive,
                            const std::filesystem::path& folder);

/// Error `failed` if there is anything in a folder but files, folders and links, with the name of the first.
void refuse_special_files(const std::filesystem::path& folder);

}  // namespace deployer
