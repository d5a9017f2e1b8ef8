// SPDX-License-Identifier: Apache-2.0
#include "router/cli/demo_phases.hpp"

#include "router/admin/rows.hpp"
#include "router/cli/admin_client.hpp"
#include "router/cli/stat.hpp"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace router::cli {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kPlayTime = 20s;  // of the phases, where no duration is given and that is enough
constexpr auto kShortest = 5s;   // a phase must outlast the start of its processes
constexpr double kThroughShare = 0.35;  // of the time, for the phase by which sharing is judged
constexpr auto kPodEnd = 15s;           // a pod lingers 1 s and closes idle connections after 0.5 s

constexpr auto kNews = 10s;  // for the router to read the folder
constexpr auto kLook = 20ms;

constexpr std::string_view kGrowing = "add";
constexpr std::string_view kShrinking = "mult";

template <class... Arguments>
void say(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::print(format, std::forward<Arguments>(arguments)...);
  std::fflush(stdout);
}

struct Progress {
  double elapsed_s = 0;
  std::uint64_t calls = 0;
  std::uint64_t failed = 0;
};

Progress progress_of(const DemoProcess& load) {
  const std::string_view text = load.line("progress");
  if (text.empty()) {
    return {};
  }
  const nlohmann::json line = nlohmann::json::parse(text);
  return {.elapsed_s = line.at("elapsed_s").get<double>(),
          .calls = line.at("calls").get<std::uint64_t>(),
          .failed = line.at("failed").get<std::uint64_t>()};
}

/// When the pod was first called, by the clock that all processes of the machine share.
std::optional<Clock::time_point> first_call_of(const DemoPod& pod) {
  const std::string_view line = pod.process->line("first_call");
  if (line.empty()) {
    return std::nullopt;
  }
  return Clock::time_point{
      std::chrono::nanoseconds{nlohmann::json::parse(line).at("monotonic_ns").get<std::int64_t>()}};
}

std::vector<admin::StatRow> stat_of(const std::string& admin_url) {
  const auto answer =
      ask_admin(admin_url,
                "/api/v1/stat",
                {{"window", "1m"}, {"namespace", std::string{DemoFolder::kNamespace}}});
  if (const auto* failed = std::get_if<NoAnswer>(&answer)) {
    throw std::runtime_error{failed->line};
  }
  return nlohmann::json::parse(std::get<std::string>(answer)).get<admin::Stat>().rows;
}

}  // namespace

DemoPhases::DemoPhases(DemoOptions options, DemoStage& stage, DemoCast cast)
    : options_{std::move(options)},
      stage_{stage},
      cast_{std::move(cast)},
      is_terminal_{isatty(STDOUT_FILENO) != 0} {}

std::vector<std::string> DemoPhases::play() {
  using Phase = void (DemoPhases::*)();
  for (const Phase phase : {&DemoPhases::set_up,
                            &DemoPhases::run_straight,
                            &DemoPhases::run_through,
                            &DemoPhases::add_pod,
                            &DemoPhases::stop_pod,
                            &DemoPhases::sum_up}) {
    (this->*phase)();
    if (stage_.is_interrupted()) {
      say("\ninterrupted\n");
      untrue_.emplace_back("the demo was interrupted before its end");
      return untrue_;
    }
  }
  if (!options_.duration) {
    play_freely();
  }
  const int code = cast_.stop_router();
  expect(code == 0, fmt::format("nodeway drained and ended with {}, not 0", code));
  return untrue_;
}

void DemoPhases::set_up() {
  say("nodeway demo: the calculator, {} services of {} pods, on loopback\n",
      kDemoServices.size(),
      options_.pods);
  for (const std::string_view service : kDemoServices) {
    stage_.folder().add_service(std::string{service});
  }
  cast_.start_router();
  for (const std::string service : {"add", "sub", "mult", "div"}) {
    cast_.start_pods(service, pod_names(service, options_.pods));
  }
  if (!stage_.is_interrupted()) {
    cast_.start_straight_percentage("percentage-1", cast_.pod("mult-1"), cast_.pod("div-1"));
  }
}

