#pragma once

#include <string>

#include "operations/app.h"
#include "state/run_state.h"

namespace deployer {

// One function a verb of the table (table.cpp says what each request holds). Each throws Error.

Reply run_pipeline(App& app, const Json& request);
Reply validate_pipelines(App& app, const Json& request);
Reply recover_runs(App& app, const Json& request);

Reply show_migration_status(App& app, const Json& request);
Reply create_migration(App& app, const Json& request);
Reply upgrade_database(App& app, const Json& request);
Reply downgrade_database(App& app, const Json& request);
Reply rehearse_migrations(App& app, const Json& request);
Reply show_current(App& app, const Json& request);
Reply show_heads(App& app, const Json& request);
Reply show_history(App& app, const Json& request);
Reply check_upgrade(App& app, const Json& request);

Reply create_backup(App& app, const Json& request);
Reply list_backups(App& app, const Json& request);
Reply show_backup(App& app, const Json& request);
Reply verify_backups(App& app, const Json& request);
Reply drill_backup(App& app, const Json& request);
Reply restore_backup(App& app, const Json& request);

Reply list_runs(App& app, const Json& request);
Reply show_run(App& app, const Json& request);
Reply show_logs(App& app, const Json& request);
Reply list_locks(App& app, const Json& request);
Reply show_config(App& app, const Json& request);

/// What `upgrade`, `downgrade` and `restore` answer with --json; `done` is the message of a success.
Json migration_json(const RunState& state, const std::string& done);

}  // namespace deployer
