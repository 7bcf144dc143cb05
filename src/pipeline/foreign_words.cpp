#include "pipeline/foreign_words.h"

namespace deployer {

const std::vector<std::pair<std::string, std::string>>& foreign_head_words() {
  static const std::vector<std::pair<std::string, std::string>> words = {
      {"jobs: {…}", "steps: […]"},
      {"on: push", " a pipeline has no triggers: the CI job or cron line that calls `deployer run` decides"},
      {"tasks: […]", "steps: […]"},
      {"environment: {…}", "env: {…}"},
      {"variables: {…}", "vars: {…}"},
      {"concurrency: GROUP", "lock: NAME"},
      {"timeout-minutes: 30", "timeout: 30m"},
      {"runs-on: ubuntu", " a pipeline runs where `deployer run` is called"},
      {"service: NAME", "name: NAME"},
      {"defaults: {run: {…}}", " `shell` and `working-directory` belong to each step"},
  };
  return words;
}

const std::vector<std::pair<std::string, std::string>>& foreign_step_words() {
  static const std::vector<std::pair<std::string, std::string>> words = {
      {"timeout-minutes: 5", "timeout: 5m"},
      {"timeout_seconds: 30", "timeout: 30s"},
      {"command: CMD", "run: CMD"},
      {"shell_command: CMD", "run: CMD"},
      {"script: CMD", "run: CMD"},
      {"cmd: CMD", "run: CMD"},
      {"environment: {…}", "env: {…}"},
      {"retries: 3", "retry: {attempts: 3}"},
      {"delay: 5", "retry: {delay: 5s}"},
      {"until: CONDITION", "retry: {attempts: N}"},
      {"ignore_errors: true", "continue-on-error: true"},
      {"allow_failure: true", "continue-on-error: true"},
      {"action: NAME", "uses: NAME"},
      {"module: NAME", "uses: NAME"},
      {"args: {…}", "with: {…}"},
      {"params: {…}", "with: {…}"},
      {"chdir: DIR", "working-directory: DIR"},
      {"cwd: DIR", "working-directory: DIR"},
      {"undo: CMD", "rollback: CMD"},
      {"rescue: […]", "rollback: CMD"},
      {"register: NAME", " a command writes outputs as key=value into the file $DEPLOYER_OUTPUT"},
      {"become: true", " run `deployer` as the user that may do it"},
      {"steps: […]", " a step has no steps of its own"},
  };
  return words;
}

}  // namespace deployer
