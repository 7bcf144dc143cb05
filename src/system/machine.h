#pragma once

#include <string>

namespace deployer {

class Files;
class Processes;

/// The machine that deployer runs on, for what needs its disk and its programs. Cheap to copy; the references live
/// longer than whoever has it.
struct Machine {
  Files& files;
  Processes& processes;
  std::string path;  ///< PATH, in which programs are looked up
};

}  // namespace deployer
