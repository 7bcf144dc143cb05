#include "reporters/summary.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/units.h"
#include "reporters/layout.h"

namespace deployer {

namespace {

constexpr std::size_t summary_label = 12;

struct SummaryVerdict {
  std::string_view words;
  int color;  ///< ANSI
};

constexpr int summary_green = 32;
constexpr int summary_yellow = 33;
constexpr int summary_red = 31;

SummaryVerdict summary_verdict(const RunState& state) {
  // Only what something has proved is claimed, and nothing of the sort where rows of others were lost.
  const bool proved = state.verified == std::optional<bool>(true) && state.lost.empty();
  switch (state.status) {
    case RunStatus::succeeded:
      return {"succeeded", summary_green};
    case RunStatus::rolled_back:
      return {proved ? "failed, and was rolled back: everything is as it was before" : "failed, and was rolled back",
              summary_yellow};
    case RunStatus::cancelled:
      return {
          proved ? "was cancelled, and rolled back: everything is as it was before" : "was cancelled, and rolled back",
          summary_yellow};
    case RunStatus::rollback_failed:
      return {"FAILED, AND COULD NOT BE ROLLED BACK WHOLLY", summary_red};
    case RunStatus::interrupted:
      return {"WAS INTERRUPTED: its rollback has not come to its end", summary_red};
    case RunStatus::failed:
      return {"FAILED, and what was done is left as it is", summary_red};
    case RunStatus::running:
    case RunStatus::waiting:
      break;
  }
  return {"has not come to its end", summary_red};
}

class SummaryText {
 public:
  explicit SummaryText(const ReporterOptions& options)
      : color_(options.color), width_(std::max<std::size_t>(options.width, 40)) {}

  void verdict(const std::string& who, const SummaryVerdict& verdict) {
    for (const std::string& line : wrap(who + " " + std::string(verdict.words), width_)) {
      text_ += color_ ? fmt::format("\x1b[1;{}m{}\x1b[0m\n", verdict.color, line) : line + "\n";
    }
  }

  void entry(const std::string& label, const std::string& value) {
    std::string before = padded("  " + label, summary_label);
    for (const std::string& line : wrap(value, width_ - summary_label)) {
      text_ += before + line + "\n";
      before = std::string(summary_label, ' ');
    }
  }

  /// A line of the runbook; it may hold indented ones of its own.
  void item(const std::string& value) {
    std::string before = value.starts_with(' ') ? "    " : "  - ";
    for (const std::string& line : wrap(value, width_ - before.size())) {
      text_ += before + line + "\n";
      before = "    ";
    }
  }

  void line(const std::string& value) { text_ += value + "\n"; }
  const std::string& text() const { return text_; }

 private:
  bool color_;
  std::size_t width_;
  std::string text_;
};

std::string summary_lost(const Json& lost) {
  if (!lost.is_object() || !lost.contains("table") || !lost.contains("rows")) return dump(lost);
  const Json& table = lost["table"];
  return dump(lost["rows"]) + " rows of " + (table.is_string() ? table.get<std::string>() : dump(table));
}

}  // namespace

std::string run_summary(const RunState& state, Duration took, const ReporterOptions& options) {
  SummaryText text(options);
  const bool good = state.status == RunStatus::succeeded;
  text.line("");
  text.verdict(state.pipeline.empty() ? "the run" : state.pipeline, summary_verdict(state));
  if (!good && !state.error.empty()) text.entry("because", state.error);
  const bool back = state.status == RunStatus::rolled_back || state.status == RunStatus::cancelled;
  if (back && state.verified == std::optional<bool>(false)) {
    text.entry("but", "nothing could prove that it is as before (verified: false)");
  }
  text.entry("run", state.id);
  text.entry("took", human_duration(took));
  if (!state.warnings.empty()) text.entry("warnings", std::to_string(state.warnings.size()));
  for (const Json& lost : state.lost.is_array() ? state.lost : Json::array()) text.entry("lost", summary_lost(lost));
  if (!state.runbook.empty()) {
    text.line("");
    text.line("What is left, and what to do:");
    for (const std::string& line : state.runbook) text.item(line);
    text.line("");
  }
  text.entry("details", "deployer runs show " + state.id);
  return text.text();
}

}  // namespace deployer
