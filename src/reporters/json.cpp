#include "reporters/json.h"

namespace deployer {

namespace {

class JsonReporter : public EventListener {
 public:
  JsonReporter(ReportOutput output, const Redactor& redactor) : output_(std::move(output)), redactor_(redactor) {}

  void on_event(const Event& event) override { output_(dump(redactor_.clean(to_json(event))) + "\n"); }

 private:
  ReportOutput output_;
  const Redactor& redactor_;
};

}  // namespace

std::unique_ptr<EventListener> make_json_reporter(const ReporterOptions& /*options*/, ReportOutput output,
                                                  const Redactor& redactor) {
  return std::make_unique<JsonReporter>(std::move(output), redactor);
}

}  // namespace deployer
