// SPDX-License-Identifier: Apache-2.0
#include "router/telemetry/exposition.hpp"

#include "router/control/certificate_files.hpp"
#include "router/control/control_plane.hpp"
#include "router/errc.hpp"
#include "tests/support/metrics_text.hpp"

#include <array>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using namespace router::telemetry;
using router::Errc;

namespace {

constexpr std::chrono::steady_clock::time_point kNow{1h};

/// A router of two cores that has seen a bit of everything.
class Subject {
 public:
  Subject() {
    for (CoreMetrics& core : cores_) {
      ServiceMetrics& add = core.add_service("calc", "add", "80");
      add.requests.add(3);
      add.streams_open.add();
      add.requests_queued.add(5);
      add.upstream_connections[1].add(2);
      add.repicks.add();
      add.add_response({.success = true, .grpc_status = 0, .http_class = 2}, 1ms, 2ms);
      add.add_response({.success = false,
                        .grpc_status = 14,
                        .http_class = 2,
                        .reason = static_cast<std::uint8_t>(Errc::no_endpoints)},
                       0ns,
                       3s);
      core.figure(CoreFigure::client_connections).add(4);
      core.hit(Limit::repicks);
    }
    status.ready = true;
    status.generation = 7;
    status.services = 2;
    status.endpoints = {.ready = 5, .serving_terminating = 1, .not_ready = 2};
    status.watches.push_back({});
    status.watches.back().resource = "services";
    status.watches.back().synced = true;
    status.watches.back().watching = true;
    status.watches.back().last_contact_at = kNow - 1s;
    status.watches.back().last_event_at = kNow - 5s;
    status.watches.back().last_bookmark_at = kNow - 2s;
    status.watches.back().events = 9;
    status.watches.back().resource_version = "4711";
    status.saved_view = {
        .is_kept = true, .served_as_of = kNow - 42s, .saved_at = {}, .saves = 3, .failures = 1};
    status.dns.lookups = {7, 1, 3, 2};
    status.dns.names = {{.name = "api.example.com", .addresses = 2, .good_at = kNow - 30s},
                        {.name = "never.example.com"}};
    status.watches.back().audits = 4;
    status.watches.back().rechecks = 3;
    status.watches.back().rechecks_dropped = 4;
    status.watches.back().audit_differences = 2;
    status.config.present = true;
    status.config.valid = false;
    status.config.rejected = 2;
    status.config.last_applied_at = k8s_client::Clock::UtcTime{100s};
  }

  [[nodiscard]] std::string render() const {
    const std::array<const CoreMetrics*, 2> cores{&cores_[0], &cores_[1]};
    const ProcessFigures process{.resident_memory_bytes = 4'096};
    return render_metrics({.cores = cores,
                           .control = status,
                           .certificate = &certificate,
                           .process = process,
                           .now = kNow,
                           .version = "1.2.3"});
  }

  [[nodiscard]] double value(const std::string& name, const test::Labels& labels = {}) const {
    return test::sum_of(test::parse_metrics(render()), name, labels);
  }

  router::control::ControlStatus status;
  router::control::CertificateStatus certificate{
      .valid = true,
      .loaded = 2,
      .rejected = 1,
      .expires_at = std::chrono::system_clock::time_point{500s}};

 private:
  std::array<CoreMetrics, 2> cores_;
};

/// Names and types of the families, in the order of the page.
std::map<std::string, std::string> types_of(const std::string& page) {
  std::map<std::string, std::string> types;
  std::istringstream lines{page};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words{line};
    std::string hash;
    std::string keyword;
    std::string name;
    std::string type;
    if (words >> hash >> keyword >> name >> type && hash == "#" && keyword == "TYPE") {
      REQUIRE(types.emplace(name, type).second);  // a family stands on the page once
    }
  }
  return types;
}

std::string without_suffix(const std::string& name,
                           const std::map<std::string, std::string>& types) {
  for (const std::string suffix : {"_bucket", "_sum", "_count"}) {
    if (name.ends_with(suffix) && types.contains(name.substr(0, name.size() - suffix.size()))) {
      return name.substr(0, name.size() - suffix.size());
    }
  }
  return name;
}

std::string read_page(const std::string& path) {
  std::ifstream in{std::string{NODEWAY_SOURCE_DIR} + "/" + path};
  REQUIRE(in);
  return {std::istreambuf_iterator<char>{in}, {}};
}

}  // namespace

