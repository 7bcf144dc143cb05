#include "state/event.h"

#include "base/id.h"

namespace deployer {

namespace {

constexpr std::string_view event_envelope[] = {"event", "run", "seq", "step", "attempt", "time"};

bool is_event_envelope(std::string_view key) {
  for (const std::string_view name : event_envelope) {
    if (key == name) return true;
  }
  return false;
}

}  // namespace

bool is_durable(std::string_view kind) { return kind != "step_output" && kind != "step_progress"; }

Json to_json(const Event& event) {
  Json json = {{"event", event.kind}, {"run", event.run},         {"seq", event.seq ? Json(*event.seq) : Json()},
               {"step", event.step},  {"attempt", event.attempt}, {"time", rfc3339(event.time)}};
  if (!event.data.is_object()) return json;
  for (const auto& [key, value] : event.data.items()) {
    if (!is_event_envelope(key)) {
      json[key] = value;
    } else if (json[key] != value) {
      // A hook's data has an "event" of its own: it becomes "hook_event".
      json[event.kind.substr(0, event.kind.find('_')) + "_" + key] = value;
    }
  }
  return json;
}

}  // namespace deployer
