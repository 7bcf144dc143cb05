#include "reporters/plain.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "base/units.h"
#include "reporters/layout.h"
#include "reporters/quiet.h"
#include "reporters/summary.h"
#include "state/run_state.h"

namespace deployer {

namespace {

constexpr int plain_red = 31;  // ANSI (ECMA-48, SGR)
constexpr int plain_yellow = 33;

std::string plain_text(const Json& data, const char* key) {
  if (!data.is_object()) return {};
  const auto found = data.find(key);
  return found != data.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool plain_flag(const Json& data, const char* key) {
  if (!data.is_object()) return false;
  const auto found = data.find(key);
  return found != data.end() && found->is_boolean() && found->get<bool>();
}

std::string plain_colon(const std::string& text) { return text.empty() ? "" : ": " + text; }

/// Without line ends behind it: the tail of a program's output has one.
std::string plain_trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

class PlainReporter : public EventListener {
 public:
  PlainReporter(const ReporterOptions& options, ReportOutput output, const Redactor& redactor)
      : options_(options), output_(std::move(output)), redactor_(redactor) {}

  void on_event(const Event& event) override {
    try {
      if (!began_) began_ = event.time;
      apply(state_, event);
      if (state_.id.empty()) state_.id = event.run;
      for (const Line& line : lines) {
        if (line.kind == event.kind) (this->*line.tell)(event);
      }
    } catch (const std::exception&) {
      // Out of memory, at most: a line is lost, and the run goes on.
    }
  }

  /// A run that did not come to its end is no success.
  void close() override {
    if (options_.quiet && state_.status != RunStatus::succeeded) print_kept();
  }

 private:
  struct Line {
    std::string_view kind;
    void (PlainReporter::*tell)(const Event&);
  };
  static const Line lines[13];

  std::string before(const Event& event, const std::string& who) const {
    return wall_clock(event.time) + "  " + (who.empty() ? "" : padded(who, column_) + "  ");
  }

  void say(const Event& event, const std::string& who, const std::string& text) { say(event, who, "", 0, text); }

  /// `mark` stands before the text, in a colour where there are any. A text of several lines has its further ones under
  /// its first.
  void say(const Event& event, const std::string& who, const std::string& mark, int color, const std::string& text) {
    const std::string first = before(event, who);
    const std::string begin = printable(redactor_.clean(mark));
    std::string out = redactor_.clean(first) +
                      (options_.color && !begin.empty() ? fmt::format("\x1b[{}m{}\x1b[0m", color, begin) : begin);
    std::string indent;
    for (const std::string& line : split(redactor_.clean(plain_trimmed(text)), '\n')) {
      out += indent + printable(line) + "\n";
      indent = std::string(columns(first), ' ');
    }
    if (options_.quiet) {
      kept_.add(out);
    } else {
      output_(out);
    }
  }

  void print_kept() {
    kept_.print(output_, [&](const std::string& step, std::size_t missing) {
      return fmt::format("          {}  | ({} lines before these: deployer runs logs {})\n",
                         padded(step.empty() ? "hook" : step, column_), missing, state_.id);
    });
  }

  void run_started(const Event& event) {
    for (const StepState& step : state_.steps) column_ = std::max(column_, std::min<std::size_t>(columns(step.id), 24));
    say(event, "", fmt::format("run {} of {}, {}", event.run, state_.pipeline, wall_date(event.time)));
  }

  void recovery_started(const Event& event) {
    say(event, "",
        fmt::format("run {} of {} had not come to its end: recovering it, {}", event.run,
                    state_.pipeline.empty() ? "a pipeline" : state_.pipeline, wall_date(event.time)));
  }

  void step_started(const Event& event) {
    say(event, event.step, event.attempt > 1 ? fmt::format("started (attempt {})", event.attempt) : "started");
  }

  void step_finished(const Event& event) {
    const std::string status = plain_text(event.data, "status");
    const StepState* step = state_.find_step(event.step);
    const bool took = step != nullptr && step->duration && event.data.contains("duration_ms");
    if (status == "failed") {
      const std::string time = took ? " after " + human_duration(*step->duration) : "";
      last_failure_ = plain_text(event.data, "error");
      say(event, event.step, "FAILED", plain_red, time + plain_colon(last_failure_));
      return;
    }
    const std::string summary = plain_text(event.data, "summary");
    const std::string time = took && status != "skipped" ? " in " + human_duration(*step->duration) : "";
    say(event, event.step, status + time + (summary.empty() ? "" : "  " + summary));
  }

  void step_retried(const Event& event) {
    say(event, event.step, "failed, and is tried again" + plain_colon(plain_text(event.data, "error")));
  }

  void step_output(const Event& event) {
    const std::string text = printable(redactor_.clean(plain_text(event.data, "text")));
    const std::string who = event.step.empty() ? "hook" : event.step;
    const std::string line = redactor_.clean(before(event, who)) + "| " + text + "\n";
    if (options_.quiet) {
      kept_.add_output(event.step, line);
    } else {
      output_(line);
    }
  }

  void warning(const Event& event) {
    say(event, event.step, "warning", plain_yellow, plain_colon(plain_text(event.data, "message")));
  }

  void rollback_started(const Event& event) {
    // What the line of the failed step has said just before is not said again.
    std::string reason = plain_text(event.data, "reason");
    const std::string said = plain_colon(last_failure_);
    if (!last_failure_.empty() && reason.ends_with(said)) reason.resize(reason.size() - said.size());
    const bool nothing = plain_flag(event.data, "nothing_to_undo");
    say(event, "",
        (nothing ? "nothing was changed, so nothing is to be undone" : "rolling back") + plain_colon(reason));
  }

  void undo_finished(const Event& event) {
    std::string name = plain_text(event.data, "name");
    if (name.empty()) name = name_of_effect(event);
    if (plain_flag(event.data, "ok")) {
      const std::string way = plain_text(event.data, "way_back");
      say(event, event.step, "undone: " + name + (way.empty() ? "" : " (" + way + ")"));
    } else {
      say(event, event.step, "NOT UNDONE", plain_red, ": " + name + plain_colon(plain_text(event.data, "error")));
    }
  }

  std::string name_of_effect(const Event& event) {
    const Json id = event.data.is_object() ? event.data.value("effect", Json()) : Json();
    const EffectState* effect = id.is_number_integer() ? state_.find_effect(id.get<std::int64_t>()) : nullptr;
    return effect != nullptr ? effect->name : "a change";
  }

  void settled(const Event& event) {
    const bool ok = plain_flag(event.data, "ok");
    if (ok) {
      say(event, event.step, "settled: in the state from before the run");
    } else {
      say(event, event.step, "NOT SETTLED", plain_red, plain_colon(plain_text(event.data, "error")));
    }
  }

  void verified(const Event& event) {
    const bool ok = plain_flag(event.data, "ok");
    std::string message = plain_text(event.data, "message");
    if (message.empty()) message = plain_text(event.data, "error");
    if (ok) {
      say(event, event.step, "verified" + plain_colon(message));
    } else {
      say(event, event.step, "NOT VERIFIED", plain_red, plain_colon(message));
    }
  }

  void hook_finished(const Event& event) {
    const std::string error = plain_text(event.data, "error");
    const std::string hook = plain_text(event.data, "hook") + " (" + plain_text(event.data, "event") + ")";
    if (plain_flag(event.data, "ok")) {
      say(event, event.step, "hook " + hook + " done");
    } else {
      say(event, event.step, "hook " + hook + " FAILED", plain_red, plain_colon(error));
    }
  }

  void run_finished(const Event& event) {
    const auto took = std::chrono::duration_cast<Duration>(event.time - *began_);
    const std::string text = redactor_.clean(run_summary(state_, took, options_));
    if (!options_.quiet) {
      output_(text);
      return;
    }
    if (state_.status == RunStatus::succeeded) return;
    kept_.add(text);
    print_kept();
  }

  ReporterOptions options_;
  ReportOutput output_;
  const Redactor& redactor_;
  RunState state_;
  std::optional<std::chrono::system_clock::time_point> began_;
  std::size_t column_ = 8;
  std::string last_failure_;
  QuietLines kept_;
};

const PlainReporter::Line PlainReporter::lines[13] = {{"run_started", &PlainReporter::run_started},
                                                      {"recovery_started", &PlainReporter::recovery_started},
                                                      {"step_started", &PlainReporter::step_started},
                                                      {"step_finished", &PlainReporter::step_finished},
                                                      {"step_retried", &PlainReporter::step_retried},
                                                      {"step_output", &PlainReporter::step_output},
                                                      {"warning", &PlainReporter::warning},
                                                      {"rollback_started", &PlainReporter::rollback_started},
                                                      {"undo_finished", &PlainReporter::undo_finished},
                                                      {"settled", &PlainReporter::settled},
                                                      {"verified", &PlainReporter::verified},
                                                      {"hook_finished", &PlainReporter::hook_finished},
                                                      {"run_finished", &PlainReporter::run_finished}};

}  // namespace

std::unique_ptr<EventListener> make_plain_reporter(const ReporterOptions& options, ReportOutput output,
                                                   const Redactor& redactor) {
  return std::make_unique<PlainReporter>(options, std::move(output), redactor);
}

}  // namespace deployer
