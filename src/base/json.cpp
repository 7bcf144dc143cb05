#include "base/json.h"

namespace deployer {

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string dump_pretty(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace); }

Result<Json> parse_json(std::string_view text, std::string_view what) {
  try {
    return Json::parse(text);
  } catch (const Json::exception& wrong) {
    return tl::unexpected(Error(ErrorKind::invalid, std::string(what) + " is not JSON: " + wrong.what()));
  }
}

Json to_json(const Diagnostic& diagnostic) {
  return {{"file", diagnostic.at.file},     {"line", diagnostic.at.line},
          {"column", diagnostic.at.column}, {"level", diagnostic.level == Level::error ? "error" : "warning"},
          {"rule", diagnostic.rule},        {"message", diagnostic.message},
          {"hint", diagnostic.hint}};
}

Json to_json(const Error& error) {
  Json places = Json::array();
  for (const Diagnostic& diagnostic : error.diagnostics) places.push_back(to_json(diagnostic));
  return {{"kind", error_kind_info(error.kind).name},
          {"message", error.summary()},
          {"hint", error.hint},
          {"diagnostics", places}};
}

}  // namespace deployer
