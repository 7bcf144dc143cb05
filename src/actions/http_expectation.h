#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/parameter.h"

namespace deployer {

struct HttpResponse;

/// What an answer over HTTP must be like.
struct HttpExpectation {
  int least_status = 200;  ///< the range of statuses that are good
  int most_status = 299;
  Json headers = Json::object();  ///< name to the exact value
  std::string body;               ///< stands somewhere in the answer's body
  Json json = nullptr;            ///< each of its values stands in the answer at the same place; null: not asked

  /// The input `expect` of a step's inputs; what is good where nothing is said.
  static HttpExpectation from(const Json& inputs);
  /// What is wrong with an answer, or nothing.
  std::optional<std::string> complaint(const HttpResponse& response) const;
};

/// The declaration of the input `expect`.
Parameter http_expectation_input();

/// Where `answer` differs from `expected`, as a sentence; nothing where all that is expected stands in it. Objects may
/// have more members than expected; lists and values are compared whole.
std::optional<std::string> json_difference(const Json& expected, const Json& answer, const std::string& place);

}  // namespace deployer
