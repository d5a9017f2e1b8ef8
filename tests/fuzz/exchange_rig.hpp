// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/fuzz/input.hpp"
#include "tests/router/exchange/scripted_host.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fuzz {

/// One exchange between a client and endpoints that do what a script says, as far as a connection
/// would ever do it: the rig passes over what breaks the order that router/exchange/stream.hpp
/// tells. Time stands still but where the script lets it pass.
///
/// A script is text. It begins with the number of endpoints and the kind of request: `g` gRPC, `p`
/// plain HTTP, `h` HEAD, `u` a tunnel, `n` to nowhere, `d` gRPC with a deadline of 50 ms, `i` gRPC
/// that may be repeated and is hedged, `y` gRPC that may be repeated, of which no try, no head and
/// no silence may take long, `w` gRPC of a Service whose only place is taken at first. Then each
/// character is one call; blanks and line ends are passed over:
///
///     client    b<n> body   e end   t trailers   r<n> takes of the reply   s reply sent   g gone
///     endpoint  C connected   F not connected    P<n> takes of the request
///               I informational   H head   h head alone   v the same, UNAVAILABLE   B<n> body
///               E end   T trailers   V the same, UNAVAILABLE   Z closed
///               R refused   X reset   N not sent   o the other attempt speaks from here on
///     router    . end of turn   A all endpoints vanish   U they come back   L the place is free
///               W<n> time passes: deadlines, pauses, hedges and the ends of waits come
///
/// `<n>` is a digit, see `size` and `duration`.
class ExchangeRig {
 public:
  explicit ExchangeRig(Input script);
  ExchangeRig(const ExchangeRig&) = delete;
  ExchangeRig& operator=(const ExchangeRig&) = delete;
  ~ExchangeRig();

  /// Plays the script, checking after each call; then the client goes away, if it is still there.
  void run();

 private:
  /// A message on its way, as its sender has sent it.
  struct Message {
    std::size_t sent_bytes = 0;
    std::optional<router::BodyState> end;  ///< once it is complete
  };
  /// What is known of one of the host's connections, by its index there.
  struct Link {
    bool is_dead = false;  ///< it must not be looked at any more
    int n_opened = 0;      ///< streams, of which the last is described here:
    std::size_t taken_bytes = 0;
    bool has_head = false;  ///< it has replied
    Message reply;
  };

  void call(char what);
  bool call_client(char what);
  bool call_waiting_endpoint(char what);
  bool call_endpoint(char what);
  bool fail_attempt(char what);
  void call_router(char what);
  void send_body();
  void end_request(router::BodyState how);
  void take_reply();
  void take_request();
  void send_head(bool end, std::string_view grpc_status);
  void send_reply_body();
  void speak_for_other();
  void end_reply(router::BodyState how, std::string_view grpc_status);
  void pass_time();
  void free_place();

  void follow();
  void check() const;
  /// The next digit of the script as a number of bytes.
  [[nodiscard]] std::size_t size();
  /// The next digit as a time.
  [[nodiscard]] std::chrono::milliseconds duration();
  [[nodiscard]] std::size_t digit();
  [[nodiscard]] bool is_client_there() const noexcept {
    return !is_client_done_ && !client_.was_reset;
  }
  /// The client has got the head of an endpoint's reply.
  [[nodiscard]] bool has_reply() const {
    return client_.head && !client_.head->fields.find("nodeway-error");
  }
  [[nodiscard]] test::ScriptedConnection& endpoint() { return *host_.connections[*attempt_]; }
  [[nodiscard]] Link& link() { return links_[*attempt_]; }
  [[nodiscard]] std::vector<std::size_t> live() const;
  [[nodiscard]] const router::Service& service() {
    return *host_.snapshot()->services.find("cart.shop");
  }
  [[nodiscard]] router::Cluster& cluster() {
    return host_.cluster_of(service(), service().ports[0]);
  }

  Input script_;
  std::size_t n_endpoints_;
  char kind_;
  test::ScriptedHost host_;
  test::ScriptedClient client_;
  router::ClusterEndpoint* taken_ = nullptr;  ///< holds the only place
  router::Exchange* exchange_ = nullptr;  ///< owned by itself, until the turn in which it is over

  bool is_client_done_ = false;  ///< it has its reply, or is gone
  Message request_;
  std::size_t request_taken_bytes_ = 0;  ///< the most that any attempt has taken

  std::vector<Link> links_;
  std::optional<std::size_t> attempt_;   ///< the connection whose stream speaks
  std::optional<std::size_t> replying_;  ///< the one whose reply the client gets
  bool was_cut_off_ = false;             ///< after its head
  std::size_t reply_taken_bytes_ = 0;
  bool has_reply_end_ = false;  ///< the client has been told
};

}  // namespace fuzz
