// SPDX-License-Identifier: Apache-2.0
#include "k8s_client/inflater.hpp"

#include <new>
#include <utility>
#include <zlib.h>

namespace k8s_client {
namespace {

constexpr int kGzipOnly = 16;  // added to the window's bits; zlib.h, inflateInit2

}  // namespace

void Inflater::End::operator()(z_stream_s* stream) const noexcept {
  inflateEnd(stream);
  delete stream;
}

Inflater::Inflater() {
  auto stream = std::make_unique<z_stream_s>();
  if (inflateInit2(stream.get(), MAX_WBITS + kGzipOnly) != Z_OK) {
    throw std::bad_alloc{};  // the only way in which it fails
  }
  stream_.reset(stream.release());
}

void Inflater::feed(std::string chunk) {
  chunk_ = std::move(chunk);
  stream_->next_in = reinterpret_cast<Bytef*>(chunk_.data());
  stream_->avail_in = static_cast<uInt>(chunk_.size());
}

Result<std::string> Inflater::next() {
  std::string part(kMaxPartBytes, '\0');
  stream_->next_out = reinterpret_cast<Bytef*>(part.data());
  stream_->avail_out = static_cast<uInt>(part.size());
  while (stream_->avail_out > 0) {
    is_between_members_ = is_between_members_ && stream_->avail_in == 0;
    const int result = inflate(stream_.get(), Z_NO_FLUSH);
    if (result == Z_STREAM_END) {
      is_between_members_ = true;
      inflateReset(stream_.get());
    } else if (result == Z_BUF_ERROR) {
      break;  // all that can come out of this chunk is out
    } else if (result != Z_OK) {
      return Failure{Errc::malformed_reply, "reply: is not gzip"};
    }
  }
  part.resize(part.size() - stream_->avail_out);
  return part;
}

}  // namespace k8s_client
