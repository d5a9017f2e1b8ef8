// SPDX-License-Identifier: Apache-2.0
// Linked in place of k8s_client/audit_pace.cpp: a test cannot wait ten minutes for an audit.
#include "k8s_client/auditor.hpp"

namespace k8s_client {

const Clock::Duration Auditor::kInterval = std::chrono::seconds{2};
// Longer than any event of a busy test bed is on its way.
const Clock::Duration Auditor::kSettle = std::chrono::seconds{5};
const Clock::Duration Auditor::kRecheckDelay = std::chrono::milliseconds{100};

}  // namespace k8s_client
