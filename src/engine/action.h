#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.h"
#include "base/json.h"
#include "base/parameter.h"
#include "engine/context.h"

namespace deployer {

/// What an action is, for the loader, help and docs.
struct ActionSpec {
  std::string word;  ///< behind `uses:`
  std::string doc;   ///< one sentence
  std::vector<Parameter> inputs;
  bool can_continue_on_error = true;
  /// Its undo takes something away under running services: those that the run started are stopped before it.
  bool wants_quiet = false;
  /// What it does is in the database, or needs no undo: another machine can take it back as well.
  bool undone_anywhere = false;
};

/// What a step brought.
struct Outcome {
  std::string summary;  ///< one line for people
  Json outputs = Json::object();
};

/// What was found out, after a crash, of an effect that was intended and not journalled as done.
enum class Probe { happened, not_happened, partly, unknown };

/// What a step would do, for `plan` and `run --dry-run`.
struct StepPlan {
  std::string summary;
  std::vector<std::string> details;
  std::vector<std::string> risks;
  std::optional<std::string> undo;  ///< how it would be undone; nothing: it cannot be
};

/// Whether the state before the run is there again.
struct Verification {
  bool proved = false;  ///< something was looked at
  bool ok = true;
  std::string message;  ///< what was looked at, or what is wrong
};

/// What a `uses:` word does. Stateless: everything it works on comes by the context, so that a newer binary can undo an
/// older run. What an action does not define does nothing. Every function may block until `context.deadline()`, throws
/// Error, and has an effect only through `context.effect`, except `undo`, `quiet`, `settle` and `finish`, which the
/// engine journals around and which must be idempotent.
class Action {
 public:
  virtual ~Action() = default;
  virtual const ActionSpec& spec() const = 0;

  /// Before the run has an id and nothing is touched: a tool that is missing (Error `missing_tool`), inputs that make
  /// no sense together (`invalid`), a way of no return that nobody confirmed (`confirmation`).
  virtual void check(ActionContext& context) const;
  virtual StepPlan plan(ActionContext& context) const;
  /// The state that `settle` and `verify` bring back and compare with; taken for all steps before the run's first
  /// effect.
  virtual Json baseline(ActionContext& context) const;

  virtual Outcome run(ActionContext& context) const = 0;

  /// After a crash: did this effect, intended and not done, happen?
  virtual Probe probe(ActionContext& context, const UndoRecord& record) const;
  /// Takes one effect back; also one that happened in part, or not at all. The words for people how it was undone (the
  /// way back), or empty.
  virtual std::string undo(ActionContext& context, const UndoRecord& record) const;
  /// Stops the services that this step's run started or restarted, before others are undone beneath them.
  virtual void quiet(ActionContext& context) const;
  /// After all undos: services back to the state of the baseline, on the old code, schema and environment.
  virtual void settle(ActionContext& context, const Json& baseline) const;
  virtual Verification verify(ActionContext& context, const Json& baseline) const;
  /// After the run's success is journalled: what must not happen before. Goes forward only; done again after a crash.
  virtual void finish(ActionContext& context) const;
};

/// The action of a `uses:` word, or null. Actions live as long as the program.
using ActionLookup = std::function<const Action*(std::string_view word)>;

}  // namespace deployer
