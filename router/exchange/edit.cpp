// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/edit.hpp"

#include "router/exchange/field_text.hpp"
#include "router/exchange/reply.hpp"
#include "router/resolve/ascii_case.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace router {
namespace {

constexpr std::array<std::string_view, 5> kHopByHop{
    "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"};

/// The field names that `connection` says are for this hop only, in lower case.
std::vector<std::string> nominated_fields(const HeaderList& fields) {
  std::vector<std::string> names;
  if (!fields.find("connection")) {
    return names;
  }
  for (const HeaderField& field : fields) {
    if (field.name() != "connection") {
      continue;
    }
    std::string_view rest = field.value();
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      names.push_back(in_lower_case(trim(rest.substr(0, comma))));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return names;
}

void remove_hop_by_hop(HeaderList& fields) {
  const std::vector<std::string> nominated = nominated_fields(fields);
  for (const std::string_view name : kHopByHop) {
    fields.remove(name);
  }
  for (const std::string& name : nominated) {
    fields.remove(name);
  }
}

}  // namespace

void edit_request(RequestHead& head, std::string_view via_entry) {
  // gRPC asks for it, and it is the one value that RFC 9113 allows; read before `connection` can
  // nominate it away.
  const bool takes_trailers =
      head.fields.find("te").value_or("").find("trailers") != std::string_view::npos;
  remove_hop_by_hop(head.fields);
  head.fields.remove("te");
  if (takes_trailers) {
    head.fields.add({"te", "trailers"});
  }
  head.fields.add({"via", via_entry});
}

void edit_reply(HeaderList& fields) {
  remove_hop_by_hop(fields);
  fields.remove(kErrorHeader);
}

bool has_looped(const HeaderList& fields, std::string_view name) {
  return fields.find("via") &&
         std::any_of(fields.begin(), fields.end(), [name](const HeaderField& field) {
           return field.name() == "via" && field.value().find(name) != std::string_view::npos;
         });
}

}  // namespace router
