#include "reporters/plain.h"

#include <fmt/core.h>

#include <array>
#include <deque>

#include "base/id.h"
#include "base/units.h"
#include "state/run_state.h"

namespace deployer {

namespace {

constexpr std::size_t kept_when_quiet = 2000;

std::string word_of(const Json& data, const char* key) {
  const auto found = data.find(key);
  return found != data.end() && found->is_string() ? found->get<std::string>() : std::string();
}

class PlainReporter : public EventListener {
 public:
  PlainReporter(const ReporterOptions& options, ReportOutput output, const Redactor& redactor)
      : quiet_(options.quiet), output_(std::move(output)), redactor_(redactor) {}

  void on_event(const Event& event) override {
    apply(state_, event);
    for (const Line& line : lines) {
      if (line.kind == event.kind) (this->*line.tell)(event);
    }
  }

 private:
  struct Line {
    std::string_view kind;
    void (PlainReporter::*tell)(const Event&);
  };
  static const std::array<Line, 13> lines;

  void say(const Event& event, const std::string& text) {
    const std::string time = rfc3339(event.time).substr(11, 8);
    write(redactor_.clean(time + "  " + text) + "\n");
  }

  void write(const std::string& text) {
    if (!quiet_) {
      output_(text);
      return;
    }
    kept_.push_back(text);
    if (kept_.size() > kept_when_quiet) kept_.pop_front();
  }

  static std::string column(const std::string& step) { return fmt::format("{:<14}", step); }

  void run_started(const Event& event) { say(event, fmt::format("run {} of {} begins", event.run, state_.pipeline)); }

  void recovery_started(const Event& event) {
    say(event, fmt::format("run {} of {} did not get to its end: recovering it", event.run, state_.pipeline));
  }

  void step_started(const Event& event) {
    const std::string again = event.attempt > 1 ? fmt::format(" (attempt {})", event.attempt) : "";
    say(event, column(event.step) + " begins" + again);
  }

  void step_finished(const Event& event) {
    const std::string status = word_of(event.data, "status");
    std::string text = column(event.step) + " " + status;
    if (event.data.contains("duration_ms")) {
      text += " in " + human_duration(Duration(event.data["duration_ms"].get<Duration::rep>()));
    }
    const std::string summary = status == "failed" ? word_of(event.data, "error") : word_of(event.data, "summary");
    if (!summary.empty()) text += "  " + summary;
    say(event, text);
  }

  void step_retried(const Event& event) {
    say(event, column(event.step) + " failed and is tried again: " + word_of(event.data, "error"));
  }

  void step_output(const Event& event) {
    const std::string who = event.step.empty() ? "hook" : event.step;
    say(event, column(who) + " | " + word_of(event.data, "text"));
  }

  void warning(const Event& event) {
    const std::string where = event.step.empty() ? "" : column(event.step) + " ";
    say(event, where + "warning: " + word_of(event.data, "message"));
  }

  void rollback_started(const Event& event) {
    const std::string reason = word_of(event.data, "reason");
    const bool nothing = event.data.value("nothing_to_undo", false);
    say(event, (nothing ? "nothing was changed, nothing to undo: " : "rolling back: ") + reason);
  }

  void undo_finished(const Event& event) {
    const bool ok = event.data.value("ok", false);
    std::string text = column(event.step) + (ok ? " undone: " : " NOT undone: ") + word_of(event.data, "name");
    const std::string how = word_of(event.data, ok ? "way_back" : "error");
    if (!how.empty()) text += ", by " + how;
    if (!ok) text = column(event.step) + " NOT undone: " + word_of(event.data, "name") + ": " + how;
    say(event, text);
  }

  void settled(const Event& event) {
    if (event.data.value("ok", false)) say(event, column(event.step) + " settled: as it was before the run");
  }

  void verified(const Event& event) {
    const bool ok = event.data.value("ok", false);
    const std::string message = word_of(event.data, "message");
    say(event, column(event.step) + (ok ? " verified" : " NOT verified") + (message.empty() ? "" : ": " + message));
  }

  void hook_finished(const Event& event) {
    const bool ok = event.data.value("ok", false);
    say(event, fmt::format("hook {} ({}) {}", word_of(event.data, "hook"), word_of(event.data, "event"),
                           ok ? "done" : "failed: " + word_of(event.data, "error")));
  }

  void run_finished(const Event& event) {
    summary(event);
    if (!quiet_ || state_.status == RunStatus::succeeded) return;
    for (const std::string& text : kept_) output_(text);
  }

  void summary(const Event& event) {
    static const std::array<std::pair<RunStatus, std::string_view>, 6> words = {
        {{RunStatus::succeeded, "succeeded: everything is done"},
         {RunStatus::rolled_back, "failed, and rolled back: everything is as it was before"},
         {RunStatus::cancelled, "cancelled, and rolled back: everything is as it was before"},
         {RunStatus::rollback_failed, "FAILED, AND NOT ALL OF IT COULD BE UNDONE"},
         {RunStatus::interrupted, "INTERRUPTED: the rollback is not at its end"},
         {RunStatus::failed, "failed; what was done is left as it is"}}};
    std::string verdict(name_of(state_.status));
    for (const auto& [status, text] : words) {
      if (status == state_.status) verdict = text;
    }
    const auto took = std::chrono::duration_cast<Duration>(event.time - state_.started_at);
    std::string text = "\n" + state_.pipeline + " " + verdict + "\n";
    if (!state_.error.empty()) text += "  because   " + state_.error + "\n";
    if (state_.verified && !*state_.verified && state_.status == RunStatus::rolled_back) {
      text += "  but       nothing could prove that the old state is there (verified: false)\n";
    }
    text += fmt::format("  run       {}, {}\n", event.run, human_duration(took));
    if (!state_.warnings.empty()) text += fmt::format("  warnings  {}\n", state_.warnings.size());
    if (!state_.runbook.empty()) text += "  what is left, and what to do:\n";
    for (const std::string& line : state_.runbook) text += "    " + line + "\n";
    if (state_.status != RunStatus::succeeded) text += "  more      deployer runs show " + event.run + "\n";
    write(redactor_.clean(text));
  }

  bool quiet_;
  ReportOutput output_;
  const Redactor& redactor_;
  RunState state_;
  std::deque<std::string> kept_;
};

const std::array<PlainReporter::Line, 13> PlainReporter::lines = {
    {{"run_started", &PlainReporter::run_started},
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
     {"run_finished", &PlainReporter::run_finished}}};

}  // namespace

std::unique_ptr<EventListener> make_plain_reporter(const ReporterOptions& options, ReportOutput output,
                                                   const Redactor& redactor) {
  return std::make_unique<PlainReporter>(options, std::move(output), redactor);
}

}  // namespace deployer
