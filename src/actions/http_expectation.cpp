#include "actions/http_expectation.h"

#include <algorithm>
#include <cctype>

#include "actions/inputs.h"
#include "system/net.h"

namespace deployer {

namespace {

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return text;
}

std::optional<std::string> status_complaint(const HttpExpectation& expected, int status) {
  if (status >= expected.least_status && status <= expected.most_status) return std::nullopt;
  std::string wanted = std::to_string(expected.least_status);
  if (expected.least_status != expected.most_status) wanted += " to " + std::to_string(expected.most_status);
  return "answered with status " + std::to_string(status) + ", expected " + wanted;
}

std::optional<std::string> headers_complaint(const Json& expected, const HttpResponse& response) {
  for (const auto& [name, value] : expected.items()) {
    const auto found = response.headers.find(lower_case(name));
    if (found == response.headers.end()) return "answered without the header " + name;
    if (found->second != value.get<std::string>()) {
      return "answered with the header " + name + ": " + found->second + ", expected " + value.get<std::string>();
    }
  }
  return std::nullopt;
}

std::optional<std::string> body_complaint(const HttpExpectation& expected, const HttpResponse& response) {
  if (!expected.body.empty() && response.body.find(expected.body) == std::string::npos) {
    return "the body does not hold '" + expected.body + "'";
  }
  if (expected.json.is_null()) return std::nullopt;
  const Result<Json> answer = parse_json(response.body, "the body");
  if (!answer) return "the body is no JSON";
  return json_difference(expected.json, *answer, "");
}

std::optional<std::string> status_range(const Json& value) {
  const std::int64_t status = value.get<std::int64_t>();
  if (status >= 100 && status <= 599) return std::nullopt;
  return std::to_string(status) + " is no HTTP status";
}

}  // namespace

HttpExpectation HttpExpectation::from(const Json& inputs) {
  HttpExpectation expected;
  if (!has_input(inputs, "expect")) return expected;
  const Json& given = inputs["expect"];
  if (has_input(given, "status")) expected.least_status = expected.most_status = given["status"].get<int>();
  if (has_input(given, "headers")) expected.headers = given["headers"];
  if (has_input(given, "body")) expected.body = given["body"].get<std::string>();
  if (has_input(given, "json")) expected.json = given["json"];
  return expected;
}

std::optional<std::string> HttpExpectation::complaint(const HttpResponse& response) const {
  if (auto wrong = status_complaint(*this, response.status)) return wrong;
  if (auto wrong = headers_complaint(headers, response)) return wrong;
  return body_complaint(*this, response);
}

Parameter http_expectation_input() {
  Parameter expect = declare_input("expect", ParameterType::section, "What the answer over HTTP must be like.");
  expect.members = {
      declare_input("status", ParameterType::integer, "The status of the answer; 200 to 299 where nothing is said."),
      declare_input("headers", ParameterType::map, "Headers that the answer must have, with exactly these values."),
      declare_input("body", ParameterType::text, "A text that stands somewhere in the body."),
      declare_input("json", ParameterType::any, "What the body, as JSON, must hold; it may hold more."),
  };
  expect.members[0].check = status_range;
  return expect;
}

std::optional<std::string> json_difference(const Json& expected, const Json& answer, const std::string& place) {
  const std::string here = place.empty() ? std::string("the JSON") : "'" + place + "' in the JSON";
  if (!expected.is_object()) {
    if (expected == answer) return std::nullopt;
    return here + " is " + dump(answer) + ", expected " + dump(expected);
  }
  if (!answer.is_object()) return here + " is no object";
  for (const auto& [name, value] : expected.items()) {
    const std::string inner = place.empty() ? name : place + "." + name;
    const auto found = answer.find(name);
    if (found == answer.end()) return "'" + inner + "' is not in the JSON";
    if (auto difference = json_difference(value, *found, inner)) return difference;
  }
  return std::nullopt;
}

}  // namespace deployer
