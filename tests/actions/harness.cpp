#include "actions/harness.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "actions/table.h"
#include "base/error.h"
#include "base/id.h"
#include "base/text.h"
#include "base/yaml.h"
#include "database/session.h"
#include "state/journal.h"

namespace deployer::test {

namespace {

Json inputs_of(const std::string& uses, const std::string& with, Diagnostics& diagnostics) {
  const Action* action = find_action(uses);
  if (action == nullptr) throw std::runtime_error("there is no action " + uses);
  const YamlDocument document = load_yaml(with, "with.yml");
  diagnostics = document.diagnostics;
  return read_parameters(document.root, action->spec().inputs, "with", diagnostics);
}

}  // namespace

RunHarness::RunHarness() : processes_(std::make_unique<Processes>()) {
  processes_->set_keep_variable("DEPLOYER_SERVICE");
  pipeline_.name = "test";
  pipeline_.file = folder_ / "test.yml";
  pipeline_.project = folder_.path();
}

RunHarness::~RunHarness() {
  for (const std::string& run : runs_) {
    end_processes(find_by_environment("DEPLOYER_SERVICE_RUN", run), std::chrono::seconds(5),
                  Deadline::after(std::chrono::seconds(20)));
  }
}

Step& RunHarness::add(const std::string& uses, const std::string& with, const std::string& id) {
  Diagnostics diagnostics;
  Step step;
  step.uses = uses;
  step.inputs = inputs_of(uses, with, diagnostics);
  for (const Diagnostic& diagnostic : diagnostics) ADD_FAILURE() << diagnostic.text();
  step.id = step.name = id.empty() ? uses : id;
  step.shell = {"bash", "--noprofile", "--norc", "-eo", "pipefail"};
  step.working_directory = folder_.path();
  pipeline_.steps.push_back(step);
  return pipeline_.steps.back();
}

Step& RunHarness::add_command(const std::string& text, const std::string& id) {
  Step& step = add("run", "", id);
  step.run.shell_text = text;
  return step;
}

std::vector<std::string> RunHarness::complaints(const std::string& uses, const std::string& with) {
  Diagnostics diagnostics;
  inputs_of(uses, with, diagnostics);
  std::vector<std::string> messages;
  for (const Diagnostic& diagnostic : diagnostics) messages.push_back(diagnostic.message);
  return messages;
}

Engine RunHarness::engine(FaultPoints& faults) {
  const auto open_database = [](const Pipeline& pipeline, const Deadline& deadline) {
    const database::Url url = value_or_throw(database::parse_url(pipeline.database.at("url").get<std::string>()));
    return std::shared_ptr<database::Session>(
        database::open(url, pipeline.project, database::Access::create, deadline));
  };
  std::map<std::string, std::string> environment = {{"PATH", "/usr/bin:/bin"}, {"HOME", folder_.path().string()}};
  return {EngineParts{files_, *processes_, clock_, redactor_, open_database, environment}, find_action, faults};
}

RunRequest RunHarness::request(const std::string& id) const {
  RunRequest request;
  request.id = id;
  request.state_folder = folder_ / "state";
  request.undo_grace = std::chrono::seconds(30);
  return request;
}

RunState RunHarness::run_with(FaultPoints& faults, const std::string& id, EventListener& listener) {
  Engine one = engine(faults);
  Journal journal = Journal::open(state_folder(), files_, redactor_, faults);
  StopRequest stop;
  one.check(pipeline_, request(id), Deadline::after(std::chrono::seconds(60)));
  return one.run(pipeline_, request(id), journal, {&listener}, stop);
}

RunState RunHarness::run() {
  runs_.push_back(new_run_id(clock_.now()));
  FaultPoints faults;
  return run_with(faults, runs_.back(), *this);
}

std::string RunHarness::check() {
  FaultPoints faults;
  try {
    engine(faults).check(pipeline_, request("check"), Deadline::after(std::chrono::seconds(60)));
    return {};
  } catch (const Error& error) {
    return error.text();
  }
}

std::vector<std::string> RunHarness::points_of_a_run() {
  const std::filesystem::path trace = folder_ / "points";
  setenv("DEPLOYER_FAULT_TRACE", trace.c_str(), 1);
  FaultPoints faults = FaultPoints::from_environment();
  unsetenv("DEPLOYER_FAULT_TRACE");
  runs_.push_back(new_run_id(clock_.now()));
  run_with(faults, runs_.back(), *this);
  return split(trim(files_.read(trace)), '\n');
}

RunState RunHarness::recover_killed(const std::function<void(const std::string& id)>& run_in_child) {
  runs_.push_back(new_run_id(clock_.now()));
  const std::string id = runs_.back();
  const pid_t child = fork();
  if (child == 0) {
    static_cast<void>(processes_.release());  // its threads and children are the parent's
    processes_ = std::make_unique<Processes>();
    processes_->set_keep_variable("DEPLOYER_SERVICE");
    run_in_child(id);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "it was not killed";
  FaultPoints faults;
  Journal journal = Journal::open(state_folder(), files_, redactor_, faults);
  StopRequest stop;
  RunState state = fold(journal.events(id));
  return engine(faults).recover(pipeline_, request(id), std::move(state), journal, {this}, stop);
}

RunState RunHarness::run_killed_at(std::size_t number) {
  return recover_killed([&](const std::string& id) {
    setenv("DEPLOYER_FAULT_KILL", std::to_string(number).c_str(), 1);
    FaultPoints faults = FaultPoints::from_environment();
    run_with(faults, id, *this);
  });
}

RunState RunHarness::run_killed_on(const std::function<bool(const Event&)>& is_the_end) {
  struct Killer : EventListener {
    explicit Killer(const std::function<bool(const Event&)>& end) : is_the_end(end) {}
    void on_event(const Event& event) override {
      if (is_the_end(event)) kill(getpid(), SIGKILL);
    }
    const std::function<bool(const Event&)>& is_the_end;
  };
  return recover_killed([&](const std::string& id) {
    Killer killer(is_the_end);
    FaultPoints faults;
    run_with(faults, id, killer);
  });
}

RunState killed_at(const std::string& point, RunHarness& harness, const std::function<void(RunHarness&)>& prepare) {
  std::size_t number = 0;
  {
    RunHarness twin;
    prepare(twin);
    const std::vector<std::string> points = twin.points_of_a_run();
    const auto found = std::find(points.begin(), points.end(), point);
    EXPECT_NE(found, points.end()) << "no point is called " << point << ": " << join(points, ", ");
    number = static_cast<std::size_t>(found - points.begin()) + 1;
  }
  prepare(harness);
  return harness.run_killed_at(number);
}

void RunHarness::on_event(const Event& event) {
  if (event.kind == "step_output") output_.push_back(event.data.value("text", ""));
  if (event.kind == "warning") output_.push_back("warning: " + event.data.value("message", ""));
}

int free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), 0);
  close(fd);
  return ntohs(address.sin_port);
}

const StepState& step_of(const RunState& state, const std::string& id) {
  for (const StepState& step : state.steps) {
    if (step.id == id) return step;
  }
  throw std::runtime_error("the run has no step " + id);
}

}  // namespace deployer::test
