// SPDX-License-Identifier: Apache-2.0
// Replays random histories of a cluster against a model that knows no history: after any sequence
// of events, the snapshot must be the one that the objects there are at that moment give.
#include "router/control/builder.hpp"
#include "tests/router/control/kube_objects.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <catch2/catch.hpp>
#include <fmt/format.h>

using namespace router;
using namespace router::control;
using k8s_client::AddressType;
using k8s_client::EndpointSlice;
using k8s_client::ObjectKey;

namespace {

constexpr int kEvents = 200;

/// What a Service port must look like, in one line.
std::string line(const std::string& service,
                 std::uint16_t port,
                 const std::string& port_name,
                 std::uint32_t known,
                 bool only_local,
                 const std::vector<std::string>& endpoints) {
  return fmt::format("{}:{} '{}' known {}{} [{}]\n",
                     service,
                     port,
                     port_name,
                     known,
                     only_local ? " local" : "",
                     fmt::join(endpoints, " "));
}

const std::string kHere = "node-1";

/// The objects of the cluster at one moment, and the rules of docs/configuration.md read literally.
struct Model {
  std::map<ObjectKey, k8s_client::Service> services;
  std::map<ObjectKey, EndpointSlice> slices;
  std::string zone;  // of this node

  struct Candidate {
    boost::asio::ip::address address;
    std::uint16_t port;
    std::string pod;
    int rank;  // 2 ready, 1 serving though terminating, 0 neither
    k8s_client::SliceEndpoint from;
  };

  static int rank(const k8s_client::EndpointConditions& c) {
    const bool ready = c.ready.value_or(true);
    const bool serving = c.serving.value_or(ready);
    if (ready) {
      return 2;
    }
    return serving && c.terminating.value_or(false) ? 1 : 0;
  }

  [[nodiscard]] std::vector<Candidate> candidates(const k8s_client::Service& service,
                                                  const std::string& port_name,
                                                  AddressType family) const {
    std::vector<Candidate> all;
    for (const auto& [key, slice] : slices) {  // in the order of their names
      const bool is_own = key.ns == service.meta.key.ns &&
                          slice.service_name == service.meta.key.name &&
                          (slice.service_uid.empty() || slice.service_uid == service.meta.uid);
      if (!is_own || slice.address_type != family) {
        continue;
      }
      for (const k8s_client::SlicePort& port : slice.ports) {
        if (port.name != port_name || port.protocol != k8s_client::Protocol::tcp || !port.port) {
          continue;
        }
        for (const k8s_client::SliceEndpoint& endpoint : slice.endpoints) {
          boost::system::error_code failed;
          const auto address = boost::asio::ip::make_address(endpoint.addresses.at(0), failed);
          if (!failed) {
            merge(all,
                  {address, *port.port, endpoint.target_name, rank(endpoint.conditions), endpoint});
          }
        }
        break;  // the first port of that name
      }
    }
    return all;
  }

  static void merge(std::vector<Candidate>& all, const Candidate& one) {
    for (Candidate& other : all) {
      if (other.address == one.address && other.port == one.port) {
        if (one.rank > other.rank) {
          other = one;
        }
        return;
      }
    }
    all.push_back(one);
  }

  using Candidates = std::vector<Candidate>;

  static Candidates of_rank(const Candidates& all, int rank) {
    Candidates some;
    std::copy_if(all.begin(), all.end(), std::back_inserter(some), [rank](const Candidate& one) {
      return one.rank == rank;
    });
    return some;
  }

  /// kube-proxy's rules for `internalTrafficPolicy: Local`.
  static Candidates chosen_here(Candidates all) {
    std::erase_if(all, [](const Candidate& one) { return one.from.node_name != kHere; });
    const Candidates ready = of_rank(all, 2);
    return ready.empty() ? of_rank(all, 1) : ready;
  }

  /// Its rules for all others: hints for nodes, hints for zones, all that are ready, and at last
  /// those that terminate.
  [[nodiscard]] Candidates chosen_anywhere(const Candidates& all) const {
    const Candidates ready = of_rank(all, 2);
    if (ready.empty()) {
      return of_rank(all, 1);
    }
    const Candidates for_node = hinted(ready, &k8s_client::SliceEndpoint::hint_nodes, kHere);
    const Candidates for_zone = hinted(ready, &k8s_client::SliceEndpoint::hint_zones, zone);
    return !for_node.empty() ? for_node : !for_zone.empty() ? for_zone : ready;
  }

  /// None unless each has hints.
  static Candidates hinted(const Candidates& ready,
                           std::vector<std::string> k8s_client::SliceEndpoint::*hints,
                           const std::string& here) {
    Candidates some;
    for (const Candidate& one : ready) {
      const std::vector<std::string>& names = one.from.*hints;
      if (names.empty()) {
        return {};
      }
      if (!here.empty() && std::find(names.begin(), names.end(), here) != names.end()) {
        some.push_back(one);
      }
    }
    return some;
  }

