#include <cstdio>

#include "base/version.h"

int main() {
  std::printf("deployer %s\n", std::string(deployer::version()).c_str());
  return 0;
}
