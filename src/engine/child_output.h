#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/redactor.h"

namespace deployer {

/// Turns the bytes of one child into masked lines, as they come. A line over 16 KiB is told in pieces, and one that
/// stays open for a second is told as far as it is known, by a thread of this object.
class ChildOutput {
 public:
  /// `on_line` gets "out" or "err" and a line without its end; from the thread that feeds or the one of this object,
  /// one at a time.
  using OnLine = std::function<void(std::string_view stream, const std::string& line)>;
  ChildOutput(const Redactor& redactor, OnLine on_line);
  ~ChildOutput();
  ChildOutput(const ChildOutput&) = delete;
  ChildOutput& operator=(const ChildOutput&) = delete;

  void feed(bool is_error, std::string_view bytes);
  /// What was held back; called once at the end.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace deployer
