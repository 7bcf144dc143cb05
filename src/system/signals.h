#pragma once

#include <functional>
#include <memory>

namespace deployer {

/// Takes SIGINT, SIGTERM and SIGHUP of the process over in a thread of its own, and ignores SIGPIPE. Made in `main`
/// before any other thread (threads inherit the mask), and ended in
/// the same thread; then the signals are as they were before. A SIGHUP that whoever started us had ignored (nohup(1))
/// stays ignored.
class Signals {
 public:
  /// `on_signal(number, count)` is called in the thread of this object for each signal; `count` is 1 for the first
  /// of all. It must not throw. Error `io` if the kernel refuses.
  explicit Signals(std::function<void(int number, int count)> on_signal);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace deployer
