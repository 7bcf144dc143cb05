#include "actions/inputs.h"
#include "actions/maintenance.h"
#include "actions/maintenance/way.h"
#include "base/error.h"
#include "base/text.h"
#include "database/dialect.h"
#include "database/server.h"
#include "database/server_health.h"
#include "state/run_state.h"

namespace deployer {

namespace {

constexpr Duration pause_before_reconnecting = std::chrono::seconds(1);
const std::string forgotten_fact = "maintenance_forgotten";  ///< the effect whose read_only a server had forgotten

database::Url url_of_database(const ActionContext& context) {
  return value_or_throw(database::parse_url(context.pipeline().database.value("url", "")));
}

const database::Server& server_of(const database::Session& session) {
  const database::Server* server = session.dialect().server();
  if (server == nullptr) throw Error(ErrorKind::internal, "read_only is asked of a database that is a file");
  return *server;
}

/// What the environment of the service's commands says of a database server: the name of a variable whose URL has
/// deployer's own account, or empty. Such a service goes on writing.
std::string variable_with_our_account(const ActionContext& context) {
  const database::Url own = url_of_database(context);
  for (const auto& [name, value] : context.environment()) {
    const Result<database::Url> url = database::parse_url(value);
    if (url && url->engine == own.engine && url->user == own.user) return name;
  }
  return {};
}

/// `database: read_only`: SET GLOBAL read_only. The run's own statements go through, because its account has the
/// privilege READ_ONLY ADMIN.
class MaintenanceByDatabase : public MaintenanceWay {
 public:
  Parameter input() const override {
    return {.name = "database",
            .type = ParameterType::choice,
            .doc = "read_only: the database server takes no writes but deployer's",
            .choices = {"read_only"}};
  }

  void check(ActionContext& context) const override {
    if (!context.has_database()) context.database();  // throws what is to be done
    const database::Url url = url_of_database(context);
    const database::Dialect& dialect = database::dialect_of(url.engine);
    if (dialect.server() == nullptr) {
      throw Error(ErrorKind::invalid, "step '" + context.step().id + "': a database that is a file has no read_only",
                  "use file or command");
    }
    try {
      const auto session =
          database::open(url, context.pipeline().project, database::Access::existing, context.deadline());
      dialect.server()->need_read_only(*session, context.deadline());
    } catch (const Error& error) {
      // One that does not answer yet: the run's own steps wait for it and say so.
      if (error.kind != ErrorKind::unavailable) throw;
    }
  }

  Json subject(ActionContext&) const override { return {{"by", "database"}}; }
  std::string text(const Json&) const override { return "read_only"; }
  std::string by_hand(const Json&) const override { return "SET GLOBAL read_only = 0"; }

  std::optional<bool> is_on(ActionContext& context, const Json&) const override {
    database::Session& session = context.database();
    return server_of(session).identity(session, context.deadline()).read_only;
  }

  Json record(ActionContext& context, bool) const override {
    database::Session& session = context.database();
    return {{"server", server_of(session).identity(session, context.deadline()).json()}};
  }

  Json turn(ActionContext& context, bool active, const Json&) const override {
    database::Session& session = context.database();
    const database::Server& server = server_of(session);
    server.need_read_only(session, context.deadline());
    server.set_read_only(session, active, context.deadline());
    if (active) tell_who_goes_on(context, session, server);
    return {{"server", server.identity(session, context.deadline()).json()}};
  }

  /// Waits for a server that is down: nobody else would end it.
  void bring_back(ActionContext& context, const Json& record) const override {
    const bool before = record.value("before", false);
    try {
      set_if_other(context.database(), before, context.deadline());
      return;
    } catch (const Error& error) {
      if (error.kind != ErrorKind::unavailable) throw;
    }
    const database::Url url = url_of_database(context);
    while (true) {
      try {
        // The run's own session is broken, and lives as long as its step.
        const auto session =
            database::open(url, context.pipeline().project, database::Access::existing, context.deadline());
        return set_if_other(*session, before, context.deadline());
      } catch (const Error& error) {
        if (error.kind != ErrorKind::unavailable) throw;
        if (!context.deadline().sleep(pause_before_reconnecting)) throw;
      }
    }
  }

