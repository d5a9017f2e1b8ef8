// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/auditor.hpp"

namespace k8s_client {

const Clock::Duration Auditor::kInterval = std::chrono::minutes{10};
const Clock::Duration Auditor::kSettle = std::chrono::seconds{60};
const Clock::Duration Auditor::kRecheckDelay = std::chrono::seconds{10};

}  // namespace k8s_client
