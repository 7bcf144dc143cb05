#include "reporters/table.h"

#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/text.h"
#include "reporters/json.h"
#include "reporters/plain.h"

namespace deployer {

namespace {

using Make = std::unique_ptr<EventListener> (*)(const ReporterOptions&, ReportOutput, const Redactor&);

struct ReporterLine {
  std::string_view word;
  Make make;  ///< null: of a later version
};

constexpr std::array<ReporterLine, 6> reporter_lines = {{{"auto", make_plain_reporter},
                                                         {"plain", make_plain_reporter},
                                                         {"json", make_json_reporter},
                                                         {"tty", nullptr},
                                                         {"github", nullptr},
                                                         {"gitlab", nullptr}}};

}  // namespace

ReportOutput output_to(int fd) {
  return [fd](std::string_view text) {
    while (!text.empty()) {
      const ssize_t written = write(fd, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(written));
    }
  };
}

std::unique_ptr<EventListener> make_reporter(const std::string& word, const ReporterOptions& options,
                                             ReportOutput output, const Redactor& redactor) {
  std::vector<std::string> known;
  for (const ReporterLine& line : reporter_lines) {
    if (line.word == word && line.make == nullptr) {
      throw Error(ErrorKind::usage, "--output " + word + " is not in this version", "there are auto, plain and json");
    }
    if (line.word == word) return line.make(options, std::move(output), redactor);
    if (line.make != nullptr) known.emplace_back(line.word);
  }
  const std::optional<std::string> meant = did_you_mean(word, known);
  throw Error(ErrorKind::usage, "there is no output '" + word + "'",
              meant ? "did you mean '" + *meant + "'?" : "there are " + listing(known));
}

}  // namespace deployer
