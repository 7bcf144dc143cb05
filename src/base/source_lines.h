#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace deployer {

/// The lines of a text, found by number; without line ends, and without a byte order mark at the beginning. Refers to
/// the text, which must outlive it.
class SourceLines {
 public:
  explicit SourceLines(std::string_view text);

  /// Line `number`, from 1; empty where there is none.
  std::string_view line(int number) const;
  int count() const { return static_cast<int>(lines_.size()); }
  /// The rest of that line and of the text from a place on; lines and columns count from 1.
  std::string_view from(int line, int column) const;
  /// That line as a diagnostic shows it: cut where it is very long, empty where the column is behind the cut.
  std::string excerpt(int line, int column) const;

 private:
  std::string_view text_;
  std::vector<std::string_view> lines_;
};

}  // namespace deployer
