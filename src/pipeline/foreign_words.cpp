#include "pipeline/foreign_words.h"

namespace deployer {

// A second text with a blank at its beginning is the whole hint (base/parameter.h).
const std::vector<std::pair<std::string, std::string>>& foreign_head_words() {
  static const std::vector<std::pair<std::string, std::string>> words = {
      // GitHub Actions
      {"jobs: {…}", "steps: […]"},
      {"on: push", " a pipeline has no triggers: the CI job or cron line that calls `deployer run` decides"},
      {"concurrency: GROUP", "lock: NAME"},
      {"timeout-minutes: 30", "timeout: 30m"},
      {"runs-on: ubuntu", " a pipeline runs where `deployer run` is called"},
      {"defaults: {run: {…}}", " `shell` and `working-directory` belong to each step"},
      {"permissions: {…}", " a pipeline has the rights of the user who calls `deployer run`"},
      {"strategy: {matrix: …}", " a pipeline runs once; call it once for each value, by --var"},
      {"inputs: {…}", "vars: {…}"},
      {"run-name: NAME", "name: NAME"},
      // Ansible
      {"tasks: […]", "steps: […]"},
      {"pre_tasks: […]", " what comes first stands first in steps"},
      {"post_tasks: […]", " what comes last stands last in steps"},
      {"handlers: […]", " a step runs where it stands; `uses: restart` restarts services"},
      {"roles: […]", "steps: […]"},
      {"become: true", " run `deployer` as the user that may do it"},
      {"vars_files: […]", "env_file: FILE"},
      {"environment: {…}", "env: {…}"},
      {"gather_facts: true", " there is nothing to gather: a pipeline runs on this machine"},
      {"serial: 1", " a pipeline runs on this machine alone"},
      // Kamal
      {"service: NAME", "name: NAME"},
      {"image: NAME", " images are not built or pulled here: let a `run` step do it"},
      {"servers: […]", " a pipeline runs on this machine alone"},
      {"accessories: {…}", " services are restarted by a step: `uses: restart`"},
      {"healthcheck: {…}", " a step does it: `uses: health_check`"},
      {"proxy: {…}", " a step looks at the health: `uses: health_check`"},
      {"deploy_timeout: 30", "timeout: 30s"},
      // Others
      {"variables: {…}", "vars: {…}"},
      {"stages: […]", "steps: […]"},
      {"script: […]", "steps: [{run: CMD}]"},
  };
  return words;
}

const std::vector<std::pair<std::string, std::string>>& foreign_step_words() {
  static const std::vector<std::pair<std::string, std::string>> words = {
      // GitHub Actions
      {"timeout-minutes: 5", "timeout: 5m"},
      {"cwd: DIR", "working-directory: DIR"},
      {"outputs: {…}", " a command writes outputs as key=value into the file $DEPLOYER_OUTPUT"},
      {"steps: […]", " a step has no steps of its own"},
      {"runs-on: ubuntu", " a step runs where `deployer run` is called"},
      // Ansible
      {"command: CMD", "run: CMD"},
      {"cmd: CMD", "run: CMD"},
      {"action: NAME", "uses: NAME"},
      {"module: NAME", "uses: NAME"},
      {"args: {…}", "with: {…}"},
      {"chdir: DIR", "working-directory: DIR"},
      {"environment: {…}", "env: {…}"},
      {"retries: 3", "retry: {attempts: 3}"},
      {"delay: 5", "retry: {delay: 5s}"},
      {"until: CONDITION", "retry: {attempts: N}"},
      {"async: 45", "timeout: 45s"},
      {"ignore_errors: true", "continue-on-error: true"},
      {"failed_when: CONDITION", " a command fails by its exit status"},
      {"changed_when: CONDITION", " `probe` is a command that says whether the effect happened"},
      {"when: CONDITION", " conditions are not in this version"},
      {"loop: […]", " a step runs once; let the command loop"},
      {"with_items: […]", " a step runs once; let the command loop"},
      {"register: NAME", " a command writes outputs as key=value into the file $DEPLOYER_OUTPUT"},
      {"become: true", " run `deployer` as the user that may do it"},
      {"become_user: NAME", " run `deployer` as the user that may do it"},
      {"delegate_to: HOST", " a step runs on this machine"},
      {"notify: HANDLER", " a step runs where it stands; `uses: restart` restarts services"},
      {"rescue: […]", "rollback: CMD"},
      {"block: […]", " a step has no steps of its own"},
      {"tags: […]", " steps are chosen by --only and --skip"},
      {"no_log: true", " name it under `secrets`: it is masked everywhere"},
      // Others
      {"script: CMD", "run: CMD"},
      {"shell_command: CMD", "run: CMD"},
      {"params: {…}", "with: {…}"},
      {"undo: CMD", "rollback: CMD"},
      {"allow_failure: true", "continue-on-error: true"},
      {"timeout_seconds: 30", "timeout: 30s"},
  };
  return words;
}

const std::vector<std::pair<std::string, std::string>>& later_input_words() {
  static const std::vector<std::pair<std::string, std::string>> words = {
      {"phase:", " `phase` is not in this version: every migration is applied where `migrate` stands"},
      {"hold:", " `hold` is not in this version: what a migration drops comes back from the backup"},
      {"while_stopped:", " `while_stopped` is not in this version: stop the service in a step before"},
      {"lock_wait:", " `lock_wait` is not in this version"},
      {"lock_wait_timeout:", " `lock_wait_timeout` is not in this version: give the step a timeout"},
      {"statement_timeout:", " `statement_timeout` is not in this version: give the step a timeout"},
      {"engine:", " `engine` is not in this version: the database says how it is backed up"},
      {"tables:", " `tables` is not in this version: a backup is the whole database"},
      {"releases:", " `releases` is not in this version"},
  };
  return words;
}

}  // namespace deployer
