// SPDX-License-Identifier: Apache-2.0
// Many requests over few connections, ended in every way: nothing is lost, leaked or stalled.
#include "tests/integration/one_service.hpp"

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kCancel = 8;         // RFC 9113 section 7
constexpr std::uint32_t kInternalError = 2;  // ditto
constexpr int kClients = 2;
constexpr int kAtOnce = 100;  // of each client
/// Large enough that many of them, uncredited, would be more than a connection's 4 MiB.
constexpr std::uint64_t kLarge = 100 << 10;

/// How a request is to end.
enum class Kind : std::uint8_t {
  answered,
  trailers_only,   ///< an error in the only HEADERS
  error_trailers,  ///< an error after a message
  reset_by_pod,
  cancelled_at_once,
  cancelled_midway,  ///< while a large reply is on its way
  unread,            ///< the reply ends before the request
  echoed,            ///< large both ways
};

/// Most are small, as most calls are; one in eight is large.
constexpr std::array kMix{
    Kind::answered,     Kind::trailers_only,     Kind::error_trailers, Kind::answered,
    Kind::reset_by_pod, Kind::cancelled_at_once, Kind::answered,       Kind::cancelled_midway,
    Kind::answered,     Kind::trailers_only,     Kind::error_trailers, Kind::answered,
    Kind::reset_by_pod, Kind::cancelled_at_once, Kind::answered,       Kind::unread,
    Kind::answered,     Kind::trailers_only,     Kind::error_trailers, Kind::answered,
    Kind::reset_by_pod, Kind::answered,          Kind::answered,       Kind::echoed};

std::string path_of(Kind kind) {
  return "/" + std::to_string(static_cast<int>(kind));
}

test::Answer answer_to(const test::SeenRequest& request) {
  const std::string path = request.header(":path").value_or("");
  if (path == path_of(Kind::trailers_only)) {
    return test::grpc_trailers_only(5, "not found");
  }
  if (path == path_of(Kind::error_trailers)) {
    return test::grpc_answer({"half"}, 9, "failed");
  }
  if (path == path_of(Kind::reset_by_pod)) {
    return {.reset = kInternalError};
  }
  if (path == path_of(Kind::cancelled_midway)) {
    return {.filler_bytes = kLarge, .at_head = true};
  }
  if (path == path_of(Kind::unread)) {
    return {.body = "enough", .at_head = true, .reads = false};
  }
  if (path == path_of(Kind::echoed)) {
    return {.echo = true};
  }
  return test::grpc_answer({"answer"});
}

/// How long it goes on: until there are so many requests, and for so long.
struct Extent {
  std::uint64_t n_requests;
  std::chrono::seconds duration;
};

/// One client's part: requests over one connection, some at a time.
class Caller {
 public:
  explicit Caller(std::uint16_t port) : client_{port} {}

  void call(const Extent& extent) {
    const std::uint64_t n_enough = n_begun_ + extent.n_requests;
    const auto ends_at = test::SteadyClock::now() + extent.duration;
    const auto goes_on = [&] { return n_begun_ < n_enough || test::SteadyClock::now() < ends_at; };
    while (goes_on() || !open_.empty()) {
      while (open_.size() < kAtOnce && goes_on()) {
        begin(kMix[n_begun_++ % kMix.size()]);
      }
      client_.pump_until(
          "replies of the soak", [&] { return end_some() || open_.empty(); }, 60s);
    }
  }

  /// Any thread.
  [[nodiscard]] std::uint64_t n_begun() const { return n_begun_; }

  int n_wrong = 0;
  std::string wrong;  ///< the first that ended as it should not

 private:
  struct Open {
    test::StreamId stream;
    Kind kind;
    bool is_cancelled = false;
  };

  void begin(Kind kind) {
    const test::StreamId stream = client_.open_grpc("cart.shop", path_of(kind));
    Open& open = open_.emplace_back(Open{stream, kind});
    if (kind == Kind::cancelled_at_once) {
      cancel(open);
    } else if (kind == Kind::unread || kind == Kind::echoed) {
      client_.send_filler(stream, kLarge);
      client_.end(stream);
    } else if (kind != Kind::cancelled_midway) {
      client_.send(stream, test::grpc_frame("question"));
      client_.end(stream);
    }
  }

  void cancel(Open& open) {
    open.is_cancelled = true;
    client_.reset(open.stream, kCancel);
  }

  bool end_some() {
    for (Open& open : open_) {
      if (open.kind == Kind::cancelled_midway && client_.peek(open.stream).body_bytes > 0) {
        cancel(open);
      }
    }
    return std::erase_if(open_, [this](const Open& open) {
             const test::Reply& reply = client_.peek(open.stream);
             const bool has_ended = open.is_cancelled || reply.ended || reply.reset_code;
             if (has_ended) {
               judge(open, reply);
               client_.forget(open.stream);
             }
             return has_ended;
           }) > 0;
  }

  void judge(const Open& open, const test::Reply& reply) {
    const bool is_right = open.is_cancelled || is_as_wanted(open.kind, reply);
    if (!is_right && n_wrong++ == 0) {
      wrong = path_of(open.kind) + ": status " + std::to_string(reply.status) + ", gRPC " +
              std::to_string(reply.grpc_status()) + ", " + std::to_string(reply.body_bytes) +
              " bytes, " + reply.header("nodeway-error").value_or("");
    }
  }

