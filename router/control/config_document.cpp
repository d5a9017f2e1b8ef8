// SPDX-License-Identifier: Apache-2.0
#include "router/control/config_document.hpp"

#include "router/control/config_reader.hpp"
#include "router/control/config_values.hpp"
#include "router/control/identifier_reader.hpp"
#include "router/control/policy_reader.hpp"
#include "router/control/yaml_tree.hpp"
#include "router/resolve/dns_name.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace router::control {
namespace {

using Place = FieldReader::Place;
using Field = FieldReader::Field;

constexpr std::uint32_t kVersion = 1;

constexpr std::string_view kNodePods = "node-pods";
constexpr std::string_view kLoopback = "loopback";

/// Reads the fields of the document into a ConfigDocument.
class DocumentReader {
 public:
  explicit DocumentReader(FieldReader& reader) : reader_{reader} {}

  [[nodiscard]] ConfigDocument read(const YamlNode& root) {
    const Place place{.node = root, .path = ""};
    const std::array fields{
        Field{"version", [this](const Place& value) { version(value); }},
        Field{"defaultNamespace", [this](const Place& value) { default_namespace(value); }},
        Field{"clusterDomain", [this](const Place& value) { cluster_domain(value); }},
        Field{"identifiers",
              [this](const Place& value) {
                read_identifiers(value, reader_, document_.identifiers);
              }},
        Field{"callers", [this](const Place& value) { callers(value); }},
        Field{"externalNames", [this](const Place& value) { external_names(value); }},
        Field{"defaults",
              [this](const Place& value) { read_policy(value, reader_, document_.defaults); }},
        Field{"services", [this](const Place& value) { services(value); }},
    };
    reader_.fields(place, fields);
    const bool could_have = root.kind == YamlNode::Kind::map || root.kind == YamlNode::Kind::null;
    if (!has_version_ && could_have) {
      reader_.fail(root.place, "version", fmt::format("is missing; {} is expected", kVersion));
    }
    return std::move(document_);
  }

 private:
  void version(const Place& value) {
    has_version_ = value.node.kind != YamlNode::Kind::null;
    reader_.constant(value, kVersion, "this version is not known");
  }

  void default_namespace(const Place& value) {
    if (std::optional<std::string> name = reader_.text(value)) {
      if (!is_dns_label(*name)) {
        reader_.fail(value.node.place, value.path, quoted(*name) + " is no name of a namespace");
      }
      document_.default_namespace = std::move(*name);
    }
  }

  void cluster_domain(const Place& value) {
    if (std::optional<std::string> domain = reader_.text(value)) {
      const std::vector<std::string_view> labels = split(*domain, '.');
      if (domain->size() > kMaxClusterDomainBytes ||
          !std::all_of(labels.begin(), labels.end(), is_dns_label)) {
        reader_.fail(value.node.place,
                     value.path,
                     quoted(*domain) + " is no domain's name such as cluster.local");
      }
      document_.cluster_domain = std::move(*domain);
    }
  }

  void callers(const Place& value) {
    const std::array fields{Field{"allow", [this](const Place& list) { allow(list); }}};
    reader_.fields(value, fields);
  }

  void allow(const Place& list) {
    if (list.node.kind == YamlNode::Kind::sequence) {
      document_.callers = {.node_pods = false, .loopback = false, .ranges = {}};
    }
    reader_.items(list, [this](const Place& item) {
      const std::optional<std::string> text = reader_.text(item);
      if (!text) {
        return;
      }
      CallersAllowed& callers = document_.callers;
      if (*text == kNodePods) {
        callers.node_pods = true;
      } else if (*text == kLoopback) {
        callers.loopback = true;
      } else if (const std::optional<AddressRange> range = parse_range(*text)) {
        callers.ranges.push_back(*range);
      } else {
        reader_.fail(item.node.place,
                     item.path,
                     fmt::format("{} is neither {}, {} nor a range of addresses such as 10.0.0.0/8",
                                 quoted(*text),
                                 kNodePods,
                                 kLoopback));
      }
    });
  }

  void external_names(const Place& list) {
    reader_.items(list, [this](const Place& item) {
      const std::optional<std::string> text = reader_.text(item);
      if (!text) {
        return;
      }
      const std::optional<ExternalName> name = parse_external_name(*text);
      if (name) {
        document_.external_names[name->name].insert(name->port);
      } else {
        reader_.fail(item.node.place,
                     item.path,
                     quoted(*text) +
                         " is neither a DNS name of several labels, such as "
                         "api.example.com, nor one with a port");
      }
    });
    if (list.node.items.size() > kMaxExternalNames) {
      reader_.fail(
          list.node.place,
          list.path,
          fmt::format("has {} items, {} are allowed", list.node.items.size(), kMaxExternalNames));
    }
  }

  void services(const Place& value) {
    reader_.members(value, [this](const YamlMember& member, const Place& entry) {
      ServiceKey key = parse_service_key(member.key);
      if (!key.problem.empty()) {
        reader_.fail(member.place, entry.path, quoted(member.key) + " " + key.problem);
      }
      read_policy(entry,
                  reader_,
                  key.port ? document_.service_ports[{std::move(key.service), *key.port}]
                           : document_.services[std::move(key.service)]);
    });
  }

