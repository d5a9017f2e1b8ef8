// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

/// The process's log: one line each on stderr. Whoever serves requests logs nothing per request.
namespace router::telemetry {

enum class LogLevel : std::uint8_t { debug, info, warning, error };
enum class LogFormat : std::uint8_t { json, text };

/// One line before it is written.
struct LogLine {
  std::chrono::system_clock::time_point at;
  LogLevel level = LogLevel::info;
  std::string_view component;  ///< who says it: `control`, `admin`, `app`…
  std::string_view message;
  std::string_view error;  ///< what failed and why; empty: the field is left out
};

/// JSON with the fields `ts level msg component error`, always one line and always valid UTF-8, or
/// text for people.
[[nodiscard]] std::string format_log_line(LogFormat format, const LogLine& line);

/// Lets through a burst of `kBurst` lines and then `kPerSecond`; counts what it held back. Not
/// thread-safe.
class LogRate {
 public:
  using TimePoint = std::chrono::system_clock::time_point;

  static constexpr double kPerSecond = 50;  ///< a person reads less, a disk holds more
  static constexpr double kBurst =
      500;  ///< what a start with a broken folder of many files has to say

  [[nodiscard]] bool admits(TimePoint now) noexcept;
  /// How many lines were held back since the last call.
  [[nodiscard]] std::uint64_t take_suppressed() noexcept;

 private:
  double tokens_ = kBurst;
  std::uint64_t suppressed_ = 0;
  TimePoint last_{};
};

/// Opens the log. Before it, and after `stop_logging`, lines are dropped. Called once, by the
/// composition root.
void start_logging(LogFormat format, LogLevel lowest);
/// Writes out what is queued; what stderr does not take within 2 s is left out. No line may be on
/// its way in another thread.
void stop_logging();

/// Queues one line for the log's own thread: never waits for stderr. Any thread. Lines beyond
/// `LogRate` are counted and summed up in a line of their own; where stderr does not keep up, the
/// oldest of `kQueueLines` are overwritten.
void log(LogLevel level,
         std::string_view component,
         std::string_view message,
         std::string_view error = {});

}  // namespace router::telemetry
