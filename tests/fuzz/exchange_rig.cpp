// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/exchange_rig.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace fuzz {

using router::BodyState;
using router::Errc;
using router::Reset;
using router::Sent;

namespace {

/// What a sender may have under way: router::h2::SessionLimits::stream_window_bytes.
constexpr std::size_t kWindowBytes = 64 * std::size_t{1024};
constexpr std::size_t kMaxPiece = 70'000;  // more than a window, and than what is kept of a request

/// Bodies are small gRPC messages, so that some cuts fall between two.
constexpr std::array<std::size_t, 5> kPrefix{0, 0, 0, 0, 2};
constexpr std::size_t kMessage = kPrefix.size() + 2;
constexpr std::size_t kPeriod = kMessage * 251;  // 251 is a prime: each message of a period differs

std::vector<std::byte> make_body() {
  std::vector<std::byte> made(kPeriod + kMaxPiece);
  for (std::size_t i = 0; i < made.size(); ++i) {
    const std::size_t at = i % kMessage;
    made[i] = static_cast<std::byte>(at < kPrefix.size() ? kPrefix.at(at) : i % 251);
  }
  return made;
}

/// `n_bytes` of a body, from position `from` on.
std::span<const std::byte> body(std::size_t from, std::size_t n_bytes) {
  static const std::vector<std::byte> text = make_body();
  return std::span{text}.subspan(from % kPeriod, n_bytes);
}

bool is_body(std::span<const std::byte> bytes, std::size_t from) {
  const auto expected = body(from, bytes.size());
  return std::memcmp(bytes.data(), expected.data(), bytes.size()) == 0;
}

router::RequestHead request(char kind) {
  router::RequestHead head;
  head.method = kind == 'h' ? "HEAD" : "POST";
  head.protocol = kind == 'u' ? "websocket" : "";
  head.scheme = "http";
  head.authority = kind == 'n' ? "nowhere.shop" : "cart.shop";
  head.path = "/shop.Cart/Add";
  head.is_grpc = kind != 'p' && kind != 'h' && kind != 'u';
  if (kind == 'd') {
    head.fields.add({"grpc-timeout", "50m"});
  }
  return head;
}

router::HeaderList trailers(std::string_view grpc_status) {
  router::HeaderList fields;
  fields.add_copy("grpc-status", grpc_status);
  return fields;
}

router::Policy policy_of(char kind) {
  router::Policy policy;
  if (kind == 'i') {
    policy.retries.idempotent = true;
    policy.retries.limit = 2;
    policy.retries.hedging = router::Hedging::fixed;
    policy.retries.hedging_delay = std::chrono::milliseconds{1};
  } else if (kind == 'y') {
    policy.retries.idempotent = true;
    policy.retries.limit = 2;
    policy.per_try_timeout = std::chrono::milliseconds{20};
    policy.response_start_timeout = std::chrono::milliseconds{200};
    policy.idle_timeout = std::chrono::seconds{1};
  } else if (kind == 'w') {
    policy.concurrency_limit = 1;
  }
  return policy;
}

}  // namespace

ExchangeRig::ExchangeRig(Input script)
    : script_{script},
      n_endpoints_{script_.byte() % std::size_t{8}},
      kind_{static_cast<char>(script_.byte())},
      host_{n_endpoints_, policy_of(kind_)} {}

ExchangeRig::~ExchangeRig() = default;

void ExchangeRig::run() {
  if (kind_ == 'w') {
    taken_ = cluster().acquire({}, std::nullopt);
  }
  exchange_ = &host_.begin(client_, request(kind_), false);
  follow();
  while (!script_.empty() && !host_.is_over) {
    call(static_cast<char>(script_.byte()));
    follow();
    check();
  }
  if (!host_.is_over && is_client_done_) {
    fail_attempt('X');
    follow();
    check();
  } else if (!host_.is_over) {
    is_client_done_ = true;
    exchange_->on_client_gone(Reset::cancel);
    follow();
    check();
  }
  free_place();
  require(!attempt_, "no stream outlives its exchange");
  require(cluster().queue().n_requests() == 0, "nobody waits for a connection any more");
  require(host_.service_metrics().streams_open.read() == 0, "no request is counted as open");
  cluster().forget_unused();
  host_.end_turn();
}

std::size_t ExchangeRig::digit() {
  return (script_.byte() + 2U) % 10;  // '0' is 0
}

std::size_t ExchangeRig::size() {
  constexpr std::array<std::size_t, 10> kSizes{0, 1, 2, 5, 7, 100, 5000, 20'000, 40'000, kMaxPiece};
  return kSizes.at(digit());
}

