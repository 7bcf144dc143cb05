#pragma once

#include <memory>

#include "system/process_descriptor.h"

namespace deployer::process {

/// Reads pipes in a thread of its own and drops what they give, until their writers have closed them: a background
/// process that goes on after its step must not die of SIGPIPE. Any thread. The thread begins with the first pipe.
class Drain {
 public:
  Drain();
  /// Closes what is still open.
  ~Drain();
  Drain(const Drain&) = delete;
  Drain& operator=(const Drain&) = delete;

  /// Takes a non-blocking reading end over.
  void add(Descriptor pipe);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace deployer::process
