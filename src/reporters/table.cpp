#include "reporters/table.h"

#include <array>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "reporters/json.h"
#include "reporters/plain.h"

namespace deployer {

namespace {

using MakeReporter = std::unique_ptr<EventListener> (*)(const ReporterOptions&, ReportOutput, const Redactor&);

struct ReporterLine {
  std::string_view word;
  MakeReporter make;  ///< null: of a later version
};

constexpr std::array<ReporterLine, 7> reporter_lines = {{{"auto", make_plain_reporter},
                                                         {"plain", make_plain_reporter},
                                                         {"json", make_json_reporter},
                                                         {"tty", nullptr},
                                                         {"github", nullptr},
                                                         {"gitlab", nullptr},
                                                         {"junit", nullptr}}};

}  // namespace

std::unique_ptr<EventListener> make_reporter(const std::string& word, const ReporterOptions& options,
                                             ReportOutput output, const Redactor& redactor) {
  std::vector<std::string> known;
  for (const ReporterLine& line : reporter_lines) {
    if (line.make != nullptr) known.emplace_back(line.word);
    if (line.word != word) continue;
    if (line.make != nullptr) return line.make(options, std::move(output), redactor);
    throw Error(ErrorKind::usage, "--output " + word + " is not in this version", "there are auto, plain and json");
  }
  const std::optional<std::string> meant = did_you_mean(word, known);
  throw Error(ErrorKind::usage, "there is no output '" + word + "'",
              meant ? "did you mean '" + *meant + "'?" : "there are " + listing(known));
}

}  // namespace deployer
