// SPDX-License-Identifier: Apache-2.0
#include "tests/support/http1_client.hpp"

#include "tests/support/h2_parts.hpp"

#include <poll.h>

namespace test {
namespace {

Header parse_header(const std::string& line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string::npos) {
    throw Failure{"no header: " + line};
  }
  const std::size_t value = line.find_first_not_of(' ', colon + 1);
  return {line.substr(0, colon), value == std::string::npos ? "" : line.substr(value)};
}

int parse_status(const std::string& line) {
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  if (line.size() < kVersion.size() + 3 || !line.starts_with("HTTP/1.")) {
    throw Failure{"no status line: " + line};
  }
  return std::stoi(line.substr(kVersion.size(), 3));
}

}  // namespace

Reply Http1Client::get(const std::string& host, const std::string& target, const Headers& extra) {
  send(http1_head("GET", host, target, extra));
  return read_reply();
}

Reply Http1Client::post(const std::string& host,
                        const std::string& target,
                        std::string_view body,
                        const Headers& extra) {
  Headers headers{{"Content-Length", std::to_string(body.size())}};
  headers.insert(headers.end(), extra.begin(), extra.end());
  send(http1_head("POST", host, target, headers).append(body));
  return read_reply();
}

void Http1Client::send(std::string_view raw_bytes) {
  send_all(socket_, raw_bytes, Deadline{"the peer to take a request"});
}

void Http1Client::send_after_continue(std::string_view body) {
  const Deadline deadline{"100 Continue"};
  std::string line;
  if (!take_line(line, deadline) || parse_status(line) != 100) {
    throw Failure{"no 100 Continue: " + line};
  }
  while (take_line(line, deadline) && !line.empty()) {
  }
  send(body);
}

Reply Http1Client::read_reply(bool to_head_request) {
  const Deadline deadline{"an HTTP/1.1 reply"};
  Reply reply;
  if (!read_head(reply, deadline)) {
    reply.reset_code = NGHTTP2_INTERNAL_ERROR;
    return reply;
  }
  const bool has_no_body = to_head_request || reply.status == 204 || reply.status == 304;
  if (has_no_body) {
    reply.ended = true;
  } else {
    read_body(reply, deadline);
  }
  if (!reply.ended) {
    reply.reset_code = NGHTTP2_INTERNAL_ERROR;
  }
  reply.body_bytes = reply.body.size();
  return reply;
}

void Http1Client::wait_closed() {
  const Deadline deadline{"the peer to close"};
  if (!buffer_.empty() || read_more(deadline)) {
    throw Failure{"the peer has sent instead of closing: " + buffer_};
  }
}

bool Http1Client::read_more(const Deadline& deadline) {
  for (;;) {
    wait_for(socket_, POLLIN, deadline);
    const Received received = receive_some(socket_);
    buffer_ += received.bytes;
    if (!received.bytes.empty() || received.closed) {
      return !received.closed;
    }
  }
}

bool Http1Client::read_head(Reply& reply, const Deadline& deadline) {
  for (;;) {
    std::string line;
    if (!take_line(line, deadline)) {
      return false;
    }
    const int status = parse_status(line);
    Headers headers;
    while (take_line(line, deadline) && !line.empty()) {
      headers.push_back(parse_header(line));
    }
    if (status >= 200 || status == 101) {
      reply.status = status;
      reply.headers = std::move(headers);
      return true;
    }
    headers.insert(headers.begin(), {":status", std::to_string(status)});
    reply.informational.push_back(std::move(headers));
  }
}

void Http1Client::read_body(Reply& reply, const Deadline& deadline) {
  if (reply.header("transfer-encoding")) {
    read_chunks(reply, deadline);
  } else if (const auto length = reply.header("content-length")) {
    reply.ended = buffer_at_least(std::stoul(*length), deadline);
    reply.body = buffer_.substr(0, std::stoul(*length));
    buffer_.erase(0, reply.body.size());
  } else {
    while (read_more(deadline)) {
    }
    reply.body = std::exchange(buffer_, {});
    reply.ended = true;  // the end of the connection is the end of the body
  }
}

void Http1Client::read_chunks(Reply& reply, const Deadline& deadline) {
  std::string line;
  while (take_line(line, deadline)) {
    const std::size_t size = std::stoul(line, nullptr, 16);
    if (size == 0) {
      while (take_line(line, deadline)) {
        if (line.empty()) {
          reply.ended = true;
          return;
        }
        reply.trailers.push_back(parse_header(line));
      }
      return;
    }
    constexpr std::size_t kLineEnd = 2;
    if (!buffer_at_least(size + kLineEnd, deadline)) {
      return;
    }
    reply.body += buffer_.substr(0, size);
    buffer_.erase(0, size + kLineEnd);
  }
}

bool Http1Client::buffer_at_least(std::size_t n_bytes, const Deadline& deadline) {
  while (buffer_.size() < n_bytes) {
    if (!read_more(deadline)) {
      return false;
    }
  }
  return true;
}

bool Http1Client::take_line(std::string& line, const Deadline& deadline) {
  std::size_t end = buffer_.find("\r\n");
  while (end == std::string::npos) {
    if (!read_more(deadline)) {
      return false;
    }
    end = buffer_.find("\r\n");
  }
  line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return true;
}

std::string http1_head(const std::string& method,
                       const std::string& host,
                       const std::string& target,
                       const Headers& extra) {
  std::string head = method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n";
  for (const Header& header : extra) {
    head += header.name + ": " + header.value + "\r\n";
  }
  return head + "\r\n";
}

}  // namespace test
