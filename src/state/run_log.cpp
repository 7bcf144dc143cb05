#include "state/run_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <fstream>
#include <utility>

#include "base/error.h"
#include "base/id.h"
#include "base/units.h"
#include "system/files.h"

namespace deployer {

namespace fs = std::filesystem;

namespace {

// What belongs to no step: the hooks of the run.
constexpr const char* run_log_of_run = "_run";
// The steps in the order in which they began.
constexpr const char* run_log_order = "order";

fs::path run_log_folder(const fs::path& target_folder, const std::string& run) { return target_folder / "runs" / run; }

/// A step's id as a file name: ids are checked when a document is loaded, but a masked one, or a journal's, may be
/// anything.
std::string run_log_name(const std::string& step) {
  if (step.empty()) return run_log_of_run;
  std::string name = step;
  for (char& letter : name) {
    if (std::isalnum(static_cast<unsigned char>(letter)) == 0 && letter != '-' && letter != '_') letter = '_';
  }
  return name;
}

std::string run_log_member(const Json& data, const char* key) {
  if (!data.is_object()) return {};
  const auto found = data.find(key);
  return found != data.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// A durable event in words: its kind, and what of its data a reader of the output wants beside it.
std::string run_log_words(const Event& event) {
  std::string text = event.kind;
  if (event.kind == "step_started" && event.attempt > 1) text += " attempt " + std::to_string(event.attempt);
  for (const char* key : {"status", "name", "program", "hook", "exit", "message", "summary", "error", "way_back"}) {
    if (event.kind == "step_started" || (event.kind == "fact" && key != std::string_view("name"))) break;
    const std::string value = run_log_member(event.data, key);
    if (!value.empty()) text += " " + value;
  }
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

struct RunLog::State {
  class File {
   public:
    explicit File(const fs::path& path) : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {}
    ~File() {
      if (fd_ >= 0) ::close(fd_);
    }
    File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    File& operator=(File&&) = delete;
    bool is_open() const { return fd_ >= 0; }

    /// False with errno set if not all of it was taken.
    bool write(std::string_view text) const {
      while (!text.empty()) {
        const ssize_t taken = ::write(fd_, text.data(), text.size());
        if (taken < 0 && errno == EINTR) continue;
        if (taken < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(taken));
      }
      return true;
    }

   private:
    int fd_;
  };

  void fail(int code, const fs::path& file) {
    if (failure.empty()) failure = io_error(code, "cannot write the log " + file.string()).message;
  }

  /// The file of a step; null where it cannot be opened.
  const File* file_of(const std::string& name) {
    const auto known = files.find(name);
    if (known != files.end()) return &known->second;
    try {
      Files().make_folder(folder, 0700);
    } catch (const Error& error) {
      if (failure.empty()) failure = error.message;
      return nullptr;
    }
    std::error_code ignored;
    const bool is_new = !fs::exists(folder / (name + ".log"), ignored);
    File file(folder / (name + ".log"));
    if (!file.is_open()) {
      fail(errno, folder / (name + ".log"));
      return nullptr;
    }
    if (is_new) {
      const File order(folder / run_log_order);
      if (!order.is_open() || !order.write(name + "\n")) fail(errno, folder / run_log_order);
    }
    return &files.emplace(name, std::move(file)).first->second;
  }

  void write(const std::string& step, const std::string& line) {
    const std::string name = run_log_name(redactor.clean(step));
    const File* file = file_of(name);
    if (file != nullptr && !file->write(line)) fail(errno, folder / (name + ".log"));
  }

  fs::path folder;
  const Redactor& redactor;
  std::map<std::string, File> files;
  std::string failure;
};

RunLog::RunLog(const fs::path& target_folder, const std::string& run, const Redactor& redactor)
    : state_(new State{run_log_folder(target_folder, run), redactor, {}, {}}) {}

RunLog::~RunLog() = default;

void RunLog::on_event(const Event& event) {
  std::string stream = "run";
  std::string text;
  if (event.kind == "step_output") {
    stream = run_log_member(event.data, "stream");
    text = run_log_member(event.data, "text");
  } else if (is_durable(event.kind) && !event.step.empty()) {
    text = run_log_words(event);
  } else {
    return;
  }
  state_->write(event.step, rfc3339(event.time) + " " + stream + " " + state_->redactor.clean(text) + "\n");
}

void RunLog::close() { state_->files.clear(); }

const std::string& RunLog::failure() const { return state_->failure; }

std::vector<fs::path> RunLog::files(const fs::path& target_folder, const std::string& run) {
  const fs::path folder = run_log_folder(target_folder, run);
  std::vector<fs::path> found;
  std::ifstream order(folder / run_log_order);
  std::error_code ignored;
  for (std::string name; std::getline(order, name);) {
    const fs::path file = folder / (name + ".log");
    const bool again = std::find(found.begin(), found.end(), file) != found.end();
    if (!again && fs::exists(file, ignored)) found.push_back(file);
  }
  // One whose line in `order` a full disk did not take.
  for (const std::string& name : Files().list(folder)) {
    const fs::path file = folder / name;
    if (file.extension() == ".log" && std::find(found.begin(), found.end(), file) == found.end()) found.push_back(file);
  }
  return found;
}

}  // namespace deployer
