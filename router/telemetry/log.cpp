// SPDX-License-Identifier: Apache-2.0
#include "router/telemetry/log.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <memory>
#include <mutex>
#include <poll.h>
#include <spdlog/async.h>
#include <spdlog/sinks/base_sink.h>
#include <string>
#include <unistd.h>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace router::telemetry {
namespace {

constexpr std::array<std::string_view, 4> kLevelNames{"debug", "info", "warning", "error"};

constexpr std::size_t kQueueLines = 4096;  // about 1 MB of lines, a minute at the highest rate

std::string_view name_of(LogLevel level) {
  return kLevelNames[static_cast<std::size_t>(level)];
}

// RFC 3339 in UTC with milliseconds.
std::string timestamp(std::chrono::system_clock::time_point at) {
  const auto millis = std::chrono::floor<std::chrono::milliseconds>(at);
  const auto whole = std::chrono::floor<std::chrono::seconds>(millis);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(whole)),
                     (millis - whole).count());
}

// A line stays a line whatever a peer or a file has put into it.
std::string without_control_characters(std::string_view text) {
  std::string clean{text};
  std::replace_if(
      clean.begin(),
      clean.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; },
      ' ');
  return clean;
}

std::string format_json(const LogLine& line) {
  const auto quoted = [](std::string_view text) {
    return nlohmann::json(std::string{text})
        .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  std::string text = fmt::format(R"({{"ts":"{}","level":"{}","msg":{},"component":{})",
                                 timestamp(line.at),
                                 name_of(line.level),
                                 quoted(line.message),
                                 quoted(line.component));
  if (!line.error.empty()) {
    text += R"(,"error":)" + quoted(line.error);
  }
  return text + "}";
}

std::string format_text(const LogLine& line) {
  std::string text = fmt::format("{} {:<7} {}: {}",
                                 timestamp(line.at),
                                 name_of(line.level),
                                 line.component,
                                 without_control_characters(line.message));
  if (!line.error.empty()) {
    text += ": " + without_control_characters(line.error);
  }
  return text;
}

/// Writes to stderr, by the system's call: a stream would be locked while a write waits, and the
/// end of the process waits for that lock.
class StderrSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  /// From here on what stderr does not take within `kLastWaits` is left out. Any thread.
  void hurry() noexcept { is_hurried_ = true; }

 private:
  static constexpr std::chrono::milliseconds kWait{100};
  static constexpr int kLastWaits = 20;  // 2 s in all: less than anybody waits for the end

  void sink_it_(const spdlog::details::log_msg& line) override {
    std::string text{line.payload.begin(), line.payload.end()};
    text += '\n';
    std::string_view rest = text;
    while (!rest.empty() && wait_until_writable()) {
      // A pipe that can be written to has room for as much.
      const ssize_t written =
          ::write(STDERR_FILENO, rest.data(), std::min<std::size_t>(rest.size(), PIPE_BUF));
      if (written < 0 && errno != EINTR && errno != EAGAIN) {
        return;  // nobody reads it any more
      }
      rest.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
    }
  }

  void flush_() override {}

  bool wait_until_writable() {
    for (;;) {
      pollfd out{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
      if (::poll(&out, 1, static_cast<int>(kWait.count())) > 0) {
        return true;
      }
      if (is_hurried_ && ++last_waits_ > kLastWaits) {
        return false;
      }
    }
  }

  std::atomic<bool> is_hurried_{false};
  int last_waits_ = 0;
};

// The open log. Made by start_logging and torn down by stop_logging; `log` may be called at any
// time between and around.
struct OpenLog {
  LogFormat format;
  LogLevel lowest;
  std::shared_ptr<spdlog::details::thread_pool>
      writer;                        // shared with the logger, as spdlog wants it
  std::shared_ptr<StderrSink> sink;  // likewise
  std::shared_ptr<spdlog::async_logger> logger;
  LogRate rate;
};

std::mutex& log_mutex() {
  static std::mutex mutex;
  return mutex;
}

std::unique_ptr<OpenLog>& open_log() {
  static std::unique_ptr<OpenLog> log;
  return log;
}

void write(OpenLog& log, const LogLine& line) {
  log.logger->log(spdlog::level::info, format_log_line(log.format, line));
}

}  // namespace

std::string format_log_line(LogFormat format, const LogLine& line) {
  return format == LogFormat::json ? format_json(line) : format_text(line);
}

bool LogRate::admits(TimePoint now) noexcept {
  // Wall time may jump: a step back earns nothing, a step forward at most the burst.
  const double elapsed_s = std::chrono::duration<double>{now - last_}.count();
  tokens_ = std::min(kBurst, tokens_ + std::max(0.0, elapsed_s) * kPerSecond);
  last_ = now;
  if (tokens_ < 1) {
    ++suppressed_;
    return false;
  }
  tokens_ -= 1;
  return true;
}

std::uint64_t LogRate::take_suppressed() noexcept {
  return std::exchange(suppressed_, 0);
}

void start_logging(LogFormat format, LogLevel lowest) {
  auto writer = std::make_shared<spdlog::details::thread_pool>(kQueueLines, 1U);
  auto sink = std::make_shared<StderrSink>();
  auto logger = std::make_shared<spdlog::async_logger>(
      "nodeway", sink, writer, spdlog::async_overflow_policy::overrun_oldest);
  logger->set_pattern("%v");
  const std::lock_guard lock{log_mutex()};
  open_log() = std::make_unique<OpenLog>(
      OpenLog{format, lowest, std::move(writer), std::move(sink), std::move(logger), LogRate{}});
}

void stop_logging() {
  std::unique_ptr<OpenLog> closing;
  {
    const std::lock_guard lock{log_mutex()};
    closing = std::move(open_log());
  }
  if (closing) {
    closing->sink->hurry();
  }
  // Destroying it joins the writing thread, which empties the queue first.
}

void log(LogLevel level,
         std::string_view component,
         std::string_view message,
         std::string_view error) {
  const auto now = std::chrono::system_clock::now();
  const std::lock_guard lock{log_mutex()};
  OpenLog* const open = open_log().get();
  if (open == nullptr || level < open->lowest || !open->rate.admits(now)) {
    return;
  }
  if (const std::uint64_t suppressed = open->rate.take_suppressed(); suppressed > 0) {
    const std::string text =
        fmt::format("{} log lines were left out: more than the log's rate", suppressed);
    write(
        *open,
        {.at = now, .level = LogLevel::warning, .component = "log", .message = text, .error = {}});
  }
  write(*open,
        {.at = now, .level = level, .component = component, .message = message, .error = error});
}

}  // namespace router::telemetry
