#include "actions/services.h"

#include <algorithm>
#include <memory>

#include "actions/inputs.h"
#include "actions/restart/daemon_service.h"
#include "actions/restart/systemd_unit.h"
#include "actions/restart/way.h"
#include "base/error.h"
#include "base/text.h"
#include "state/run_state.h"
#include "system/process.h"

namespace deployer {

namespace {

/// One service, whatever looks after it.
class Service {
 public:
  explicit Service(ActionContext& context) : context_(context) {}
  virtual ~Service() = default;

  virtual void check() const = 0;
  virtual Json state() const = 0;
  virtual bool is_down() const = 0;
  virtual void stop() const = 0;
  virtual void start(const Json& baseline) const = 0;
  virtual Probe probe(const UndoRecord& record) const = 0;
  virtual std::string undo(const UndoRecord& record) const = 0;
  virtual void quiet() const = 0;
  virtual void settle(const Json& baseline) const = 0;
  virtual Verification verify(const Json& baseline) const = 0;

 protected:
  ActionContext& context() const { return context_; }

  /// Whether this step has stopped or started it.
  bool was_touched(const std::string& name) const {
    const std::vector<EffectState>& effects = context_.state().effects;
    return std::any_of(effects.begin(), effects.end(), [&](const EffectState& effect) {
      return effect.step == context_.step().id && effect.undo.is_object() && effect.undo.contains("way") &&
             effect.undo.value("service", "") == name;
    });
  }

 private:
  ActionContext& context_;
};

class UnitService : public Service {
 public:
  UnitService(ActionContext& context, std::string unit) : Service(context), unit_(std::move(unit)) {}

  void check() const override {
    if (const auto complaint = unit_name_complaint(unit_)) {
      throw Error(ErrorKind::invalid, "step '" + context().step().id + "': " + *complaint);
    }
    need_systemd(context());
    if (unit_state(context(), unit_).load != "not-found") return;
    throw Error(ErrorKind::invalid, "step '" + context().step().id + "': there is no service " + unit_ +
                                        ": systemd has no such unit, and no restart step a daemon of this name");
  }

  Json state() const override { return unit_state(context(), unit_).json(); }
  bool is_down() const override { return unit_state(context(), unit_).is_down(); }

  void stop() const override {
    const UnitState now = unit_state(context(), unit_);
    if (now.is_down()) return;
    context().effect("stop " + unit_, undo_data(now), [&] {
      stop_unit(context(), unit_);
      return Json(nullptr);
    });
  }

  void start(const Json& baseline) const override {
    if (!UnitState::from(baseline).is_up()) return;
    const UnitState now = unit_state(context(), unit_);
    if (now.is_up() && !now.has_job) return;
    UnitStart start;
    context().effect("start " + unit_, undo_data(now), [&] {
      start = start_unit(context(), unit_);
      return Json(nullptr);
    });
    wait_until_unit_is_ready(context(), unit_, start);
  }

  Probe probe(const UndoRecord& record) const override {
    return probe_unit(context(), record.name, unit_, UnitState::from(record.data.at("before")));
  }

  std::string undo(const UndoRecord& record) const override {
    if (record.name.starts_with("start ")) {
      stop_unit(context(), unit_);
      return "the unit was stopped";
    }
    if (context().state().rolling_back) return left_to_settle;
    bring_unit_back(context(), unit_, UnitState::from(record.data.at("before")));
    return "the unit runs as before";
  }

  void quiet() const override { stop_unit(context(), unit_); }

  void settle(const Json& baseline) const override {
    const UnitState before = UnitState::from(baseline);
    if (before.is_up() || was_touched(unit_)) bring_unit_back(context(), unit_, before);
  }

  Verification verify(const Json& baseline) const override {
    const UnitState before = UnitState::from(baseline);
    if (!before.is_up() && !was_touched(unit_)) return {};
    return verify_unit(context(), unit_, before);
  }

 private:
  Json undo_data(const UnitState& now) const {
    return {{"service", unit_}, {"way", "systemd"}, {"before", now.json()}};
  }

  std::string unit_;
};

class DaemonService : public Service {
 public:
  DaemonService(ActionContext& context, const Step& owner) : Service(context), owner_(owner) {}

  void check() const override {
    need_program(context(), "start-stop-daemon", "dpkg");
    daemon_definition(context(), owner_);
  }

