// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "router/h2/session.hpp"
#include "tests/fuzz/h2_rig.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>

namespace fuzz {

/// One stream of an `H2Rig`: checks the order and the form of all that it is told, and answers as
/// the rig's seed has it. A server's sends back what it gets.
class H2Stream final : public router::h2::StreamEvents {
 public:
  explicit H2Stream(H2Rig& rig) : rig_{rig} {}

  std::list<H2Stream>::iterator self;  ///< where the rig holds it
  router::h2::StreamId id = 0;

  /// Client: opens the stream.
  void begin_request();
  void resume() { rig_.session_.resume(id); }
  /// Returns to the peer's window whatever is still charged to it.
  void consume();
  void reset(router::Reset how);

 private:
  static constexpr int kNoStatus = -1;

  void on_field(router::HeaderField field) override;
  void on_fields_end(bool end_stream) override;
  void on_data(std::span<const std::byte> bytes) override;
  void on_end_stream() override;
  void on_sent(bool end_stream) override;
  void on_stream_closed(std::uint32_t h2_error_code) override;
  [[nodiscard]] router::Pulled pull(std::span<std::byte> into) override;
  [[nodiscard]] const router::HeaderList& outgoing_trailers() const override { return trailers_; }

  void check_form(const router::HeaderField& field) const;
  [[nodiscard]] bool is_server() const noexcept { return rig_.role_ == router::h2::Role::server; }
  void answer();

  H2Rig& rig_;
  router::RequestHead request_;  ///< kept for nghttp2, which refers to its text, as is `reply_`
  router::ReplyHead reply_;
  router::HeaderList trailers_;
  router::HeaderList received_;  ///< holds nghttp2's buffers beyond the call, as an exchange does
  std::string outgoing_;
  std::size_t uncredited_bytes_ = 0;
  int status_ = kNoStatus;  ///< client: of the block being read
  bool has_plain_field_ = false;
  bool has_head_ = false;
  bool has_ended_ = false;
  bool has_answered_ = false;
  bool has_sent_end_ = false;
  bool is_reset_ = false;
};

}  // namespace fuzz
