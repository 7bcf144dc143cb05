#pragma once

#include <tl/expected.hpp>
#include <utility>

#include "base/error.h"

namespace deployer {

/// What is expected to fail now and then returns a Result; what ends a step is thrown as Error.
template <class Value>
using Result = tl::expected<Value, Error>;

/// The value, or its error thrown.
template <class Value>
Value value_or_throw(Result<Value> result) {
  if (!result) throw std::move(result).error();
  if constexpr (!std::is_void_v<Value>) return std::move(*result);
}

}  // namespace deployer