TEST_CASE("render_metrics: figures are summed over the cores", "[telemetry]") {
  const Subject subject;
  const test::Labels add{{"namespace", "calc"}, {"service", "add"}, {"port", "80"}};

  CHECK(subject.value("nodeway_requests_total", add) == 6);
  CHECK(subject.value("nodeway_streams_open", add) == 2);
  CHECK(subject.value("nodeway_requests_queued", add) == 10);
  CHECK(subject.value("nodeway_repicks_total", add) == 2);
  CHECK(subject.value("nodeway_upstream_connections", {{"service", "add"}, {"state", "open"}}) ==
        4);
  CHECK(subject.value("nodeway_client_connections_total") == 8);
  CHECK(subject.value("nodeway_limit_hits_total", {{"limit", "repicks"}}) == 2);
  CHECK(subject.value("nodeway_limit_hits_total", {{"limit", "write_stall"}}) == 0);
}

TEST_CASE("render_metrics: responses tell their outcome, statuses and reason", "[telemetry]") {
  const Subject subject;

  CHECK(
      subject.value(
          "nodeway_responses_total",
          {{"outcome", "success"}, {"grpc_status", "0"}, {"http_class", "2xx"}, {"reason", ""}}) ==
      2);
  CHECK(subject.value("nodeway_responses_total",
                      {{"outcome", "failure"},
                       {"grpc_status", "14"},
                       {"http_class", "2xx"},
                       {"reason", "no_endpoints"}}) == 2);
}

TEST_CASE("render_metrics: histograms are cumulative and end with all", "[telemetry]") {
  const Subject subject;
  const auto samples = test::parse_metrics(subject.render());
  std::vector<double> counts;
  for (const test::Sample& sample : samples) {
    if (sample.name == "nodeway_request_duration_seconds_bucket") {
      counts.push_back(sample.value);
    }
  }

  REQUIRE(counts.size() > 10);
  CHECK(std::is_sorted(counts.begin(), counts.end()));
  CHECK(counts.back() == 4);
  CHECK(subject.value("nodeway_request_duration_seconds_count") == 4);
  CHECK(subject.value("nodeway_request_duration_seconds_sum") == Approx(6.004));
  CHECK(subject.value("nodeway_request_duration_seconds_bucket", {{"le", "0.002"}}) == 2);
  CHECK(subject.value("nodeway_request_duration_seconds_bucket", {{"le", "2"}}) == 2);
  CHECK(subject.value("nodeway_request_duration_seconds_bucket", {{"le", "5"}}) == 4);
  CHECK(subject.value("nodeway_response_start_seconds_count") == 2);
}