std::chrono::milliseconds ExchangeRig::duration() {
  constexpr std::array<int, 10> kMillis{1, 2, 4, 8, 20, 60, 200, 1000, 4000, 20'000};
  return std::chrono::milliseconds{kMillis.at(digit())};
}

void ExchangeRig::call(char what) {
  if (call_client(what) || call_waiting_endpoint(what)) {
    return;
  }
  if (attempt_ && (call_endpoint(what) || fail_attempt(what))) {
    return;
  }
  call_router(what);
}

bool ExchangeRig::call_client(char what) {
  if (is_client_done_) {
    return false;
  }
  const bool is_half_a_tunnel = kind_ == 'u' && replying_ && !request_.end;
  const bool has_whole_reply = client_.is_head_whole || (has_reply_end_ && !is_half_a_tunnel);
  switch (what) {
    case 'b':
      send_body();
      return true;
    case 'e':
    case 't':
      end_request(what == 'e' ? BodyState::ended : BodyState::trailers);
      return true;
    case 'r':
      take_reply();
      return true;
    case 's':
      if (has_whole_reply) {
        is_client_done_ = true;
        exchange_->on_reply_sent();
      }
      return true;
    case 'g':
      is_client_done_ = true;
      exchange_->on_client_gone(Reset::cancel);
      return true;
    default:
      return false;
  }
}

void ExchangeRig::send_body() {
  const std::size_t room = kWindowBytes - (request_.sent_bytes - client_.credited);
  const std::size_t n_bytes = std::min(size(), room);
  if (n_bytes > 0 && !request_.end) {
    const auto bytes = body(request_.sent_bytes, n_bytes);
    request_.sent_bytes += n_bytes;
    exchange_->on_request_data(bytes);
  }
}

void ExchangeRig::end_request(BodyState how) {
  if (request_.end) {
    return;
  }
  request_.end = how;
  if (how == BodyState::ended) {
    exchange_->on_request_end();
  } else {
    exchange_->on_request_trailers(trailers("0"));
  }
}

void ExchangeRig::take_reply() {
  std::vector<std::byte> into(size());
  if (into.empty() || !client_.head || client_.is_head_whole || has_reply_end_) {
    return;
  }
  const router::Pulled pulled = exchange_->pull_reply(into);
  if (replying_) {
    into.resize(pulled.n_bytes);
    require(is_body(into, reply_taken_bytes_), "the reply's bytes come in order");
    reply_taken_bytes_ += pulled.n_bytes;
    require(reply_taken_bytes_ <= links_[*replying_].reply.sent_bytes,
            "no byte of the reply is made up");
  }
  has_reply_end_ = pulled.state != BodyState::open;
  if (has_reply_end_ && replying_) {
    const Message& reply = links_[*replying_].reply;
    require(reply_taken_bytes_ == reply.sent_bytes, "a reply ends behind its last byte");
    require(reply.end == pulled.state || (was_cut_off_ && pulled.state == BodyState::trailers),
            "a reply ends as its endpoint ended it");
  }
}

bool ExchangeRig::call_waiting_endpoint(char what) {
  if (what != 'C' && what != 'F') {
    return false;
  }
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (links_[i].is_dead || host_.connections[i]->is_connected) {
      continue;
    }
    if (what == 'C') {
      host_.connections[i]->connect();
    } else {
      links_[i].is_dead = true;
      host_.connections[i]->fail_to_connect(Errc::connect_failed);
    }
    break;
  }
  return true;
}

bool ExchangeRig::call_endpoint(char what) {
  switch (what) {
    case 'P':
      take_request();
      return true;
    case 'I':
      if (!link().has_head) {
        endpoint().stream->on_informational({.status = 103, .fields = {}});
      }
      return true;
    case 'H':
    case 'h':
    case 'v':
      send_head(what != 'H', what == 'v' ? "14" : "");
      return true;
    case 'o':
      speak_for_other();
      return true;
    case 'B':
      send_reply_body();
      return true;
    case 'E':
    case 'T':
    case 'V':
      end_reply(what == 'E' ? BodyState::ended : BodyState::trailers, what == 'V' ? "14" : "0");
      return true;
    case 'Z':
      if (link().reply.end) {
        std::exchange(endpoint().stream, nullptr)->on_upstream_closed();
      }
      return true;
    default:
      return false;
  }
}

bool ExchangeRig::fail_attempt(char what) {
  router::AttemptFailure failure;
  if (what == 'R') {
    failure = {Errc::stream_refused, Sent::no};
  } else if (what == 'N') {
    failure = {Errc::upstream_reset, Sent::no};
  } else if (what != 'X') {
    return false;
  }
  if (!link().reply.end || kind_ == 'u') {  // a tunnel may be lost after one side has ended
    was_cut_off_ = replying_ == attempt_;
    endpoint().fail_stream(failure);
  }
  return true;
}

void ExchangeRig::take_request() {
  std::vector<std::byte> into(size());
  if (into.empty() || endpoint().is_request_whole || endpoint().request_state != BodyState::open) {
    return;
  }
  const router::Pulled pulled = endpoint().stream->pull_request(into);
  endpoint().request_state = pulled.state;
  into.resize(pulled.n_bytes);
  std::size_t& taken_bytes = link().taken_bytes;
  require(is_body(into, taken_bytes), "the request's bytes come in order, from the first");
  taken_bytes += pulled.n_bytes;
  require(taken_bytes <= request_.sent_bytes, "no byte of the request is made up");
  request_taken_bytes_ = std::max(request_taken_bytes_, taken_bytes);
  if (pulled.state != BodyState::open) {
    require(taken_bytes == request_.sent_bytes, "a request ends behind its last byte");
    require(request_.end == pulled.state, "a request ends as its client ended it");
  }
}

