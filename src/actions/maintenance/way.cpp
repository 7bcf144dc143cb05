#include "actions/maintenance/way.h"

namespace deployer {

void MaintenanceWay::forget(ActionContext& /*context*/, const Json& /*record*/) const {}

}  // namespace deployer