  [[nodiscard]] std::string port_line(const k8s_client::Service& service,
                                      const k8s_client::ServicePort& port) const {
    const bool prefers_v6 =
        !service.ip_families.empty() && service.ip_families.front() == k8s_client::IpFamily::ipv6;
    std::vector<Candidate> all =
        candidates(service, port.name, prefers_v6 ? AddressType::ipv6 : AddressType::ipv4);
    if (all.empty()) {
      all = candidates(service, port.name, prefers_v6 ? AddressType::ipv4 : AddressType::ipv6);
    }
    std::sort(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) {
      return std::tie(a.address, a.port) < std::tie(b.address, b.port);
    });
    const bool is_local =
        service.internal_traffic_policy == k8s_client::TrafficPolicy::local && !service.headless;
    std::vector<std::string> chosen;
    for (const Candidate& one : is_local ? chosen_here(all) : chosen_anywhere(all)) {
      chosen.push_back(fmt::format(
          "{}/{}@{}on{}", one.address.to_string(), one.port, one.pod, one.from.node_name));
    }
    return line(service.meta.key.name + "." + service.meta.key.ns,
                port.port,
                port.name,
                static_cast<std::uint32_t>(all.size()),
                is_local,
                chosen);
  }

  [[nodiscard]] std::string text() const {
    std::set<std::string> lines;
    for (const auto& [key, service] : services) {
      if (service.type == k8s_client::ServiceType::external_name) {
        continue;
      }
      lines.insert(key.name + "." + key.ns + (service.headless ? " headless\n" : "\n"));
      for (const k8s_client::ServicePort& port : service.ports) {
        if (port.protocol == k8s_client::Protocol::tcp) {
          lines.insert(port_line(service, port));
        }
      }
    }
    return fmt::format("{}", fmt::join(lines, ""));
  }
};

std::string text_of(const Snapshot& snapshot) {
  std::set<std::string> lines;
  for (const auto& [name, service] : snapshot.services) {
    lines.insert(name + (service->headless ? " headless\n" : "\n"));
    for (const ServicePort& port : service->ports) {
      std::vector<std::string> endpoints;
      for (const Endpoint& endpoint : port.endpoints) {
        endpoints.push_back(fmt::format("{}/{}@{}on{}",
                                        endpoint.address.address().to_string(),
                                        endpoint.address.port(),
                                        endpoint.pod,
                                        endpoint.node));
      }
      lines.insert(
          line(name, port.number, port.name, port.endpoints_known, port.only_local, endpoints));
    }
  }
  return fmt::format("{}", fmt::join(lines, ""));
}

/// Makes up the next event.
class Chance {
 public:
  explicit Chance(unsigned seed) : rng_{seed} {}

  int below(int n) { return std::uniform_int_distribution<int>{0, n - 1}(rng_); }
  bool one_in(int n) { return below(n) == 0; }

  template <class T, std::size_t N>
  const T& any(const std::array<T, N>& of) {
    return of.at(static_cast<std::size_t>(below(static_cast<int>(N))));
  }

  ObjectKey service_key() { return {any(kNamespaces), any(kServices)}; }
  ObjectKey slice_key() { return {any(kNamespaces), any(kSlices)}; }

  k8s_client::Service service(const ObjectKey& key) {
    k8s_client::Service result;
    result.meta.key = key;
    result.meta.uid = any(kUids);  // another uid: deleted and made again, unseen
    if (one_in(10)) {
      result.type = k8s_client::ServiceType::external_name;
    }
    if (one_in(2)) {
      result.ip_families = {one_in(2) ? k8s_client::IpFamily::ipv6 : k8s_client::IpFamily::ipv4};
    }
    if (one_in(4)) {
      result.internal_traffic_policy = k8s_client::TrafficPolicy::local;
    }
    result.headless = one_in(5);
    std::uint16_t number = 80;
    for (const std::string& name : kPortNames) {
      if (!one_in(3)) {
        result.ports.push_back(test::service_port(number++, name));
        result.ports.back().protocol = protocol();
      }
    }
    return result;
  }

  EndpointSlice slice(const ObjectKey& key) {
    EndpointSlice result;
    result.meta.key = key;
    result.service_name = one_in(10) ? "" : any(kServices);
    result.service_uid = one_in(3) ? "" : any(kUids);
    const int type = below(10);
    result.address_type = type < 6   ? AddressType::ipv4
                          : type < 9 ? AddressType::ipv6
                                     : AddressType::fqdn;
    for (const std::string& name : kPortNames) {
      if (!one_in(4)) {
        result.ports.push_back(test::slice_port(static_cast<std::uint16_t>(8080 + below(2)), name));
        result.ports.back().protocol = protocol();
        if (one_in(12)) {
          result.ports.back().port.reset();
        }
      }
    }
    const Hinting hinting{.nodes = one_in(3), .zones = one_in(2)};
    for (int i = below(5); i > 0; --i) {
      result.endpoints.push_back(endpoint(result.address_type));
      hint(result.endpoints.back(), hinting);
    }
    return result;
  }

