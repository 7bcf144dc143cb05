#include <algorithm>

#include "actions/builtin.h"
#include "actions/health_check/probes.h"
#include "actions/inputs.h"
#include "base/error.h"
#include "base/text.h"
#include "base/units.h"

namespace deployer {

namespace {

constexpr Duration connectivity_patience = std::chrono::seconds(30);
constexpr Duration connectivity_pause = std::chrono::milliseconds(500);
constexpr Duration connectivity_longest_try = std::chrono::seconds(5);

struct ConnectivityPeer {
  std::string name;
  std::function<std::optional<std::string>(const Deadline&)> complaint;
};

/// Whoever must answer. Over HTTP any answer will do that is not the server's own failure: health is another step's.
std::vector<ConnectivityPeer> connectivity_peers(ActionContext& context) {
  const Json& inputs = context.inputs();
  std::vector<ConnectivityPeer> peers;
  if (has_input(inputs, "database") && inputs["database"].get<bool>()) {
    peers.push_back({"the database",
                     [&context](const Deadline& deadline) { return sql_complaint(context, "SELECT 1", deadline); }});
  }
  for (const std::string& address : list_input(inputs, "tcp")) {
    peers.push_back({address, [address](const Deadline& deadline) { return tcp_complaint(address, deadline); }});
  }
  for (const std::string& url : list_input(inputs, "http")) {
    peers.push_back({url, [url](const Deadline& deadline) {
                       HttpExpectation expected;
                       expected.least_status = 100;
                       expected.most_status = 499;
                       return http_complaint(url, expected, deadline);
                     }});
  }
  return peers;
}

std::vector<Parameter> connectivity_inputs() {
  std::vector<Parameter> inputs = {
      declare_input("database", ParameterType::boolean, "The database of the document must answer a query.", false),
      declare_input("tcp", ParameterType::list, "HOST:PORT pairs that must take a connection."),
      declare_input("http", ParameterType::list, "URLs that must answer, with any status under 500."),
  };
  inputs[1].repeated_or_single = inputs[2].repeated_or_single = true;
  inputs[1].check = [](const Json& value) -> std::optional<std::string> {
    for (const Json& address : value) {
      if (auto complaint = address_complaint(address.get<std::string>())) return complaint;
    }
    return std::nullopt;
  };
  return inputs;
}

class ConnectivityAction : public Action {
 public:
  const ActionSpec& spec() const override { return spec_; }

  void check(ActionContext& context) const override {
    const std::string step = "step '" + context.step().id + "': ";
    if (connectivity_peers(context).empty()) {
      throw Error(ErrorKind::invalid, step + "connectivity has nobody to ask",
                  "give one or more of database: true, tcp and http");
    }
    if (context.inputs().value("database", false) && !context.has_database()) {
      throw Error(ErrorKind::invalid, step + "database: true, and no database is configured");
    }
  }

  StepPlan plan(ActionContext& context) const override {
    return {
        "waits until " + listing(names(connectivity_peers(context))) + " can be reached", {}, {}, "nothing to undo"};
  }

  Outcome run(ActionContext& context) const override {
    std::vector<ConnectivityPeer> waiting = connectivity_peers(context);
    const std::vector<std::string> all = names(waiting);
    const Duration patience = context.step().timeout.value_or(connectivity_patience);
    const Deadline deadline = context.deadline().at_most(patience);
    while (true) {
      std::vector<std::string> complaints;
      std::erase_if(waiting, [&](const ConnectivityPeer& peer) {
        const auto complaint = peer.complaint(deadline.at_most(connectivity_longest_try));
        if (complaint) complaints.push_back(*complaint);
        return !complaint;
      });
      if (waiting.empty()) return {"reached " + listing(all), Json::object()};
      if (deadline.sleep(connectivity_pause)) continue;
      if (deadline.cancelled()) deadline.check("connectivity");
      throw Error(ErrorKind::unavailable,
                  "not reached within " + duration_text(patience) + ": " + join(complaints, "; "));
    }
  }

 private:
  static std::vector<std::string> names(const std::vector<ConnectivityPeer>& peers) {
    std::vector<std::string> out;
    for (const ConnectivityPeer& peer : peers) out.push_back(peer.name);
    return out;
  }

  ActionSpec spec_{"connectivity", "Waits until servers can be reached; asks until the step's timeout, else for 30s.",
                   connectivity_inputs()};
};

}  // namespace

const Action& connectivity_action() {
  static const ConnectivityAction action;
  return action;
}

}  // namespace deployer
