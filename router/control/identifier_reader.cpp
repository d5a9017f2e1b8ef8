// SPDX-License-Identifier: Apache-2.0
#include "router/control/identifier_reader.hpp"

#include "router/control/config_values.hpp"
#include "router/h1/fields.hpp"
#include "router/resolve/ascii_case.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace router::control {
namespace {

using Place = FieldReader::Place;
using Field = FieldReader::Field;

/// A name and its namespace, in its longest form: `name.namespace.svc` and the cluster's domain.
constexpr CountRange kPathSegments{.least = 1, .most = 8};

/// Reads an item of `identifiers`.
class IdentifierReader {
 public:
  IdentifierReader(FieldReader& reader, Identifiers& identifiers)
      : reader_{reader}, identifiers_{identifiers} {}

  void read(const Place& item) {
    const std::array alternatives{
        Field{"header", [this](const Place& value) { header_identifier(value); }},
        Field{"authority",
              [this](const Place& value) {
                reader_.fields(value, {});
                identifiers_.emplace_back(AuthorityIdentifier{});
              }},
        Field{"grpc-path", [this](const Place& value) { grpc_path_identifier(value); }},
        Field{"path", [this](const Place& value) { path_identifier(value); }},
    };
    reader_.one_of(item, alternatives);
    if (item.node.kind == YamlNode::Kind::null) {
      reader_.fail(
          item.node.place, item.path, "one of header, authority, grpc-path, path is expected here");
    }
  }

 private:
  void header_identifier(const Place& value) {
    HeaderIdentifier header;
    const std::array fields{
        Field{"name", [&](const Place& field) { header_name(field, header.field); }}};
    reader_.fields(value, fields);
    identifiers_.emplace_back(std::move(header));
  }

  void header_name(const Place& value, std::string& name) {
    const std::optional<std::string> text = reader_.text(value);
    if (!text) {
      return;
    }
    if (!h1::is_token(*text)) {
      reader_.fail(value.node.place, value.path, quoted(*text) + " is no name of a header field");
    }
    name = in_lower_case(*text);
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
    identifiers_.emplace_back(std::move(grpc));
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
                path.segments = reader_.count(field, kPathSegments).value_or(path.segments);
              }},
        Field{"consume",
              [&](const Place& field) { path.consume = reader_.flag(field).value_or(false); }},
    };
    reader_.fields(value, fields);
    identifiers_.emplace_back(path);
  }

  FieldReader& reader_;
  Identifiers& identifiers_;
};

}  // namespace

void read_identifiers(const Place& list, FieldReader& reader, Identifiers& identifiers) {
  if (list.node.kind == YamlNode::Kind::sequence) {
    identifiers.clear();
  }
  IdentifierReader items{reader, identifiers};
  reader.items(list, [&items](const Place& item) { items.read(item); });
  if (list.node.kind == YamlNode::Kind::sequence && list.node.items.empty()) {
    reader.fail(list.node.place, list.path, "is empty: no request would mean a Service");
  }
}

}  // namespace router::control