  static bool is_as_wanted(Kind kind, const test::Reply& reply) {
    switch (kind) {
      case Kind::trailers_only:
        return reply.grpc_status() == 5;
      case Kind::error_trailers:
        return reply.grpc_status() == 9 && reply.body_bytes > 0;
      case Kind::reset_by_pod:
        return reply.header("nodeway-error") == "upstream_reset";
      case Kind::unread:
        return reply.body == "enough";
      case Kind::echoed:
        return reply.body_bytes == kLarge;
      default:
        return reply.grpc_status() == 0;
    }
  }

  test::H2Client client_;
  std::vector<Open> open_;
  std::atomic<std::uint64_t> n_begun_ = 0;
};

/// Long where that is asked for and the binary is the one that users run.
bool is_long() {
  const char* is_long =
      std::getenv("NODEWAY_TEST_LONG");  // NOLINT(concurrency-mt-unsafe): read only
  const bool wants_long = is_long != nullptr && std::string_view{is_long} == "1";
  return wants_long && !test::is_sanitized();
}

/// One connection each, over which requests go in parts, one after the other.
class Callers {
 public:
  explicit Callers(test::OneService& path) : path_{path} {
    for (int i = 0; i < kClients; ++i) {
      callers_.push_back(std::make_unique<Caller>(path.router.listen_port()));
    }
  }

  /// All at the same time.
  void call(const Extent& extent) {
    std::atomic<int> n_calling = kClients;
    std::vector<std::string> failures(kClients);
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < kClients; ++i) {
      threads.emplace_back([&, i] {
        try {
          callers_[i]->call({extent.n_requests / kClients, extent.duration});
        } catch (const test::Failure& failure) {
          failures[i] = failure.what();
        }
        --n_calling;
      });
    }
    while (n_calling > 0) {
      std::this_thread::sleep_for(50ms);
      path_.upstream.clear();  // three million records are more than a test needs
      tell_now_and_then();
    }
    for (std::size_t i = 0; i < kClients; ++i) {
      threads[i].join();
      CHECK(failures[i].empty());
      CHECK(callers_[i]->n_wrong == 0);
      CHECK(callers_[i]->wrong.empty());
    }
  }

  [[nodiscard]] std::uint64_t n_begun() const {
    std::uint64_t n = 0;
    for (const auto& caller : callers_) {
      n += caller->n_begun();
    }
    return n;
  }

  [[nodiscard]] std::chrono::seconds age() const {
    return std::chrono::duration_cast<std::chrono::seconds>(test::SteadyClock::now() - began_at_);
  }

 private:
  /// A line for whoever waits for the long form.
  void tell_now_and_then() {
    constexpr auto kBetween = 30s;
    if (age() < told_at_ + kBetween) {
      return;
    }
    told_at_ = age();
    std::printf("soak: %llu requests in %lld s, nodeway has %zu KiB\n",
                static_cast<unsigned long long>(n_begun()),
                static_cast<long long>(told_at_.count()),
                path_.router.rss_bytes() >> 10U);
    std::fflush(stdout);
  }

  test::OneService& path_;
  std::vector<std::unique_ptr<Caller>> callers_;
  test::SteadyClock::time_point began_at_ = test::SteadyClock::now();
  std::chrono::seconds told_at_{0};
};

}  // namespace

TEST_CASE("nodeway: after a soak every counter adds up, and all credit has been returned",
          "[integration][soak][promise]") {
  const Extent warm_up = is_long() ? Extent{300'000, 60s} : Extent{2'000, 0s};
  const Extent rest = is_long() ? Extent{2'700'000, 540s} : Extent{18'000, 0s};
  test::OneService path{{.answer = answer_to}};
  Callers callers{path};

  callers.call(warm_up);
  const std::size_t rss_before = path.router.rss_bytes();
  callers.call(rest);
  const std::size_t rss_after = path.router.rss_bytes();

  CHECK(callers.n_begun() >= warm_up.n_requests + rest.n_requests);
  CHECK(callers.age() >= warm_up.duration + rest.duration);
  path.router.wait_metric("nodeway_streams_open", 0);
  path.upstream.wait_until_open(0);
  const double n_counted = path.router.metric("nodeway_requests_total");
  CHECK(n_counted == path.router.metric("nodeway_responses_total"));
  CHECK(n_counted == static_cast<double>(callers.n_begun()));
  CHECK(path.router.metric("nodeway_buffer_bytes") == 0);
  // That windows stay as they are, where many streams bring much, is no fault.
  CHECK(path.router.metric("nodeway_limit_hits_total") ==
        path.router.metric("nodeway_limit_hits_total", {{"limit", "window_growth"}}));
  CHECK(path.upstream.connections_seen() <= 4);  // else a leak could have been left behind
  CHECK(path.upstream.complaints().empty());
  if (!test::is_sanitized()) {
    CHECK(rss_after <= rss_before + (8U << 20U));
  }
}