void DemoPhases::run_straight() {
  say("\n1 STRAIGHT: one connection to each service, which a connection balancer gives to one "
      "pod\n");
  const DemoLoad load = cast_.start_straight_load();
  watch(load, 0.18);
  straight_ = cast_.end(load);
  expect(straight_.failed() == 0,
         fmt::format(
             "{} calls failed without nodeway\n{}", straight_.failed(), failure_list(straight_)));
  cast_.forget_pod("percentage-1");
}

void DemoPhases::run_through() {
  say("\n2 THROUGH NODEWAY: the same load, one connection to {}, a pod chosen for each request\n",
      cast_.listen());
  cast_.start_pods("percentage", pod_names("percentage", options_.pods));
  for (const std::string_view service : kDemoServices) {
    for (const std::string& pod : pod_names(std::string{service}, pods_in_slices())) {
      stage_.folder().add_ready(cast_.pod(pod).endpoint);
    }
  }
  for (const std::string_view service : kDemoServices) {
    await_endpoints(service, pods_in_slices());
  }
  const DemoLoad load = cast_.start_load();
  watch(load, kThroughShare);
  through_ = cast_.end(load);
  expect(through_.failed() == 0,
         fmt::format(
             "{} calls failed through nodeway\n{}", through_.failed(), failure_list(through_)));
  for (std::string& line : unshared(through_, options_.pods)) {
    expect(false, std::move(line));
  }
}

unsigned DemoPhases::pods_in_slices() const {
  return options_.broken == "share" ? 1 : options_.pods;
}

void DemoPhases::await_endpoints(std::string_view service, unsigned count) {
  const auto is_known = [&] {
    const std::vector<admin::StatRow> rows = stat_of(cast_.admin_url());
    return std::any_of(rows.begin(), rows.end(), [&](const admin::StatRow& row) {
      return row.name == service && row.endpoints_total == count;
    });
  };
  const Clock::time_point until = Clock::now() + kNews;
  while (!is_known() && !stage_.is_interrupted()) {
    if (Clock::now() > until) {
      throw std::runtime_error{
          fmt::format("nodeway does not see the {} pods of {} in its folder", count, service)};
    }
    stage_.wait(kLook, [] { return false; });
  }
}

void DemoPhases::add_pod() {
  const std::string name = fmt::format("{}-{}", kGrowing, options_.pods + 1);
  say("\n3 A POD IS ADDED UNDER LOAD: {}\n", name);
  load_ = cast_.start_load();
  watch(load_, 0.05);
  cast_.start_pods(std::string{kGrowing}, {name});
  if (stage_.is_interrupted()) {
    return;
  }
  const DemoPod& pod = cast_.pod(name);
  const Clock::time_point added_at = Clock::now();
  stage_.folder().add_ready(pod.endpoint);
  watch(load_, 0.12);
  const auto first_call = first_call_of(pod);
  expect(first_call.has_value(), name + " was added and got no request");
  if (first_call) {
    say("  {} got its first request {:.1f} ms after it was written into the EndpointSlice\n",
        name,
        std::chrono::duration<double, std::milli>(*first_call - added_at).count());
  }
}

void DemoPhases::stop_pod() {
  const std::string name = fmt::format("{}-1", kShrinking);
  DemoPod& pod = cast_.pod(name);
  pod.process->may_end = true;
  say("\n4 A POD IS STOPPED UNDER LOAD: {}\n", name);
  if (options_.broken == "lose") {
    hang_and_kill(pod);
  } else {
    stage_.folder().mark_terminating(pod.endpoint);
    pod.process->child.signal(SIGTERM);
  }
  watch(load_, 0.22);
  stage_.wait(kPodEnd, [&] { return pod.process->child.stdout_fd() < 0; });
  const int code = pod.process->child.wait_for(1s).value_or(-1);
  stage_.folder().remove(name);
  await_endpoints(kShrinking, pods_in_slices() - 1);
  const std::string_view stopped = pod.process->line("stopped");
  if (!stopped.empty()) {
    const nlohmann::json line = nlohmann::json::parse(stopped);
    say("  {} had answered {} calls, {} more were in flight when it was told to stop; it left with "
        "{}\n",
        name,
        line.at("calls").get<std::uint64_t>() -
            line.at("in_flight_at_shutdown").get<std::uint64_t>(),
        line.at("in_flight_at_shutdown").get<std::uint64_t>(),
        code);
  }
  expect(code == 0, fmt::format("{} ended with {}, not 0", name, code));
}

