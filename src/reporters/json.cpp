#include "reporters/json.h"

#include <utility>

#include "reporters/quiet.h"
#include "state/run_state.h"

namespace deployer {

namespace {

class JsonReporter : public EventListener {
 public:
  JsonReporter(const ReporterOptions& options, ReportOutput output, const Redactor& redactor)
      : quiet_(options.quiet), output_(std::move(output)), redactor_(redactor) {}

  void on_event(const Event& event) override {
    try {
      take(event);
    } catch (const std::exception&) {
      // Out of memory, at most: a line is lost, and the run goes on.
    }
  }

  void close() override {
    if (quiet_ && !succeeded_) print();
  }

 private:
  void take(const Event& event) {
    const std::string line = dump(redactor_.clean(to_json(event))) + "\n";
    if (!quiet_) {
      output_(line);
    } else if (is_durable(event.kind)) {
      kept_.add(line);
    } else {
      kept_.add_output(event.step, line);
    }
    if (!quiet_ || event.kind != "run_finished") return;
    succeeded_ = event.data.is_object() && event.data.value("status", Json()) == name_of(RunStatus::succeeded);
    if (!succeeded_) print();
  }

  void print() {
    kept_.print(output_, [](const std::string&, std::size_t) { return std::string(); });
  }

  bool quiet_;
  ReportOutput output_;
  const Redactor& redactor_;
  QuietLines kept_;
  bool succeeded_ = false;
};

}  // namespace

std::unique_ptr<EventListener> make_json_reporter(const ReporterOptions& options, ReportOutput output,
                                                  const Redactor& redactor) {
  return std::make_unique<JsonReporter>(options, std::move(output), redactor);
}

}  // namespace deployer