  Json state() const override { return daemon_state(context(), owner_).json(); }

  bool is_down() const override {
    const DaemonSnapshot now = daemon_state(context(), owner_);
    return !now.process && processes_of_service(context().run_id(), now.name).empty();
  }

  void stop() const override {
    const DaemonSnapshot now = daemon_state(context(), owner_);
    if (now.process) stop_daemon_as_effect(context(), now, undo_data(now));
  }

  void start(const Json& baseline) const override {
    const DaemonSnapshot before = DaemonSnapshot::from(baseline);
    const DaemonSnapshot now = daemon_state(context(), owner_);
    if (before.process && !now.process) start_daemon_as_effect(context(), *before.service, owner_, undo_data(now));
  }

  Probe probe(const UndoRecord& record) const override { return probe_daemon(context(), record); }
  std::string undo(const UndoRecord& record) const override { return undo_daemon(context(), record, owner_); }

  void quiet() const override {
    const DaemonSnapshot now = daemon_state(context(), owner_);
    if (now.process) {
      std::vector<ProcessRecord> processes = processes_of_service(now.service->run, now.name);
      processes.push_back(*now.process);
      stop_daemon(context(), processes, now.pid_file);
    }
    stop_started_daemon(context(), now.name, now.pid_file);
  }

  void settle(const Json& baseline) const override {
    bring_daemon_back(context(), DaemonSnapshot::from(baseline), owner_);
  }

  Verification verify(const Json& baseline) const override {
    return verify_daemon(context(), DaemonSnapshot::from(baseline), owner_);
  }

 private:
  Json undo_data(const DaemonSnapshot& now) const {
    return daemon_undo(now, daemon_definition(context(), owner_).pid_file);
  }

  const Step& owner_;
};

std::unique_ptr<Service> service_called(ActionContext& context, const std::string& name) {
  if (const Step* owner = find_daemon_step(context, name)) return std::make_unique<DaemonService>(context, *owner);
  return std::make_unique<UnitService>(context, name);
}

std::unique_ptr<Service> service_of(ActionContext& context, const UndoRecord& record) {
  const std::string name = record.data.at("service").get<std::string>();
  if (record.data.at("way") == "systemd") return std::make_unique<UnitService>(context, name);
  if (const Step* owner = find_daemon_step(context, name)) return std::make_unique<DaemonService>(context, *owner);
  throw Error(ErrorKind::left_behind, "the document has no daemon '" + name + "' any more");
}

}  // namespace

void check_services(ActionContext& context, const std::vector<std::string>& names) {
  for (const std::string& name : names) service_called(context, name)->check();
}

Json services_baseline(ActionContext& context, const std::vector<std::string>& names) {
  Json states = Json::object();
  for (const std::string& name : names) states[name] = service_called(context, name)->state();
  return states;
}

void stop_services(ActionContext& context, const std::vector<std::string>& names) {
  for (const std::string& name : names) service_called(context, name)->stop();
}

void start_services(ActionContext& context, const std::vector<std::string>& names, const Json& baseline) {
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    service_called(context, *name)->start(baseline.at(*name));
  }
}

bool is_service_effect(const UndoRecord& record) {
  return record.data.is_object() && record.data.contains("service") && record.data.contains("way");
}

Probe probe_service(ActionContext& context, const UndoRecord& record) {
  return service_of(context, record)->probe(record);
}

std::string undo_service(ActionContext& context, const UndoRecord& record) {
  return service_of(context, record)->undo(record);
}

void quiet_services(ActionContext& context, const std::vector<std::string>& names) {
  for (const std::string& name : names) service_called(context, name)->quiet();
}

void settle_services(ActionContext& context, const std::vector<std::string>& names, const Json& baseline) {
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    service_called(context, *name)->settle(baseline.at(*name));
  }
}

Verification verify_services(ActionContext& context, const std::vector<std::string>& names, const Json& baseline) {
  Verification all;
  for (const std::string& name : names) {
    const Verification one = service_called(context, name)->verify(baseline.at(name));
    if (!one.ok) return one;
    if (one.proved) all = {true, true, "the services are as before"};
  }
  return all;
}

bool services_are_down(ActionContext& context, const std::vector<std::string>& names) {
  return std::all_of(names.begin(), names.end(),
                     [&](const std::string& name) { return service_called(context, name)->is_down(); });
}

}  // namespace deployer
