#pragma once

#include <optional>
#include <string>

#include "engine/action.h"

namespace deployer {

/// By what a service is told to be in maintenance. Stateless, one object a key of `with:`. An undo record holds
/// `of` (what `subject` gives), `active` (what it turned it to), `before` (what it was), and what `record` adds.
class MaintenanceWay {
 public:
  virtual ~MaintenanceWay() = default;

  virtual Parameter input() const = 0;
  /// What can be found wrong before the run begins: Error `invalid`, `missing_tool`, or that of a missing privilege.
  virtual void check(ActionContext& context) const = 0;
  /// What is turned on and off, as JSON with a key `by`: two steps with the same one are about the same maintenance.
  virtual Json subject(ActionContext& context) const = 0;
  /// For people: `the file /srv/app/maintenance`.
  virtual std::string text(const Json& subject) const = 0;
  /// How a person ends it.
  virtual std::string by_hand(const Json& subject) const = 0;
  /// Whether it is on now; nothing where that cannot be seen.
  virtual std::optional<bool> is_on(ActionContext& context, const Json& subject) const = 0;
  virtual Json record(ActionContext& context, bool active) const = 0;
  /// The way forward. What it returns stands in the journal.
  virtual Json turn(ActionContext& context, bool active, const Json& record) const = 0;
  /// To what it was before that effect. Idempotent.
  virtual void bring_back(ActionContext& context, const Json& record) const = 0;
  /// Removes what was kept for `bring_back`, once the run has succeeded.
  virtual void forget(ActionContext& context, const Json& record) const;
};

const MaintenanceWay& maintenance_by_file();
const MaintenanceWay& maintenance_by_command();
const MaintenanceWay& maintenance_by_database();

}  // namespace deployer
