// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/admin/admin.hpp"
#include "router/telemetry/window.hpp"

#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace router::admin {

/// Parameters of a URL, by name; of repeated ones the last.
using Query = std::map<std::string, std::string>;

/// An answer of the admin endpoint.
struct Page {
  int status = 200;
  std::string content_type = "text/plain";
  std::string body;
};

/// Whether a peer's numeric address is one of this machine itself, also as IPv4 mapped into IPv6.
[[nodiscard]] bool is_loopback(std::string_view address);

/// What others than loopback peers get from /api.
[[nodiscard]] Page forbidden_page();

/// Makes the answers, without a socket. Any thread, several at once.
class Pages {
 public:
  explicit Pages(Subject subject);

  /// 200 once the cluster has been seen whole and until the drain begins, else 503 with the reason.
  /// With `verbose` one line for each part, `[-]` where it is not as it should be: a view of the
  /// cluster that may be stale is told so, and leaves it ready.
  [[nodiscard]] Page ready(const Query& query) const;
  [[nodiscard]] Page metrics() const;
  /// `window` (1m), `namespace` (all).
  [[nodiscard]] Page stat(const Query& query) const;
  /// `namespace` and `service` (all). Beside the rows, how many unused ones were left out, how
  /// fresh the view is, and the age of a saved view that is served.
  [[nodiscard]] Page endpoints(const Query& query) const;
  [[nodiscard]] Page config() const;
  [[nodiscard]] Page watches() const;

  /// Takes the totals of this moment into the window of `stat`. Called every
  /// `TrafficWindow::kStep`.
  void sample();

  [[nodiscard]] const Subject& subject() const noexcept { return subject_; }

 private:
  Subject subject_;
  mutable std::mutex mutex_;
  telemetry::TrafficWindow window_;  ///< guarded by `mutex_`
};

}  // namespace router::admin