/// What no router can hide: calls that are in a pod when it dies. It hangs first, so that there are
/// some.
void DemoPhases::hang_and_kill(DemoPod& pod) {
  pod.process->child.signal(SIGSTOP);
  stage_.wait(500ms, [] { return false; });
  pod.process->child.signal(SIGKILL);
}

void DemoPhases::sum_up() {
  const std::string stat = format_stat(stat_of(cast_.admin_url()));
  const PhaseReport last = cast_.end(load_);
  say("  lost while pods came and went: {} of {} calls\n",
      last.failed(),
      last.grpc.all.calls + last.http.all.calls);
  expect(last.failed() == 0,
         fmt::format("{} calls were lost\n{}", last.failed(), failure_list(last)));
  say("\n{}\n{}\nnodeway stat -n {}\n{}",
      share_chart(straight_, through_, options_.pods),
      latency_table(straight_, through_),
      DemoFolder::kNamespace,
      stat);
  say("  (divisions by zero are INVALID_ARGUMENT: no success, but nothing lost)\n");
}

void DemoPhases::play_freely() {
  say("\nThe load goes on; Ctrl-C ends it. To try meanwhile:\n"
      "  nodeway stat --admin {0} -n {1} --watch\n"
      "  nodeway endpoints --admin {0} -n {1}\n"
      "  curl {0}/metrics\n"
      "  {2}\n"
      "  edit or delete a file in {3}\n\n",
      cast_.admin_url(),
      DemoFolder::kNamespace,
      cast_.load_command(),
      stage_.folder().cluster().string());
  const DemoLoad load = cast_.start_load();
  while (!stage_.is_interrupted()) {
    watch(load, 1);
  }
  cast_.end(load);
}

void DemoPhases::watch(const DemoLoad& load, double share_of_time) {
  double shown_at = 0;
  stage_.wait(part(share_of_time), [&] {
    const Progress grpc = progress_of(*load.grpc);
    const Progress http = progress_of(*load.http);
    // Both report each second; a line comes when the later one has.
    const double elapsed_s = std::floor(std::min(grpc.elapsed_s, http.elapsed_s));
    if (elapsed_s > shown_at) {
      shown_at = elapsed_s;
      say("{}  {:4.0f} s  gRPC {:6} calls  HTTP {:6} calls  failed {}{}",
          is_terminal_ ? "\r" : "",
          elapsed_s,
          grpc.calls,
          http.calls,
          grpc.failed + http.failed,
          is_terminal_ ? "" : "\n");
    }
    return false;
  });
  if (is_terminal_ && shown_at > 0) {
    say("\n");
  }
}

std::chrono::milliseconds DemoPhases::part(double share_of_time) const {
  const std::chrono::milliseconds whole = options_.duration.value_or(
      std::max<std::chrono::seconds>(kPlayTime, least_duration(options_)));
  return std::chrono::duration_cast<std::chrono::milliseconds>(whole * share_of_time);
}

std::chrono::seconds DemoPhases::least_duration(const DemoOptions& options) {
  // Percentage calls two services more, which is left out: it only adds.
  const double calls = double{kCallsToJudgeBy} * options.pods * kDemoServices.size();
  const auto phase = kDemoPace * (calls / options.callers);
  return std::max<std::chrono::seconds>(
      kShortest, std::chrono::ceil<std::chrono::seconds>(phase / kThroughShare));
}

void DemoPhases::expect(bool holds, std::string otherwise) {
  if (!holds) {
    untrue_.push_back(std::move(otherwise));
  }
}

}  // namespace router::cli
