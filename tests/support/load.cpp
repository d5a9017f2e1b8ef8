// SPDX-License-Identifier: Apache-2.0
#include "tests/support/load.hpp"

#include "tests/support/h2_client.hpp"

#include <algorithm>
#include <utility>

namespace test {
namespace {
constexpr std::size_t kRecordedFailures = 100;
}

Load::Load(std::uint16_t port, std::string authority, int concurrency)
    : thread_{[this, port, authority = std::move(authority), concurrency] {
        try {
          run(port, authority, concurrency);
        } catch (const Failure& failure) {
          const std::lock_guard lock{mutex_};
          failures_.emplace_back(failure.what());
        }
      }} {}

Load::~Load() {
  stopping_ = true;
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Load::wait_for_more(std::uint64_t n_requests) const {
  const std::uint64_t wanted = succeeded() + n_requests;
  eventually("successes under load", [&] { return succeeded() >= wanted; });
}

LoadResult Load::stop() {
  stopping_ = true;
  thread_.join();
  const std::lock_guard lock{mutex_};
  return {.succeeded = succeeded(), .failures = failures_};
}

void Load::run(std::uint16_t port, const std::string& authority, int concurrency) {
  H2Client client{port};
  std::vector<StreamId> under_way;
  while (!stopping_ || !under_way.empty()) {
    while (!stopping_ && std::cmp_less(under_way.size(), concurrency)) {
      under_way.push_back(client.open_get(authority, "/"));
    }
    const auto has_ended = [&](StreamId stream) {
      return client.peek(stream).ended || client.peek(stream).reset_code;
    };
    client.pump_until("replies under load",
                      [&] { return std::any_of(under_way.begin(), under_way.end(), has_ended); });
    std::erase_if(under_way, [&](StreamId stream) {
      if (!has_ended(stream)) {
        return false;
      }
      record(client.peek(stream));
      client.forget(stream);
      return true;
    });
  }
}

void Load::record(const Reply& reply) {
  if (reply.status == 200 && reply.ended) {
    ++succeeded_;
    return;
  }
  const std::lock_guard lock{mutex_};
  if (failures_.size() < kRecordedFailures) {
    failures_.push_back("status " + std::to_string(reply.status) + ", " +
                        reply.header("nodeway-error").value_or("no reason") +
                        (reply.reset_code ? ", reset " + std::to_string(*reply.reset_code) : ""));
  }
}

}  // namespace test