 private:
  static void set_if_other(database::Session& session, bool on, const Deadline& deadline) {
    const database::Server& server = server_of(session);
    if (server.identity(session, deadline).read_only != on) server.set_read_only(session, on, deadline);
  }

  static void tell_who_goes_on(ActionContext& context, database::Session& session, const database::Server& server) {
    const std::string variable = variable_with_our_account(context);
    if (!variable.empty()) {
      context.warn("read_only does not stop a service that uses " + variable +
                   ": it has deployer's own account; give deployer one of its own");
    }
    std::vector<std::string> events;
    try {
      events = server.active_events(session, context.deadline());
    } catch (const database::SqlError& error) {
      if (error.kind != ErrorKind::database) throw;
      context.warn(error.message + " (" + error.hint + ")");
    }
    if (!events.empty()) {
      context.warn("read_only does not stop events of the schema whose definer has READ_ONLY ADMIN: " +
                   listing(events));
    }
  }
};

bool is_by_database(const EffectState& effect) {
  return effect.action == "maintenance" && effect.undo.contains("of") &&
         effect.undo["of"].value("by", "") == "database";
}

/// The last step of the run that turned read_only on or off, and was not undone.
const EffectState* last_standing(const RunState& state) {
  const EffectState* last = nullptr;
  for (const EffectState& effect : state.effects) {
    if (is_by_database(effect) && effect.status != EffectState::Status::undone) last = &effect;
  }
  return last;
}

bool was_turned_off_since(const RunState& state, std::int64_t effect_id) {
  for (const EffectState& effect : state.effects) {
    if (is_by_database(effect) && effect.id > effect_id && !effect.undo.value("active", false)) return true;
  }
  return false;
}

/// Why others may write now, or may have since `effect`; empty where they cannot.
std::string why_writes_go_on(ActionContext& context, const EffectState& effect) {
  if (effect.status != EffectState::Status::done || !effect.result.is_object()) return "read_only was not set";
  if (was_turned_off_since(context.state(), effect.id)) return "read_only was ended in between";
  if (context.fact(forgotten_fact) == Json(effect.id)) return "read_only was off in between";
  const std::string variable = variable_with_our_account(context);
  if (!variable.empty()) return "the service writes with deployer's own account (" + variable + ")";
  database::Session& session = context.database();
  const database::Server& server = server_of(session);
  const database::ServerIdentity now = server.identity(session, context.deadline());
  const auto then = database::ServerIdentity::from(effect.result.value("server", Json::object()));
  if (!now.is_same_start(then)) return "the server was restarted since it was made read-only";
  if (!now.read_only) return "the server is not read-only any more";
  const std::vector<std::string> events = server.active_events(session, context.deadline());
  if (!events.empty()) return "events of the schema may write: " + listing(events);
  if (server.health(session, {}, context.deadline()).applies_replication) {
    return "the server is a replica, and applies what its primary writes";
  }
  return {};
}

}  // namespace

void hold_maintenance(ActionContext& context) {
  const EffectState* last = last_standing(context.state());
  if (last == nullptr || !last->undo.value("active", false)) return;
  const std::int64_t effect = last->id;
  database::Session& session = context.database();
  const database::Server& server = server_of(session);
  if (server.identity(session, context.deadline()).read_only) return;
  context.set_fact(forgotten_fact, effect);
  server.set_read_only(session, true, context.deadline());
  context.warn("the server was not read-only any more, and is again");
}

std::optional<std::int64_t> writes_stopped_since(ActionContext& context, std::string& why) {
  const EffectState* last = last_standing(context.state());
  if (last == nullptr || !last->undo.value("active", false)) {
    why = "no step has made the server read-only";
    return std::nullopt;
  }
  const std::int64_t effect = last->id;
  try {
    why = why_writes_go_on(context, *last);
  } catch (const database::SqlError& error) {
    if (error.kind != ErrorKind::database) throw;
    why = error.hint.empty() ? error.message : error.message + " (" + error.hint + ")";
  }
  if (!why.empty()) return std::nullopt;
  return effect;
}

const MaintenanceWay& maintenance_by_database() {
  static const MaintenanceByDatabase way;
  return way;
}

}  // namespace deployer
