#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

namespace deployer {
class Files;
}

namespace deployer::backups {

/// A backup's file while it is written: its name is claimed and marked, its bytes are in a `.part`. Without `keep`, the
/// end takes away all of it, a manifest first, the mark last; what that cannot, `remove_leftovers` does.
class NewFile {
 public:
  /// Nothing if there is such a file or manifest, or somebody writes it. Errors `io`, `no_space`, `not_found` (no
  /// folder).
  static std::optional<NewFile> claim(const std::filesystem::path& file, const std::filesystem::path& manifest,
                                      Files& files);
  NewFile(NewFile&&) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  /// Where the database's own copy is made before it is stored.
  std::filesystem::path copy() const;
  void remove_copy();

  void write(std::string_view bytes);
  /// The bytes are the file's from now on, durably.
  void commit();
  /// It is a backup now.
  void keep();

 private:
  struct State;
  explicit NewFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace deployer::backups
