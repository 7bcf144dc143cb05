#include "state/run_log.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/id.h"

namespace deployer {

namespace {

namespace fs = std::filesystem;

fs::path log_folder(const fs::path& target_folder, const std::string& run) { return target_folder / "runs" / run; }

}  // namespace

struct RunLog::State {
  State(fs::path log_folder_path, const Redactor& masks) : folder(std::move(log_folder_path)), redactor(masks) {}

  void write(const std::string& step, const std::string& line) {
    if (!failure.empty()) return;
    std::ofstream& file = files[step];
    if (!file.is_open()) {
      std::error_code ignored;
      fs::create_directories(folder, ignored);
      fs::permissions(folder, fs::perms::owner_all, ignored);
      file.open(folder / (step + ".log"), std::ios::app);
    }
    errno = 0;
    file << line << std::flush;
    if (!file) failure = "cannot write the log of the run in " + folder.string() + ": " + std::strerror(errno);
  }

  fs::path folder;
  const Redactor& redactor;
  std::map<std::string, std::ofstream> files;
  std::string failure;
};

RunLog::RunLog(const fs::path& target_folder, const std::string& run, const Redactor& redactor)
    : state_(std::make_unique<State>(log_folder(target_folder, run), redactor)) {}

RunLog::~RunLog() = default;

void RunLog::on_event(const Event& event) {
  const std::string step = event.step.empty() ? "run" : event.step;
  std::string text = event.kind;
  if (event.kind == "step_output") {
    text = event.data.value("stream", "out") + " " + event.data.value("text", "");
  } else if (event.kind == "run_started" || event.kind == "baseline_taken") {
    text = event.kind;  // its data is the document, or large: it is in the journal
  } else if (event.kind == "step_progress") {
    return;
  } else {
    text += " " + dump(event.data);
  }
  state_->write(step, rfc3339(event.time) + " " + state_->redactor.clean(text) + "\n");
}

void RunLog::close() { state_->files.clear(); }

const std::string& RunLog::failure() const { return state_->failure; }

std::vector<fs::path> RunLog::files(const fs::path& target_folder, const std::string& run) {
  std::vector<fs::path> found;
  std::error_code none;
  for (const fs::directory_entry& entry : fs::directory_iterator(log_folder(target_folder, run), none)) {
    if (entry.path().extension() == ".log") found.push_back(entry.path());
  }
  const auto first_line = [](const fs::path& file) {
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    return line.substr(0, 24) + file.filename().string();
  };
  std::sort(found.begin(), found.end(),
            [&](const fs::path& a, const fs::path& b) { return first_line(a) < first_line(b); });
  return found;
}

}  // namespace deployer
