#include "actions/outputs.h"

#include "base/redactor.h"
#include "base/text.h"

namespace deployer {

namespace {

constexpr std::size_t largest_output = 64 * 1024;

/// Cut between two letters of UTF-8, of which the second and later bytes are 10xxxxxx.
std::string cut_output(const std::string& text) {
  if (text.size() <= largest_output) return text;
  std::size_t end = largest_output;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

}  // namespace

void keep_output(ActionContext& context, Json& outputs, const std::string& name, const Json& value) {
  if (!value.is_string()) {
    outputs[name] = value;
    return;
  }
  const std::string text = value.get<std::string>();
  const std::string kept = cut_output(text);
  // Looked for in the whole: of a secret on the edge only a part would be kept, and known by nobody.
  if (context.redactor().holds_secret(text)) {
    context.warn("output '" + name + "' holds a secret and was not kept");
  } else if (invalid_utf8(kept)) {
    context.warn("output '" + name + "' is no text in UTF-8 and was not kept");
  } else {
    outputs[name] = kept;
  }
}

}  // namespace deployer
