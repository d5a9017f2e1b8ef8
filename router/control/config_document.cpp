// SPDX-License-Identifier: Apache-2.0
#include "router/control/config_document.hpp"

#include "router/control/config_reader.hpp"
#include "router/control/config_values.hpp"
#include "router/control/yaml_tree.hpp"
#include "router/h1/fields.hpp"
#include "router/resolve/dns_name.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <fmt/format.h>

namespace router::control {
namespace {

using namespace std::chrono_literals;
using Place = FieldReader::Place;
using Field = FieldReader::Field;

/// What values are taken. The defaults are in Policy (router/route/policy.hpp).
namespace range {
/// Shorter, and an estimate is forgotten between two requests; longer, and it is not one of now.
constexpr DurationRange kDecay{.least = 10ms, .most = 1h};
/// At most: by then the kernel itself has given up (tcp_syn_retries).
constexpr DurationRange kConnect{.least = 1ms, .most = 2min};
/// At most: a request that lasts longer is no request but a session, and wants none.
constexpr DurationRange kRequest{.least = 1ms, .most = 24h, .zero_too = true};
/// At least one: the first request to a pod waits for its connection.
constexpr CountRange kQueueSize{.least = 1, .most = 100'000};
/// At most: no caller waits longer for a first byte, so that it would only hold memory.
constexpr DurationRange kQueueTimeout{.least = 1ms, .most = 2min};
/// A name and its namespace, in its longest form: `name.namespace.svc` and the cluster's domain.
constexpr CountRange kPathSegments{.least = 1, .most = 8};
}  // namespace range

constexpr std::uint32_t kVersion = 1;
constexpr std::array<std::string_view, 2> kBalancers{"peak_ewma", "round_robin"};
constexpr std::array kBalancerKinds{BalancerKind::peak_ewma, BalancerKind::round_robin};
constexpr std::array<std::string_view, 2> kProtocols{"h2c", "http1"};
constexpr std::array kProtocolKinds{UpstreamProtocol::h2c, UpstreamProtocol::http1};

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
        Field{"identifiers", [this](const Place& value) { identifiers(value); }},
        Field{"callers", [this](const Place& value) { callers(value); }},
        Field{"externalNames", [this](const Place& value) { external_names(value); }},
        Field{"defaults", [this](const Place& value) { policy(value, document_.defaults); }},
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

  void identifiers(const Place& list) {
    if (list.node.kind == YamlNode::Kind::sequence) {
      document_.identifiers.clear();
    }
    reader_.items(list, [this](const Place& item) { identifier(item); });
    if (list.node.kind == YamlNode::Kind::sequence && list.node.items.empty()) {
      reader_.fail(list.node.place, list.path, "is empty: no request would mean a Service");
    }
  }

  void identifier(const Place& item) {
    const std::array alternatives{
        Field{"header", [this](const Place& value) { header_identifier(value); }},
        Field{"authority",
              [this](const Place& value) {
                reader_.fields(value, {});
                document_.identifiers.emplace_back(AuthorityIdentifier{});
              }},
        Field{"grpc-path", [this](const Place& value) { grpc_path_identifier(value); }},
        Field{"path", [this](const Place& value) { path_identifier(value); }},
    };
    reader_.one_of(item, alternatives);
  }

  void header_identifier(const Place& value) {
    HeaderIdentifier header;
    const std::array fields{
        Field{"name", [&](const Place& field) { header_name(field, header.field); }}};
    reader_.fields(value, fields);
    document_.identifiers.emplace_back(std::move(header));
  }

  void header_name(const Place& value, std::string& name) {
    std::optional<std::string> text = reader_.text(value);
    if (!text) {
      return;
    }
    if (!h1::is_token(*text)) {
      reader_.fail(value.node.place, value.path, quoted(*text) + " is no name of a header field");
    }
    std::transform(text->begin(), text->end(), text->begin(), h1::to_lower);
    name = *std::move(text);
  }

  void grpc_path_identifier(const Place& value) {
    GrpcPathIdentifier grpc;
    const std::array fields{
        Field{"services", [&](const Place& field) { grpc_services(field, grpc); }},
        Field{"template", [&](const Place& field) { grpc_template(field, grpc.name_template); }},
    };
    reader_.fields(value, fields);
    if (grpc.services.empty() && grpc.name_template.empty()) {
      reader_.fail(value.node.place, value.path, "needs services, a template, or both");
    }
    document_.identifiers.emplace_back(std::move(grpc));
  }