  FieldReader& reader_;
  ConfigDocument document_;
  bool has_version_ = false;
};

ParsedConfig refused(TextPlace place, std::string message) {
  return {
      .document = {},
      .errors = {
          {.line = place.line, .column = place.column, .message = std::move(message), .path = ""}}};
}

template <class Value>
void lay_over(Value& value, const std::optional<Value>& narrower) {
  if (narrower) {
    value = *narrower;
  }
}

/// A time of 0 is none at all.
void lay_over_limit(std::optional<Nanoseconds>& value, const std::optional<Nanoseconds>& narrower) {
  if (narrower) {
    value = *narrower == Nanoseconds{0} ? std::nullopt : narrower;
  }
}

void lay_over(RetryPolicy& policy, const RetryOverrides& narrower) {
  lay_over(policy.limit, narrower.limit);
  lay_over(policy.idempotent, narrower.idempotent);
  lay_over(policy.conditions, narrower.conditions);
  lay_over(policy.budget.ratio, narrower.budget_ratio);
  lay_over(policy.budget.min_per_second, narrower.budget_min_per_second);
  lay_over(policy.budget.window, narrower.budget_window);
  if (narrower.hedging) {
    policy.hedging = narrower.hedging->when;
    policy.hedging_delay = narrower.hedging->delay;
  }
}

/// Calls `use` for each level that says something of that Service port, the widest first.
template <class Use>
void for_each_level(const ConfigDocument& document,
                    std::string_view service,
                    std::uint16_t port,
                    const Use& use) {
  use(document.defaults);
  if (const auto found = document.services.find(service); found != document.services.end()) {
    use(found->second);
  }
  if (const auto found = document.service_ports.find({std::string{service}, port});
      found != document.service_ports.end()) {
    use(found->second);
  }
}

}  // namespace

void PolicyOverrides::apply_to(Policy& policy) const {
  lay_over(policy.balancer, balancer);
  lay_over(policy.decay, decay);
  lay_over(policy.hash_on, hash_on);
  lay_over(policy.load_bound_percent, load_bound_percent);
  lay_over(policy.slow_start, slow_start);
  lay_over(policy.subset_size, subset_size);
  lay_over(policy.zone_spill_over, zone_spill_over);
  lay_over(policy.connect_timeout, connect_timeout);
  lay_over(policy.queue_requests, queue_requests);
  lay_over(policy.queue_timeout, queue_timeout);
  lay_over(policy.has_adaptive_limit, has_adaptive_limit);
  lay_over(policy.concurrency_limit, concurrency_limit);
  lay_over(policy.endpoint_limit, endpoint_limit);
  lay_over(policy.ejection.consecutive, ejection.consecutive);
  lay_over(policy.ejection.min_penalty, ejection.min_penalty);
  lay_over(policy.ejection.max_penalty, ejection.max_penalty);
  lay_over(policy.ejection.max_percent, ejection.max_percent);
  lay_over(policy.ejection.panic_percent, ejection.panic_percent);
  lay_over(policy.ejection.by_success_rate, ejection.by_success_rate);
  lay_over(policy.ejection.latency_factor, ejection.latency_factor);
  lay_over(policy.successes.grpc, successes.grpc);
  lay_over(policy.successes.http, successes.http);
  lay_over(policy.endpoint_failures.grpc, endpoint_failures.grpc);
  lay_over(policy.endpoint_failures.http, endpoint_failures.http);
  lay_over_limit(policy.request_timeout, request_timeout);
  lay_over_limit(policy.response_start_timeout, response_start_timeout);
  lay_over_limit(policy.per_try_timeout, per_try_timeout);
  lay_over_limit(policy.idle_timeout, idle_timeout);
  lay_over_limit(policy.connection_age, connection_age);
  lay_over(policy.retries, retries);
  if (upstream_protocol) {
    policy.upstream_protocol = upstream_protocol;
  }
}

void WeightOverrides::apply_to(EndpointWeights& weights) const {
  weights.zones = zones ? &*zones : weights.zones;
  weights.nodes = nodes ? &*nodes : weights.nodes;
  weights.hostnames = hostnames ? &*hostnames : weights.hostnames;
}

Policy ConfigDocument::policy_for(std::string_view service, std::uint16_t port) const {
  Policy policy;
  for_each_level(
      *this, service, port, [&](const PolicyOverrides& level) { level.apply_to(policy); });
  return policy;
}

EndpointWeights ConfigDocument::weights_for(std::string_view service, std::uint16_t port) const {
  EndpointWeights weights;
  for_each_level(
      *this, service, port, [&](const PolicyOverrides& level) { level.weights.apply_to(weights); });
  return weights;
}

std::string ConfigError::text() const {
  std::string result = line == 0 ? "" : fmt::format("{}:{}: ", line, column);
  result += path.empty() ? "" : path + ": ";
  return result + message;
}

ConfigDocument read_document(const YamlNode& root, FieldReader& reader) {
  return DocumentReader{reader}.read(root);
}

ParsedConfig parse_config(std::string_view text) {
  if (text.size() > kMaxConfigBytes) {
    return refused(
        {.line = 0, .column = 0},
        fmt::format("the document has {} bytes, {} are allowed", text.size(), kMaxConfigBytes));
  }
  const auto tree = parse_yaml(text);
  if (!tree) {
    const YamlError error = tree.error();
    return refused(error.place, error.message);
  }
  ConfigReader reader;
  ConfigDocument document = read_document(*tree, reader);
  return {.document = std::move(document), .errors = reader.take_errors()};
}

}  // namespace router::control
