#pragma once

// glibc 2.36 declares these without C linkage (its bug 29951).
extern "C" {
#include <sys/pidfd.h>
}
