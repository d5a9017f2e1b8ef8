// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/h2/session.hpp"
#include "tests/fuzz/input.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <random>
#include <string>

namespace fuzz {

class H2Stream;

/// A connection without a socket around one session, which treats it as the router's connections do
/// and holds it to what its header promises. The script is the peer.
///
/// A script begins with a seed for all that the streams choose, and a byte of options. Then come
/// frames in short: type, flags, stream, length, payload, a byte each but the last; length 255 is a
/// full frame of zeros, without a payload in the script. The rig writes the true header, so that
/// most mutations are still frames. A type from `kFirstAction` on is no
/// frame but something that the router does. `Option::raw`: the rest is bytes as they come off the
/// wire.
class H2Rig final : private router::h2::SessionEvents {
 public:
  static constexpr std::uint8_t kFirstAction = 0xf0;

  H2Rig(router::h2::Role role, Input script);
  H2Rig(const H2Rig&) = delete;
  H2Rig& operator=(const H2Rig&) = delete;
  ~H2Rig();

  /// Client: opens a stream, if the peer allows one more.
  void open_request();
  /// Plays the script to its end, ends the connection, and checks what became of the streams.
  void run();

 private:
  friend class H2Stream;
  enum Option : std::uint8_t { raw = 1, no_greeting = 2 };
  enum class Action : std::uint8_t {
    exchange,  ///< what the peer has sent is read, and all there is to write is written
    read,      ///< only the former: our output queues up
    announce_shutdown,
    finish,
    resume,
    consume,
    reset_first,
    reset_last,
    open,
  };

  [[nodiscard]] router::h2::StreamEvents* on_new_stream(router::h2::StreamId id) override;
  void on_settings() override;
  void on_goaway() override { is_going_away_ = true; }
  void on_ping_ack() override;
  void on_invalid_frame() override {}
  void on_limit_hit(router::telemetry::Limit /*limit*/) override {}

  void play_frames();
  void add_frame(std::uint8_t type);
  void act(Action action);
  void read();
  void write();
  void end();
  /// From 0 to below `n`.
  [[nodiscard]] std::uint32_t draw(std::uint32_t n) {
    return static_cast<std::uint32_t>(rng_() % n);
  }

  router::h2::Role role_;
  Input script_;
  std::minstd_rand rng_;
  std::uint8_t options_;
  router::h2::SessionLimits limits_;
  // The order is the router's: streams go first, and the session then knows none of them any more.
  router::BufferShare buffers_;
  router::h2::Session session_;
  std::list<H2Stream> streams_;
  std::string unread_;  ///< what the peer has sent and the session has not been fed
  std::size_t n_opened_ = 0;
  std::size_t n_closed_ = 0;
  bool is_alive_ = true;
  bool is_draining_ = false;
  bool is_going_away_ = false;
};

}  // namespace fuzz
