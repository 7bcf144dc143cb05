#include <algorithm>
#include <array>

#include "actions/builtin.h"
#include "actions/health_check/probes.h"
#include "actions/inputs.h"
#include "base/error.h"
#include "base/text.h"
#include "base/units.h"

namespace deployer {

namespace {

/// What one look may take at most, so that a server that accepts and is silent is one bad answer of several.
constexpr Duration health_longest_look = std::chrono::seconds(5);
constexpr Duration health_quick_look = std::chrono::seconds(3);

using HealthProbe = std::optional<std::string> (*)(ActionContext&, const Deadline&);

struct HealthProbeLine {
  std::string_view input;
  HealthProbe look;
};

/// What can be looked at, a line each: the input that asks for it and how.
const std::array<HealthProbeLine, 4> health_probes = {{
    {"tcp", [](ActionContext& context,
               const Deadline& deadline) { return tcp_complaint(text_input(context.inputs(), "tcp"), deadline); }},
    {"http",
     [](ActionContext& context, const Deadline& deadline) {
       return http_complaint(text_input(context.inputs(), "http"), HttpExpectation::from(context.inputs()), deadline);
     }},
    {"sql",
     [](ActionContext& context, const Deadline& deadline) {
       return sql_complaint(context, text_input(context.inputs(), "sql"), deadline);
     }},
    {"command",
     [](ActionContext& context, const Deadline& deadline) {
       return command_complaint(context, command_input(context.inputs(), "command", context.step()), deadline);
     }},
}};

/// All probes of the step, once: the first complaint, or nothing.
std::optional<std::string> look_once(ActionContext& context, const Deadline& deadline) {
  for (const HealthProbeLine& probe : health_probes) {
    if (!has_input(context.inputs(), std::string(probe.input))) continue;
    if (auto complaint = probe.look(context, deadline)) return complaint;
  }
  return std::nullopt;
}

/// Looks until it was well `successes` times in a row; how many looks it took. Error `failed` with the last complaint
/// when `within` is over.
int wait_until_healthy(ActionContext& context) {
  const Json& inputs = context.inputs();
  const Duration within = duration_input(inputs, "within");
  const Duration interval = duration_input(inputs, "interval");
  const std::int64_t wanted = inputs.at("successes").get<std::int64_t>();
  const Deadline deadline = context.deadline().at_most(within);
  std::int64_t in_a_row = 0;
  std::string told;  // the same complaint is said once, however often it is looked
  for (int attempts = 1;; ++attempts) {
    std::optional<std::string> complaint = look_once(context, deadline.at_most(health_longest_look));
    // The end of `within` cuts the last look short: the complaint of the one before says more.
    if (complaint && deadline.expired() && !told.empty()) complaint = told;
    if (complaint && *complaint != told) context.output(*complaint);
    told = complaint.value_or("");
    in_a_row = complaint ? 0 : in_a_row + 1;
    if (in_a_row >= wanted) return attempts;
    if (deadline.sleep(interval)) continue;
    context.deadline().check("health check");
    throw Error(ErrorKind::failed, "not healthy within " + duration_text(within) + ": " +
                                       complaint.value_or("it was well " + std::to_string(in_a_row) + " times of " +
                                                          std::to_string(wanted) + " in a row"));
  }
}

std::optional<std::string> at_least_one(const Json& value) {
  if (value.get<std::int64_t>() >= 1) return std::nullopt;
  return "at least 1 is needed";
}

std::vector<Parameter> health_check_inputs() {
  std::vector<Parameter> inputs = {
      declare_input("http", ParameterType::text, "A URL that is asked with GET; redirects are not followed."),
      declare_input("tcp", ParameterType::text, "HOST:PORT that must take a connection."),
      declare_input("sql", ParameterType::text, "A statement whose first value is neither NULL, 0 nor empty."),
      declare_input("command", ParameterType::command, "A command that must end with status 0."),
      http_expectation_input(),
      declare_input("successes", ParameterType::integer, "How often in a row all must be well.", 1),
      declare_input("interval", ParameterType::duration, "The pause between two looks.", 1000),
      declare_input("within", ParameterType::duration, "How long may go by until it is healthy.", 30000),
  };
  inputs[1].check = [](const Json& value) { return address_complaint(value.get<std::string>()); };
  inputs[5].check = at_least_one;
  return inputs;
}

class HealthCheckAction : public Action {
 public:
  const ActionSpec& spec() const override { return spec_; }

  void check(ActionContext& context) const override {
    const Json& inputs = context.inputs();
    const bool any = std::any_of(health_probes.begin(), health_probes.end(), [&](const HealthProbeLine& probe) {
      return has_input(inputs, std::string(probe.input));
    });
    const std::string step = "step '" + context.step().id + "': ";
    if (!any) {
      throw Error(ErrorKind::invalid, step + "health_check has nothing to look at",
                  "give one or more of http, tcp, sql and command");
    }
    if (has_input(inputs, "expect") && !has_input(inputs, "http")) {
      throw Error(ErrorKind::invalid, step + "expect is about an answer over HTTP, and there is no http");
    }
    if (has_input(inputs, "sql") && !context.has_database()) {
      throw Error(ErrorKind::invalid, step + "sql needs a database, and none is configured");
    }
    if (has_input(inputs, "command")) need_program(context, "timeout", "coreutils");
  }

  StepPlan plan(ActionContext& context) const override {
    std::vector<std::string> looks;
    for (const HealthProbeLine& probe : health_probes) {
      if (has_input(context.inputs(), std::string(probe.input))) looks.emplace_back(probe.input);
    }
    return {"waits up to " + duration_text(duration_input(context.inputs(), "within")) + " until " + listing(looks) +
                " say that all is well",
            {},
            {},
            "nothing to undo"};
  }

  Json baseline(ActionContext& context) const override {
    const auto complaint = look_once(context, context.deadline().at_most(health_quick_look));
    context.deadline().check("health check");
    return {{"healthy", !complaint}, {"complaint", complaint.value_or("")}};
  }

  Outcome run(ActionContext& context) const override {
    const int attempts = wait_until_healthy(context);
    Outcome outcome;
    outcome.summary = "healthy after " + std::to_string(attempts) + (attempts == 1 ? " look" : " looks");
    outcome.outputs["attempts"] = attempts;
    return outcome;
  }

  Verification verify(ActionContext& context, const Json& baseline) const override {
    if (!baseline.value("healthy", false)) return {true, true, "was not healthy before"};
    try {
      wait_until_healthy(context);
      return {true, true, "healthy, as before"};
    } catch (const Error& error) {
      if (error.kind == ErrorKind::cancelled) throw;
      return {true, false, "was healthy before and is not any more: " + error.summary()};
    }
  }

 private:
  ActionSpec spec_{"health_check", "Waits until a service says that it is well.", health_check_inputs()};
};

}  // namespace

const Action& health_check_action() {
  static const HealthCheckAction action;
  return action;
}

}  // namespace deployer
