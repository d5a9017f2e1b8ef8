// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/errc.hpp"
#include "router/telemetry/histogram.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

/// Figures of the data plane. Each block is written by one core only and read by the admin threads
/// at any time, through relaxed atomics: a reader sees every figure, though not all of one instant.
namespace router::telemetry {

/// A figure written by one thread and read by any.
class Cell {
 public:
  /// One writer: a load and a store do, and cost no locked instruction.
  void add(std::uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void subtract(std::uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed);
  }
  void set(std::uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t read() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// Figures of one core that belong to no Service.
enum class CoreFigure : std::uint8_t {
  client_connections_open,  ///< gauge
  client_connections,       ///< accepted
  upstream_connects,        ///< tried, including those that failed
  upstream_connects_failed,
  loop_turns_slow,  ///< turns that took over 1 ms
  caller_waits,     ///< waits of a request for the pod that it comes from to be known
  tls_handshakes,   ///< of clients, done
  tls_handshakes_failed,
  buffer_bytes,      ///< gauge
  requests_put_off,  ///< to a later turn, since their callers had had their share of this one
};

enum class FigureKind : std::uint8_t { counter, gauge };

struct CoreFigureDefinition {
  CoreFigure id;
  FigureKind kind;
  std::string_view name;  ///< Prometheus name: base unit, and `_total` for counters
  std::string_view help;  ///< says what is and what is not counted
};

/// All of them. Adding one is adding a row; docs/metrics.md shows this table.
inline constexpr std::array kCoreFigures{
    CoreFigureDefinition{CoreFigure::client_connections_open,
                         FigureKind::gauge,
                         "nodeway_client_connections_open",
                         "Client connections open now."},
    CoreFigureDefinition{CoreFigure::client_connections,
                         FigureKind::counter,
                         "nodeway_client_connections_total",
                         "Client connections accepted."},
    CoreFigureDefinition{CoreFigure::upstream_connects,
                         FigureKind::counter,
                         "nodeway_upstream_connects_total",
                         "TCP connections opened to endpoints, including those that failed."},
    CoreFigureDefinition{CoreFigure::upstream_connects_failed,
                         FigureKind::counter,
                         "nodeway_upstream_connects_failed_total",
                         "TCP connections to endpoints that were refused, timed out, or spoke no "
                         "HTTP/2 where it was asked."},
    CoreFigureDefinition{CoreFigure::loop_turns_slow,
                         FigureKind::counter,
                         "nodeway_loop_turns_slow_total",
                         "Turns of a worker's event loop that took more than 1 ms."},
    CoreFigureDefinition{CoreFigure::caller_waits,
                         FigureKind::counter,
                         "nodeway_caller_waits_total",
                         "Waits of requests for the pod that they come from to be known: its "
                         "status follows its first calls by up to seconds."},
    CoreFigureDefinition{CoreFigure::tls_handshakes,
                         FigureKind::counter,
                         "nodeway_tls_handshakes_total",
                         "TLS handshakes of clients that were completed."},
    CoreFigureDefinition{CoreFigure::tls_handshakes_failed,
                         FigureKind::counter,
                         "nodeway_tls_handshakes_failed_total",
                         "TLS handshakes of clients that were not: refused by either side, broken "
                         "off, or beyond their limits."},
    CoreFigureDefinition{CoreFigure::buffer_bytes,
                         FigureKind::gauge,
                         "nodeway_buffer_bytes",
                         "Bytes of bodies and output that wait for the other side to take them, "
                         "of the heads of requests under way, and of heads and trailers on their "
                         "way."},
    CoreFigureDefinition{
        CoreFigure::requests_put_off,
        FigureKind::counter,
        "nodeway_requests_put_off_total",
        "Requests that began a turn of the event loop or more later than they came: "
        "their caller had had its share, and others were active."},
};

/// Limits that can be hit; the label `limit` of nodeway_limit_hits_total.
enum class Limit : std::uint8_t {
  adaptive_concurrency,  ///< calls to pods that are overloaded: refused
  buffer_bytes,          ///< half of the bytes that may wait in all buffers: windows are narrow
  caller_bytes,          ///< bytes of one caller's requests that wait: further ones are refused
  caller_connections,    ///< connections of one caller: further ones are refused
  caller_requests,       ///< open requests of one caller: further ones are refused
  client_connections,    ///< connections of all clients: accepting pauses
  client_streams,        ///< streams of one client connection (RFC 9113, 5.1.2)
  concurrency,           ///< requests with the endpoints of a Service: further ones wait
  continuations,         ///< CONTINUATION frames of one field block: the connection ends
  control_frames,        ///< SETTINGS, PING and the like of one connection: it ends
  file_descriptors,      ///< of the process: accepting and connecting pause
  header_list_bytes,     ///< header fields of one request
  header_timeout,        ///< a head, or trailers, took 10 s: the connection ends
  informational_heads,   ///< 1xx heads that wait for a slow client: dropped
  outbound_frames,       ///< frames that wait for a peer that does not read: its connection ends
  queue_deadline,        ///< a request that waited has too little time left for a reply: refused
  queue_requests,        ///< requests of one Service that wait for an endpoint
  repicks,               ///< endpoints tried for one request
  stream_faults,         ///< streams reset for their peer's faults: the connection ends
  stream_refusals,       ///< streams of one client beyond `client_streams`: its connection ends
  stream_resets,         ///< streams that one client reset (CVE-2023-44487): the connection ends
  tls_handshake,         ///< 10 s or 64 KiB of a client's TLS handshake: closed
  tunnels,               ///< connections of one endpoint that are tunnels: it is asked for no more
  window_growth,         ///< what all windows have grown by: none of a connection grows any more
  window_stall,          ///< a client's window let nothing pass for 30 s
  write_stall,           ///< a peer took nothing, or not the end of a tunnel, for 30 s
};
inline constexpr std::array<std::string_view, 26> kLimitNames{"adaptive_concurrency",
                                                              "buffer_bytes",
                                                              "caller_bytes",
                                                              "caller_connections",
                                                              "caller_requests",
                                                              "client_connections",
                                                              "client_streams",
                                                              "concurrency",
                                                              "continuations",
                                                              "control_frames",
                                                              "file_descriptors",
                                                              "header_list_bytes",
                                                              "header_timeout",
                                                              "informational_heads",
                                                              "outbound_frames",
                                                              "queue_deadline",
                                                              "queue_requests",
                                                              "repicks",
                                                              "stream_faults",
                                                              "stream_refusals",
                                                              "stream_resets",
                                                              "tls_handshake",
                                                              "tunnels",
                                                              "window_growth",
                                                              "window_stall",
                                                              "write_stall"};

/// Connections to endpoints, by what they are good for; the label `state` of
/// nodeway_upstream_connections.
enum class UpstreamState : std::uint8_t {
  connecting,
  open,      ///< takes streams, or will when one of its own has ended
  draining,  ///< its streams go on, it takes no new ones
  tunnel,    ///< what goes through it is no HTTP
};
inline constexpr std::array<std::string_view, 4> kUpstreamStateNames{
    "connecting", "open", "draining", "tunnel"};

/// Why an endpoint was ejected; the label `cause` of nodeway_ejections_total.
inline constexpr std::array<std::string_view, 4> kEjectionCauseNames{
    "connect", "consecutive", "success_rate", "latency"};

/// Why a request was not repeated that failed in a way that its policy repeats; the label `reason`
/// of nodeway_retries_refused_total.
enum class RetryRefusal : std::uint8_t {
  body,      ///< more than 64 KiB of it were sent
  budget,    ///< too many are retries already
  deadline,  ///< it would come first
  limit,     ///< `retries.limit` of them were sent
  pushback,  ///< the endpoint forbade it (gRFC A6)
};
inline constexpr std::array<std::string_view, 5> kRetryRefusalNames{
    "body", "budget", "deadline", "limit", "pushback"};

/// Outcome of a request: one series of nodeway_responses_total.
struct ResponseKey {
  static constexpr std::uint8_t kNoGrpcStatus = 255;
  bool success = false;                      ///< by the policy's `ReplyClass`
  std::uint8_t grpc_status = kNoGrpcStatus;  ///< 0 to 16; statuses beyond count as 2 (UNKNOWN)
  std::uint8_t http_class = 0;               ///< 1 to 5; 0 if no head was sent
  std::uint8_t reason = 0;                   ///< an `Errc`, or 0 if the endpoint answered

  friend bool operator==(const ResponseKey&, const ResponseKey&) = default;
};

/// Number of requests that ended with one `ResponseKey`; linked, never removed.
struct ResponseCell {
  explicit ResponseCell(ResponseKey k) noexcept : key{k} {}
  const ResponseKey key;
  Cell count;
  std::unique_ptr<ResponseCell> owned_next;
  std::atomic<const ResponseCell*> next{nullptr};
};

/// One core's figures of one Service port. Made at the first request, kept for the life of the
/// process.
class ServiceMetrics {
 public:
  ServiceMetrics(std::string service_namespace, std::string service, std::string port);

  /// Counts the end of a request. `to_head` is nothing (zero) if no head was sent.
  void add_response(ResponseKey key,
                    std::chrono::nanoseconds to_head,
                    std::chrono::nanoseconds to_end);

  /// Calls `visit(const ResponseCell&)` for each series. Any thread.
  template <class Visit>
  void each_response(Visit visit) const {
    for (const ResponseCell* cell = first_.load(std::memory_order_acquire); cell != nullptr;
         cell = cell->next.load(std::memory_order_acquire)) {
      visit(*cell);
    }
  }

  const std::string service_namespace;  ///< empty for requests that named no Service
  const std::string service;
  const std::string port;  ///< the Service's port number as text
  Cell requests;
  Cell repicks;
  Cell retries;  ///< without hedges
  Cell hedges;
  std::array<Cell, kRetryRefusalNames.size()> retries_refused;  ///< by reason
  Cell streams_open;     ///< gauge: requests whose exchange lives
  Cell requests_queued;  ///< gauge: requests that wait for an endpoint
  std::array<Cell, kUpstreamStateNames.size()> upstream_connections;  ///< gauges, by state
  std::array<Cell, kEjectionCauseNames.size()> ejections;             ///< by cause
  Cell endpoints_ejected;                                             ///< gauge
  Cell panic_requests;       ///< placed while too few endpoints were in service
  Cell zone_spills;          ///< placed in other zones, since the own one's endpoints were busy
  Histogram response_start;  ///< from the request's head to the reply's head
  Histogram duration;        ///< from the request's head to the end

 private:
  friend class CoreMetrics;
  std::unique_ptr<ResponseCell> owned_first_;
  std::atomic<const ResponseCell*> first_{nullptr};
  ResponseCell* last_ = nullptr;
  std::unique_ptr<ServiceMetrics> owned_next_;
  std::atomic<const ServiceMetrics*> next_{nullptr};
};

/// Everything that one core counts.
class CoreMetrics {
 public:
  CoreMetrics() = default;
  CoreMetrics(const CoreMetrics&) = delete;
  CoreMetrics& operator=(const CoreMetrics&) = delete;
  ~CoreMetrics();

  [[nodiscard]] Cell& figure(CoreFigure id) noexcept {
    return figures_[static_cast<std::size_t>(id)];
  }
  [[nodiscard]] const Cell& figure(CoreFigure id) const noexcept {
    return figures_[static_cast<std::size_t>(id)];
  }
  void hit(Limit limit) noexcept { limits_[static_cast<std::size_t>(limit)].add(); }
  [[nodiscard]] std::uint64_t hits(Limit limit) const noexcept {
    return limits_[static_cast<std::size_t>(limit)].read();
  }

  /// Makes the block of a Service port; the core calls it once for each and keeps the reference.
  ServiceMetrics& add_service(std::string service_namespace, std::string service, std::string port);

  /// Calls `visit(const ServiceMetrics&)` for each block. Any thread.
  template <class Visit>
  void each_service(Visit visit) const {
    for (const ServiceMetrics* block = first_.load(std::memory_order_acquire); block != nullptr;
         block = block->next_.load(std::memory_order_acquire)) {
      visit(*block);
    }
  }

 private:
  alignas(64) std::array<Cell, kCoreFigures.size()> figures_{};  // a cache line is never written by
                                                                 // two cores
  std::array<Cell, kLimitNames.size()> limits_{};
  std::unique_ptr<ServiceMetrics> owned_first_;
  std::atomic<const ServiceMetrics*> first_{nullptr};
  ServiceMetrics* last_ = nullptr;
};

}  // namespace router::telemetry
