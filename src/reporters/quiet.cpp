#include "reporters/quiet.h"

namespace deployer {

void QuietLines::add(const std::string& text) { lines_.push_back({"", text}); }

void QuietLines::add_output(const std::string& step, const std::string& text) {
  lines_.push_back({step, text});
  OfStep& of_step = output_[step];
  of_step.lines.push_back(std::prev(lines_.end()));
  if (of_step.lines.size() <= output_lines_per_step) return;
  lines_.erase(of_step.lines.front());
  of_step.lines.pop_front();
  ++of_step.missing;
}

void QuietLines::print(const ReportOutput& output, const Missing& missing) {
  for (auto line = lines_.begin(); line != lines_.end(); ++line) {
    const auto found = output_.find(line->step);
    const bool first = found != output_.end() && found->second.missing > 0 && found->second.lines.front() == line;
    if (first) {
      const std::string words = missing(line->step, found->second.missing);
      if (!words.empty()) output(words);
    }
    output(line->text);
  }
  lines_.clear();
  output_.clear();
}

}  // namespace deployer