void ExchangeRig::send_head(bool end, std::string_view grpc_status) {
  if (link().has_head) {
    return;
  }
  link().has_head = true;
  const bool is_tunnel = kind_ == 'u';
  const bool is_whole = end && !is_tunnel;
  if (is_whole) {
    link().reply.end = BodyState::ended;
  }
  router::ReplyHead head{.status = 200, .fields = {}, .protocol = is_tunnel ? "websocket" : ""};
  if (!grpc_status.empty()) {
    head.fields = trailers(grpc_status);
  }
  endpoint().stream->on_reply_head(std::move(head), is_whole);
}

void ExchangeRig::send_reply_body() {
  Message& reply = link().reply;
  const std::size_t credited = replying_ == attempt_ ? endpoint().credited : 0;
  const std::size_t room = kWindowBytes - (reply.sent_bytes - credited);
  const std::size_t n_bytes = std::min(size(), room);
  if (n_bytes > 0 && link().has_head && !reply.end) {
    const auto bytes = body(reply.sent_bytes, n_bytes);
    reply.sent_bytes += n_bytes;
    endpoint().stream->on_reply_data(bytes);
  }
}

void ExchangeRig::end_reply(BodyState how, std::string_view grpc_status) {
  if (!link().has_head || link().reply.end) {
    return;
  }
  link().reply.end = how;
  if (how == BodyState::ended) {
    endpoint().stream->on_reply_end();
  } else {
    endpoint().stream->on_reply_trailers(trailers(grpc_status));
  }
}

void ExchangeRig::speak_for_other() {
  for (const std::size_t each : live()) {
    if (each != attempt_) {
      attempt_ = each;
      return;
    }
  }
}

void ExchangeRig::call_router(char what) {
  if (what == '.') {
    host_.end_turn();
  } else if (what == 'W') {
    pass_time();
  } else if (what == 'L') {
    free_place();
  } else if (what == 'A' || what == 'U') {
    cluster().adopt(what == 'A' ? nullptr : service().ports.data());
    cluster().forget_unused();
  }
}

void ExchangeRig::free_place() {
  if (taken_ != nullptr) {
    cluster().release(*std::exchange(taken_, nullptr),
                      {.kind = router::AttemptOutcome::Kind::unsent});
  }
}

void ExchangeRig::pass_time() {
  const bool is_whole = replying_ && links_[*replying_].reply.end && !client_.was_reset;
  const bool is_open = replying_ && attempt_ == replying_ && !is_whole;
  const bool may_begin = !replying_ && attempt_ && link().has_head;
  host_.time().pass(duration());
  was_cut_off_ = was_cut_off_ || (is_open && endpoint().stream == nullptr);
  if (may_begin && has_reply() && endpoint().stream == nullptr) {
    replying_ = attempt_;  // begun at one timeout, and cut off at the next
    was_cut_off_ = true;
  }
  require(!is_whole || !client_.was_reset, "a complete reply has no deadline");
}

std::vector<std::size_t> ExchangeRig::live() const {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (!links_[i].is_dead && host_.connections[i]->stream != nullptr) {
      indices.push_back(i);
    }
  }
  return indices;
}

/// Finds out which attempts have begun, or are over, and whose reply the client gets.
void ExchangeRig::follow() {
  links_.resize(host_.connections.size());
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (!links_[i].is_dead && links_[i].n_opened != host_.connections[i]->n_opened) {
      links_[i] = Link{};
      links_[i].n_opened = host_.connections[i]->n_opened;
    }
  }
  const std::vector<std::size_t> now = live();
  require(now.size() <= (kind_ == 'i' ? 2U : 1U), "no more attempts are under way than may be");
  if (!replying_ && has_reply()) {
    for (const std::size_t i : now) {
      if (links_[i].has_head) {
        require(!replying_, "one reply is the client's");
        replying_ = i;
      }
    }
    require(replying_.has_value(), "a reply comes from an endpoint");
  }
  if (replying_) {
    require(now.empty() || now == std::vector{*replying_}, "a reply ends all other attempts");
  }
  if (!attempt_ || std::find(now.begin(), now.end(), *attempt_) == now.end()) {
    attempt_ = now.empty() ? std::nullopt : std::optional{now.front()};
  }
}

void ExchangeRig::check() const {
  const bool has_last_bytes = kind_ == 'u' && is_client_done_ && attempt_.has_value();
  require(host_.is_over != (is_client_there() || has_last_bytes),
          "an exchange is over if and only if its client is, and what it said through a tunnel");
  require(client_.credited <= request_.sent_bytes, "no byte is credited twice to the client");
  if (is_client_there()) {
    // All of it, too, once nobody wants the rest.
    require(client_.credited == request_taken_bytes_ || client_.credited == request_.sent_bytes,
            "what the endpoint has taken is credited to the client");
  }
  if (replying_ && attempt_) {
    require(host_.connections[*replying_]->credited == reply_taken_bytes_,
            "what the client has taken is credited to the endpoint");
  }
}

}  // namespace fuzz
