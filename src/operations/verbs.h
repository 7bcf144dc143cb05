#pragma once

#include "operations/app.h"

namespace deployer {

// One function a verb of the table (table.cpp says what each request holds). Each throws Error.

Reply run_pipeline(App& app, const Json& request);
Reply validate_pipelines(App& app, const Json& request);
Reply recover_runs(App& app, const Json& request);

Reply list_runs(App& app, const Json& request);
Reply show_run(App& app, const Json& request);
Reply show_logs(App& app, const Json& request);
Reply list_locks(App& app, const Json& request);
Reply show_config(App& app, const Json& request);

}  // namespace deployer
