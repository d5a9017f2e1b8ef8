// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/cli/demo_report.hpp"
#include "router/cli/demo_stage.hpp"

#include <array>
#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace router::cli {

inline constexpr std::array<std::string_view, 5> kDemoServices{
    "add", "sub", "mult", "div", "percentage"};

/// Each caller calls once in so long, a random operation.
inline constexpr std::chrono::milliseconds kDemoPace{20};

struct DemoPod {
  DemoEndpoint endpoint;
  DemoProcess* process;  ///< the stage's
};

/// The load over both protocols, at work.
struct DemoLoad {
  DemoProcess* grpc;  ///< the stage's, both
  DemoProcess* http;
};

/// Who plays in the demo: the router, the pods by name, and the load generators. `stage` outlives
/// it.
class DemoCast {
 public:
  /// `self` is `nodeway`, `calculator` is `nodeway-calculator`; each load has so many `callers`.
  DemoCast(DemoStage& stage, std::string self, std::string calculator, unsigned callers);

  /// Starts the router on the stage's folder and waits until it is ready.
  void start_router();
  [[nodiscard]] const std::string& listen() const noexcept { return listen_; }
  [[nodiscard]] std::string admin_url() const { return "http://" + admin_; }
  /// Asks the router to drain and waits; its exit code, -1 if it did not end.
  int stop_router();

  /// Starts the pods and waits until all listen. `percentage` calls the others through the router.
  /// They are in no slice yet.
  void start_pods(const std::string& service, const std::vector<std::string>& names);
  /// The same for `percentage` that calls the two pods directly.
  void start_straight_percentage(const std::string& name, const DemoPod& mult, const DemoPod& div);
  [[nodiscard]] DemoPod& pod(const std::string& name) { return pods_.at(name); }
  void forget_pod(const std::string& name);

  /// Each service called at its first pod alone, over one connection.
  DemoLoad start_straight_load();
  /// All services called at the router, over one connection for gRPC.
  DemoLoad start_load();
  /// Ends a load and takes what it has to say. Throws `std::runtime_error` if it says nothing.
  PhaseReport end(const DemoLoad& load);

  /// What is told of how to call the router by hand.
  [[nodiscard]] std::string load_command() const;

 private:
  void start_pod(const std::string& service,
                 const std::string& name,
                 const std::vector<std::string>& flags);
  void await_ports(const std::string& name);
  DemoLoad start_load(const std::vector<std::string>& grpc_flags,
                      const std::vector<std::string>& http_flags);

  DemoStage& stage_;
  const std::string self_;
  const std::string calculator_;
  const unsigned callers_;
  DemoProcess* router_ = nullptr;
  std::string listen_;
  std::string admin_;
  std::map<std::string, DemoPod> pods_;
  unsigned loads_ = 0;  // started so far
};

}  // namespace router::cli
