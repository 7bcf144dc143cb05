#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <string>

#include "reporters/table.h"

namespace deployer {

/// What a reporter would have said, until it is known whether the run succeeds. Of each step only the last lines of
/// output are kept, so that a step that prints for hours costs no memory; all that is not output is kept.
class QuietLines {
 public:
  static constexpr std::size_t output_lines_per_step = 200;

  void add(const std::string& text);
  void add_output(const std::string& step, const std::string& text);

  /// How many of a step's first lines of output are not there any more, in words; empty: nothing is said.
  using Missing = std::function<std::string(const std::string& step, std::size_t lines)>;
  void print(const ReportOutput& output, const Missing& missing);

 private:
  struct Line {
    std::string step;
    std::string text;
  };
  struct OfStep {
    std::list<std::list<Line>::iterator> lines;
    std::size_t missing = 0;
  };

  std::list<Line> lines_;
  std::map<std::string, OfStep> output_;
};

}  // namespace deployer