  std::string zone() { return any(kZones); }

 private:
  static inline const std::array<std::string, 2> kNamespaces{"shop", "ml"};
  static inline const std::array<std::string, 3> kServices{"cart", "till", "predict"};
  static inline const std::array<std::string, 5> kSlices{"s1", "s2", "s3", "s4", "s5"};
  static inline const std::array<std::string, 3> kPortNames{"", "grpc", "http"};
  static inline const std::array<std::string, 2> kUids{"uid-1", "uid-2"};
  static inline const std::array<std::string, 3> kNodes{"", kHere, "node-2"};
  static inline const std::array<std::string, 3> kZones{"", "zone-a", "zone-b"};

  k8s_client::Protocol protocol() {
    return one_in(6) ? k8s_client::Protocol::udp : k8s_client::Protocol::tcp;
  }

  /// Whether a slice's endpoints have hints, of which some are missing nevertheless.
  struct Hinting {
    bool nodes;
    bool zones;
  };

  void hint(k8s_client::SliceEndpoint& endpoint, Hinting hinting) {
    endpoint.node_name = any(kNodes);
    if (hinting.nodes && !one_in(20)) {
      endpoint.hint_nodes = {any(kNodes)};
    }
    if (hinting.zones && !one_in(20)) {
      endpoint.hint_zones = {any(kZones), any(kZones)};
    }
  }

  std::optional<bool> condition() {
    const int value = below(3);
    return value == 2 ? std::nullopt : std::optional{value == 1};
  }

  k8s_client::SliceEndpoint endpoint(AddressType type) {
    const int host = 1 + below(4);
    std::string address =
        type == AddressType::ipv4 ? fmt::format("10.0.0.{}", host) : fmt::format("fd00::{}", host);
    if (type == AddressType::fqdn || one_in(20)) {
      address = "host.example";
    }
    k8s_client::SliceEndpoint result = test::endpoint(address);
    result.conditions = {.ready = condition(), .serving = condition(), .terminating = condition()};
    result.target_name = fmt::format("pod-{}", below(9));
    return result;
  }

  std::mt19937 rng_;
};

/// Lets one event happen to both.
void happen(Chance& chance, Model& model, Builder& builder) {
  if (chance.one_in(50)) {
    model.zone = chance.zone();
    builder.set_zone(model.zone);
    return;
  }
  const bool is_deletion = chance.one_in(3);
  if (chance.one_in(3)) {
    const ObjectKey key = chance.service_key();
    model.services.erase(key);
    if (is_deletion) {
      builder.set_service(key, nullptr);
      return;
    }
    const k8s_client::Service& made = model.services[key] = chance.service(key);
    builder.set_service(key, std::make_shared<const k8s_client::Service>(made));
    return;
  }
  const ObjectKey key = chance.slice_key();
  model.slices.erase(key);
  if (is_deletion) {
    builder.set_slice(key, nullptr);
    return;
  }
  const EndpointSlice& made = model.slices[key] = chance.slice(key);
  builder.set_slice(key, std::make_shared<const EndpointSlice>(made));
}

/// Every port keeps the id that it got first, and ids have no gaps.
class IdCheck {
 public:
  [[nodiscard]] bool holds(const Snapshot& snapshot) {
    for (const auto& [name, service] : snapshot.services) {
      for (const ServicePort& port : service->ports) {
        const auto [known, is_new] = ids_.emplace(std::pair{name, port.number}, port.id);
        used_.insert(port.id);
        if (known->second != port.id) {
          return false;
        }
      }
    }
    // Ids that were given out between two snapshots may not have been seen; 6 Services of 3 ports.
    return used_.size() == ids_.size() && (used_.empty() || *used_.rbegin() < 18);
  }

 private:
  std::map<std::pair<std::string, std::uint16_t>, ClusterId> ids_;
  std::set<ClusterId> used_;
};

}  // namespace

TEST_CASE("Builder: any history ends in what the objects of the moment give",
          "[builder][property]") {
  const auto seed = GENERATE(range(1U, 301U));
  CAPTURE(seed);
  Chance chance{seed};
  Model model;
  Builder builder{kHere};
  IdCheck ids;
  std::optional<std::string> last;

  for (int event = 0; event < kEvents; ++event) {
    CAPTURE(event);
    happen(chance, model, builder);
    if (!chance.one_in(5) && event != kEvents - 1) {
      continue;  // several changes go into one snapshot
    }
    const SnapshotPtr snapshot = builder.build();
    const std::string expected = model.text();

    REQUIRE(static_cast<bool>(snapshot) == (last != expected));  // published if and only if needed
    if (snapshot) {
      REQUIRE(text_of(*snapshot) == expected);
      REQUIRE(ids.holds(*snapshot));
      last = expected;
    }
  }
}
