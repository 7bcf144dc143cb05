#include <algorithm>

#include "actions/builtin.h"
#include "actions/http_expectation.h"
#include "actions/inputs.h"
#include "actions/outputs.h"
#include "base/error.h"
#include "base/redactor.h"
#include "system/net.h"

namespace deployer {

namespace {

/// Where neither the step nor the run has a time-out: a server that is silent is no reason to wait for ever.
constexpr Duration http_longest_request = std::chrono::seconds(30);

bool changes_something(const std::string& method) { return method != "GET" && method != "HEAD"; }

std::optional<std::string> http_url_complaint(const Json& value) {
  const std::string url = value.get<std::string>();
  if (url.starts_with("http://") || url.starts_with("https://")) return std::nullopt;
  return "'" + url_for_people(url) + "' is no http:// or https:// URL";
}

std::vector<Parameter> http_inputs() {
  std::vector<Parameter> inputs = {
      declare_input("url", ParameterType::text, "What is asked."),
      declare_input("method", ParameterType::choice, "The method of the request.", "GET"),
      declare_input("headers", ParameterType::map, "Headers of the request."),
      declare_input("body", ParameterType::text, "The body of the request."),
      declare_input("json", ParameterType::any, "The body as JSON, in place of a text."),
      http_expectation_input(),
  };
  inputs[0].required = true;
  inputs[0].check = http_url_complaint;
  inputs[1].choices = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
  return inputs;
}

HttpRequest request_of(const Json& inputs) {
  HttpRequest request;
  request.url = text_input(inputs, "url");
  request.method = text_input(inputs, "method");
  if (has_input(inputs, "headers")) request.headers = inputs["headers"].get<std::map<std::string, std::string>>();
  request.body = text_input(inputs, "body");
  if (!has_input(inputs, "json")) return request;
  request.body = dump(inputs["json"]);
  const bool has_type = std::any_of(request.headers.begin(), request.headers.end(), [](const auto& header) {
    std::string name = header.first;
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    return name == "content-type";
  });
  if (!has_type) request.headers["Content-Type"] = "application/json";
  return request;
}

/// The URL for messages. Of one that holds a secret only the host: a secret URL less its password is no secret that the
/// redactor knows, and its path may be what it is about.
std::string http_url_name(const ActionContext& context) {
  const std::string url = text_input(context.inputs(), "url");
  const std::string name = url_for_people(url);
  if (!context.redactor().holds_secret(url)) return name;
  const std::size_t path = name.find('/', name.find("://") + 3);
  return path == std::string::npos ? name : name.substr(0, path) + "/…";
}

/// The error of a request, with the name in place of the URL.
Error renamed(const Error& error, const std::string& url, const std::string& name) {
  std::string message = error.summary();
  const std::size_t at = message.find(url);
  if (at != std::string::npos) message.replace(at, url.size(), name);
  return {error.kind, message, error.hint};
}

/// `http`: one request. What is not GET or HEAD is an effect, which only the step's `rollback` takes back.
class HttpAction : public Action {
 public:
  const ActionSpec& spec() const override { return spec_; }

  void check(ActionContext& context) const override {
    const Json& inputs = context.inputs();
    const std::string step = "step '" + context.step().id + "': ";
    if (has_input(inputs, "body") && has_input(inputs, "json")) {
      throw Error(ErrorKind::invalid, step + "body and json are two bodies, and a request has one");
    }
    const std::string method = text_input(inputs, "method");
    if (!changes_something(method) && (has_input(inputs, "body") || has_input(inputs, "json"))) {
      throw Error(ErrorKind::invalid, step + "a " + method + " request has no body", "say method: POST");
    }
  }

  StepPlan plan(ActionContext& context) const override {
    const std::string method = text_input(context.inputs(), "method");
    StepPlan plan{method + " " + http_url_name(context), {}, {}, std::nullopt};
    if (!changes_something(method)) {
      plan.undo = "nothing to undo";
    } else if (context.step().rollback && !context.step().rollback->none) {
      plan.undo = "its rollback command";
    }
    return plan;
  }

  Outcome run(ActionContext& context) const override {
    const HttpRequest request = request_of(context.inputs());
    HttpResponse response;
    if (changes_something(request.method)) {
      context.effect("request", Json::object(), [&] {
        response = ask(context, request);
        return Json{{"status", response.status}};
      });
    } else {
      response = ask(context, request);
    }
    Outcome outcome{http_url_name(context) + " answered with status " + std::to_string(response.status),
                    {{"status", response.status}}};
    keep_output(context, outcome.outputs, "body", response.body);
    return outcome;
  }

  std::string undo(ActionContext& /*context*/, const UndoRecord& /*record*/) const override {
    return "nothing: the step has no rollback";
  }

 private:
  static HttpResponse ask(ActionContext& context, const HttpRequest& request) {
    const bool has_limit = context.step().timeout || context.pipeline().timeout;
    const Deadline& deadline = context.deadline();
    const std::string name = http_url_name(context);
    HttpResponse response;
    try {
      response = http_request(request, has_limit ? deadline : deadline.at_most(http_longest_request));
    } catch (const Error& error) {
      throw renamed(error, url_for_people(request.url), name);
    }
    if (const auto complaint = HttpExpectation::from(context.inputs()).complaint(response)) {
      throw Error(ErrorKind::failed, name + ": " + *complaint);
    }
    return response;
  }

  ActionSpec spec_{"http", "Sends a request over HTTP and looks at the answer.", http_inputs(), true, false, true};
};

}  // namespace

const Action& http_action() {
  static const HttpAction action;
  return action;
}

}  // namespace deployer
