// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/control/snapshot.hpp"
#include "router/errc.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>

namespace router {

/// Protocol in which a request came in.
enum class CallerProtocol : std::uint8_t { http1, h2, grpc };

/// The Service port that a request means, or why there is none. The pointers live as long as the
/// snapshot.
struct Resolution {
  const Service* service = nullptr;
  const ServicePort* port = nullptr;
  /// The one that was named, which need not be selected; nothing: any.
  std::optional<boost::asio::ip::tcp::endpoint> endpoint;
  std::string detail;  ///< with an error: what was looked for, what there is (the ports, the
                       ///< nearest name's form)
  Errc error{};        ///< meaningful if `port` is null
};

/// Finds the Service port that a name means.
///
/// `name` is the value of `:authority`, `Host` or the override header: `svc`, `svc.ns`,
/// `svc.ns.svc`, `svc.ns.svc.<cluster domain>`, each of the last three also with a pod's hostname
/// before it if the Service is headless, a ClusterIP, or the address of a pod; with or without a
/// trailing dot, in any case, with or without `:port`. A short name is looked up in
/// `home_namespace`, the caller's. Without a port: the only one; else the one whose appProtocol or
/// name fits `caller`; else 80; else `unknown_port` with the list in `detail`. The ports of a pod's
/// address are the pod's own, as its slices have them; of several Service ports with the same, the
/// first by namespace, name and number counts. A name that is no Service's may be one outside of
/// the cluster that the configuration allows. Errors: bad_authority, unknown_service,
/// unknown_port. Allocates only for an error. Source: DNS-1035 labels, at most 63 bytes;
/// docs/configuration.md "Which Service is meant".
[[nodiscard]] Resolution resolve(const Snapshot& snapshot,
                                 std::string_view name,
                                 std::string_view home_namespace,
                                 CallerProtocol caller);

/// Whether `name` leaves the namespace to `home_namespace`.
[[nodiscard]] bool is_short_name(std::string_view name) noexcept;

}  // namespace router
