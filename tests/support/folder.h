#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace deployer::test {

/// A new empty folder, deleted with everything in it at the end.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  /// Writes a file (its folders are made) and returns its path.
  std::filesystem::path write(std::string_view name, std::string_view text, unsigned mode = 0644) const;

 private:
  std::filesystem::path path_;
};

/// The bytes of a file; a test failure if it cannot be read.
std::string read_file(const std::filesystem::path& file);

}  // namespace deployer::test
