#include <algorithm>
#include <cctype>

#include "actions/health_check/probes.h"
#include "base/error.h"
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

}  // namespace

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

std::optional<std::string> http_complaint(const std::string& url, const HttpExpectation& expected,
                                          const Deadline& deadline) {
  const std::string name = url_for_people(url);
  HttpRequest request;
  request.url = url;
  try {
    const HttpResponse response = http_request(request, deadline);
    std::optional<std::string> complaint = status_complaint(expected, response.status);
    if (!complaint) complaint = headers_complaint(expected.headers, response);
    if (!complaint) complaint = body_complaint(expected, response);
    if (complaint) return name + ": " + *complaint;
    return std::nullopt;
  } catch (const Error& error) {
    if (error.kind == ErrorKind::cancelled) throw;
    return error.summary();
  }
}

}  // namespace deployer