TEST_CASE("render_metrics: tells how the watches, the configuration and the cluster are doing",
          "[telemetry]") {
  const Subject subject;

  CHECK(subject.value("nodeway_ready") == 1);
  CHECK(subject.value("nodeway_snapshot_generation") == 7);
  CHECK(subject.value("nodeway_endpoints", {{"state", "ready"}}) == 5);
  CHECK(subject.value("nodeway_endpoints", {{"state", "not_ready"}}) == 2);
  CHECK(subject.value("nodeway_watch_synced", {{"resource", "services"}}) == 1);
  CHECK(subject.value("nodeway_watch_open", {{"resource", "services"}}) == 1);
  CHECK(subject.value("nodeway_watch_last_contact_age_seconds", {{"resource", "services"}}) == 1);
  CHECK(subject.value("nodeway_watch_last_event_age_seconds", {{"resource", "services"}}) == 5);
  CHECK(subject.value("nodeway_watch_last_bookmark_age_seconds", {{"resource", "services"}}) == 2);
  CHECK(subject.value("nodeway_watch_events_total", {{"resource", "services"}}) == 9);
  CHECK(subject.value("nodeway_watch_resource_version", {{"resource", "services"}}) == 4711);
  CHECK(subject.value("nodeway_saved_view_served") == 1);
  CHECK(subject.value("nodeway_saved_view_age_seconds") == 42);
  CHECK(subject.value("nodeway_saved_view_writes_total") == 3);
  CHECK(subject.value("nodeway_saved_view_write_errors_total") == 1);
  CHECK(subject.value("nodeway_watch_audits_total", {{"resource", "services"}}) == 4);
  CHECK(subject.value("nodeway_watch_rechecks_total", {{"resource", "services"}}) == 3);
  CHECK(subject.value("nodeway_watch_rechecks_dropped_total", {{"resource", "services"}}) == 4);
  CHECK(subject.value("nodeway_watch_audit_differences_total", {{"resource", "services"}}) == 2);
  CHECK(subject.value("nodeway_config_valid") == 0);
  CHECK(subject.value("nodeway_config_rejected_total") == 2);
  CHECK(subject.value("nodeway_config_last_applied_timestamp_seconds") == 100);
  CHECK(subject.value("nodeway_build_info", {{"version", "1.2.3"}}) == 1);
  CHECK(subject.value("process_resident_memory_bytes") == 4'096);
}

TEST_CASE("render_metrics: a version that is no number is not told", "[telemetry]") {
  Subject subject;
  subject.status.watches.back().resource_version = GENERATE("", "12a", "abc");

  CHECK(subject.render().find("\nnodeway_watch_resource_version{") == std::string::npos);
}

TEST_CASE(
    "render_metrics: the age of a saved view is there while it is served, and all of it while one "
    "is kept",
    "[telemetry]") {
  Subject subject;
  subject.status.saved_view.served_as_of.reset();
  CHECK(subject.value("nodeway_saved_view_served") == 0);
  CHECK(subject.render().find("\nnodeway_saved_view_age_seconds") == std::string::npos);

  subject.status.saved_view.is_kept = false;
  CHECK(subject.render().find("nodeway_saved_view") == std::string::npos);
}

TEST_CASE("render_metrics: tells how DNS is doing, and what of each external name", "[telemetry]") {
  const Subject subject;

  CHECK(subject.value("nodeway_dns_names") == 2);
  CHECK(subject.value("nodeway_dns_lookups_total", {{"outcome", "answered"}}) == 7);
  CHECK(subject.value("nodeway_dns_lookups_total", {{"outcome", "empty"}}) == 1);
  CHECK(subject.value("nodeway_dns_lookups_total", {{"outcome", "failed"}}) == 3);
  CHECK(subject.value("nodeway_dns_lookups_total", {{"outcome", "partial"}}) == 2);
  CHECK(subject.value("nodeway_dns_addresses", {{"name", "api.example.com"}}) == 2);
  CHECK(subject.value("nodeway_dns_last_answer_age_seconds", {{"name", "api.example.com"}}) == 30);
  CHECK(subject.render().find("nodeway_dns_addresses{name=\"never.example.com\"} 0") !=
        std::string::npos);
  CHECK(subject.render().find("nodeway_dns_last_answer_age_seconds{name=\"never.example.com\"}") ==
        std::string::npos);
}

TEST_CASE("render_metrics: tells how the TLS listener's certificate is doing", "[telemetry]") {
  const Subject subject;

  CHECK(subject.value("nodeway_tls_certificate_valid") == 1);
  CHECK(subject.value("nodeway_tls_certificate_loaded_total") == 2);
  CHECK(subject.value("nodeway_tls_certificate_rejected_total") == 1);
  CHECK(subject.value("nodeway_tls_certificate_expiry_timestamp_seconds") == 500);
}

TEST_CASE("render_metrics: without a configuration the defaults are valid", "[telemetry]") {
  Subject subject;
  subject.status.config = {};
  CHECK(subject.value("nodeway_config_valid") == 0);  // it has not been looked for yet
  subject.status.config.valid = true;

  CHECK(subject.value("nodeway_config_valid") == 1);
}

TEST_CASE(
    "render_metrics: every sample belongs to a family with help and type, named as Prometheus asks",
    "[telemetry]") {
  const std::string page = Subject{}.render();
  const auto types = types_of(page);
  std::set<std::string> series;

  for (const test::Sample& sample : test::parse_metrics(page)) {
    const std::string family = without_suffix(sample.name, types);
    CAPTURE(sample.name);
    REQUIRE(types.contains(family));
    CHECK(page.find("# HELP " + family + " ") != std::string::npos);
    CHECK((family.starts_with("nodeway_") || family.starts_with("process_")));
    CHECK(family.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos);
    CHECK((types.at(family) == "counter") == family.ends_with("_total"));
    std::string key = sample.name;
    for (const auto& [name, value] : sample.labels) {
      key.append(",").append(name).append("=").append(value);
    }
    CHECK(series.insert(key).second);  // no series twice
  }
}

TEST_CASE("docs/metrics.md: lists exactly the names that are exposed, with their types",
          "[telemetry][docs]") {
  const auto types = types_of(Subject{}.render());
  const std::string text = read_page("docs/metrics.md");
  std::map<std::string, std::string> documented;
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words{line};
    std::string bar;
    std::string name;
    std::string type;
    // Rows of the tables of names: | `name` | type | labels | what |
    const bool is_row =
        words >> bar >> name >> bar >> type && name.size() > 2 && name.front() == '`';
    if (is_row && (name.starts_with("`nodeway_") || name.starts_with("`process_"))) {
      CHECK(documented.emplace(name.substr(1, name.size() - 2), type).second);
    }
  }

  CHECK(documented == types);
}
