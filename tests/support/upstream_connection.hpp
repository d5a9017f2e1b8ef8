// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/h2_parts.hpp"
#include "tests/support/upstream.hpp"

#include <cstdint>
#include <map>
#include <memory>

namespace test {

/// One accepted connection of an `Upstream`: plays its script over an nghttp2 server session. All
/// calls are made by the upstream, under its mutex.
class UpstreamConnection {
 public:
  UpstreamConnection(Upstream& upstream, Fd socket, int number);
  UpstreamConnection(const UpstreamConnection&) = delete;
  UpstreamConnection& operator=(const UpstreamConnection&) = delete;
  ~UpstreamConnection();

  [[nodiscard]] int fd() const { return socket_.fd().get(); }
  [[nodiscard]] short wanted_events() const;
  void on_ready(short events);
  /// Writes what is queued; done after each turn of the upstream's loop.
  void flush();
  [[nodiscard]] bool is_over() const { return is_over_; }

  void release();
  void reset_streams(std::uint32_t code);
  void announce_shutdown();
  void finish_shutdown();
  void abort() { is_over_ = true; }

 private:
  struct Stream {
    std::shared_ptr<SeenRequest> seen;  ///< see Upstream::requests_
    Answer answer;
    OutBody out;
    Headers head;  ///< the head (or trailers) that is arriving
    bool is_held = false;
    bool is_answered = false;
  };
  struct Callbacks;

  Stream* find_stream(std::int32_t id);
  void on_request_head(Stream& stream, std::int32_t id);
  void on_request_end(Stream& stream, std::int32_t id);
  void on_data(Stream& stream, std::int32_t id, std::string_view bytes);
  void on_frame_sent(const nghttp2_frame& frame);
  void begin_answer(Stream& stream, std::int32_t id);
  void answer_now(Stream& stream, std::int32_t id);
  void forget_stream(std::int32_t id, std::uint32_t code);

  Upstream& upstream_;
  SessionSocket socket_;
  int number_;
  SessionPtr session_;
  std::map<std::int32_t, std::unique_ptr<Stream>>
      streams_;  ///< unique_ptr: nghttp2 keeps pointers to the bodies
  std::optional<int> go_away_after_;
  int n_streams_ = 0;
  std::int32_t last_accepted_ = 0;
  bool is_shutting_down_ = false;
  bool is_over_ = false;
};

}  // namespace test