  void grpc_services(const Place& value, GrpcPathIdentifier& grpc) {
    reader_.members(value, [&](const YamlMember& member, const Place& name) {
      if (std::optional<std::string> text = reader_.text(name)) {
        const ServiceKey key = parse_service_key(*text);
        if (!key.problem.empty()) {
          reader_.fail(name.node.place, name.path, quoted(*text) + " " + key.problem);
        }
        grpc.services[member.key] = *std::move(text);
      }
    });
  }

  void grpc_template(const Place& value, std::string& name_template) {
    std::optional<std::string> text = reader_.text(value);
    if (!text) {
      return;
    }
    std::string example = *text;
    for (const std::string_view part : {kServicePlace, kPackagePlace}) {
      for (auto at = example.find(part); at != std::string::npos; at = example.find(part)) {
        example.replace(at, part.size(), "a");
      }
    }
    if (!parse_service_key(example).problem.empty()) {
      reader_.fail(value.node.place,
                   value.path,
                   quoted(*text) + " makes no name of a Service, as {service}.{package} does");
    }
    name_template = *std::move(text);
  }

  void path_identifier(const Place& value) {
    PathIdentifier path;
    const std::array fields{
        Field{"segments",
              [&](const Place& field) {
                path.segments = reader_.count(field, range::kPathSegments).value_or(path.segments);
              }},
        Field{"consume",
              [&](const Place& field) { path.consume = reader_.flag(field).value_or(false); }},
    };
    reader_.fields(value, fields);
    document_.identifiers.emplace_back(path);
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
      policy(entry,
             key.port ? document_.service_ports[{std::move(key.service), *key.port}]
                      : document_.services[std::move(key.service)]);
    });
  }

  void policy(const Place& value, PolicyOverrides& overrides) {
    const std::array fields{
        Field{"balancer", [&](const Place& field) { balancer(field, overrides); }},
        Field{"timeout", [&](const Place& field) { timeout(field, overrides); }},
        Field{"limits", [&](const Place& field) { limits(field, overrides); }},
        Field{"upstreamProtocol",
              [&](const Place& field) {
                if (const auto index = reader_.choice(field, kProtocols)) {
                  overrides.upstream_protocol = kProtocolKinds.at(*index);
                }
              }},
    };
    reader_.fields(value, fields);
  }

  void balancer(const Place& value, PolicyOverrides& overrides) {
    const std::array fields{
        Field{"policy",
              [&](const Place& field) {
                if (const auto index = reader_.choice(field, kBalancers)) {
                  overrides.balancer = kBalancerKinds.at(*index);
                }
              }},
        Field{
            "decay",
            [&](const Place& field) { overrides.decay = reader_.duration(field, range::kDecay); }},
    };
    reader_.fields(value, fields);
  }

  void timeout(const Place& value, PolicyOverrides& overrides) {
    const std::array fields{
        Field{"connect",
              [&](const Place& field) {
                overrides.connect_timeout = reader_.duration(field, range::kConnect);
              }},
        Field{"request",
              [&](const Place& field) {
                overrides.request_timeout = reader_.duration(field, range::kRequest);
              }},
    };
    reader_.fields(value, fields);
  }

  void limits(const Place& value, PolicyOverrides& overrides) {
    const std::array fields{
        Field{"queue", [&](const Place& field) { queue(field, overrides); }},
    };
    reader_.fields(value, fields);
  }

  void queue(const Place& value, PolicyOverrides& overrides) {
    const std::array fields{
        Field{"size",
              [&](const Place& field) {
                overrides.queue_requests = reader_.count(field, range::kQueueSize);
              }},
        Field{"timeout",
              [&](const Place& field) {
                overrides.queue_timeout = reader_.duration(field, range::kQueueTimeout);
              }},
    };
    reader_.fields(value, fields);
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

}  // namespace

void PolicyOverrides::apply_to(Policy& policy) const {
  lay_over(policy.balancer, balancer);
  lay_over(policy.decay, decay);
  lay_over(policy.connect_timeout, connect_timeout);
  lay_over(policy.queue_requests, queue_requests);
  lay_over(policy.queue_timeout, queue_timeout);
  if (request_timeout) {
    policy.request_timeout = *request_timeout == Nanoseconds{0} ? std::nullopt : request_timeout;
  }
  if (upstream_protocol) {
    policy.upstream_protocol = upstream_protocol;
  }
}

Policy ConfigDocument::policy_for(std::string_view service, std::uint16_t port) const {
  Policy policy;
  defaults.apply_to(policy);
  if (const auto found = services.find(service); found != services.end()) {
    found->second.apply_to(policy);
  }
  if (const auto found = service_ports.find({std::string{service}, port});
      found != service_ports.end()) {
    found->second.apply_to(policy);
  }
  return policy;
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
