// SPDX-License-Identifier: Apache-2.0
// The table of docs/headers.md, "HTTP/1.1 messages that are refused", in both directions: raw bytes
// to the real listener, and raw bytes of an endpoint. What two peers could read differently ends
// its connection; what is behind it is never a message.
#include "tests/integration/http1_service.hpp"
#include "tests/integration/one_service.hpp"
#include "tests/support/raw_h2.hpp"

#include <catch2/catch.hpp>

namespace {

using test::Http1Answer;
using test::Http1Client;
using test::Http1Request;
using test::Http1Service;
using test::Reply;

const std::string kHead = "POST / HTTP/1.1\r\nHost: cart.shop\r\n";
const std::string kChunked = kHead + "Transfer-Encoding: chunked\r\n\r\n";
/// What would be answered if the message before it ended too early.
const std::string kSmuggledRequest = "GET /smuggled HTTP/1.1\r\nHost: cart.shop\r\n\r\n";
const std::string kSmuggledReply = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

struct Row {
  std::string what;
  std::string bytes;
};

/// Lines of a head that are refused in a request and in a reply alike.
const std::vector<Row>& ambiguous_lines() {
  static const std::vector<Row> rows{
      {"a coding that begins like chunked", "Transfer-Encoding: xchunked\r\n"},
      {"a coding that ends like chunked", "Transfer-Encoding: chunkedx\r\n"},
      {"a coding behind chunked", "Transfer-Encoding: chunked, identity\r\n"},
      {"a coding before chunked", "Transfer-Encoding: gzip, chunked\r\n"},
      {"identity alone", "Transfer-Encoding: identity\r\n"},
      {"chunked twice in a field", "Transfer-Encoding: chunked, chunked\r\n"},
      {"chunked in two fields", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"},
      {"chunked, then another field", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"},
      {"another field, then chunked", "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n"},
      {"chunked with a comma", "Transfer-Encoding: chunked,\r\n"},
      {"chunked with a parameter", "Transfer-Encoding: chunked;q=1\r\n"},
      {"chunked in quotes", "Transfer-Encoding: \"chunked\"\r\n"},
      {"an empty coding", "Transfer-Encoding:\r\n"},
      {"a vertical tab before the coding", "Transfer-Encoding: \x0b\x63hunked\r\n"},
      {"a form feed behind the coding", "Transfer-Encoding: chunked\x0c\r\n"},
      {"a length beside a coding", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"},
      {"a coding beside a length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"},
      {"a length of 0 beside a coding", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"},
      {"equal lengths in a field", "Content-Length: 1, 1\r\n"},
      {"equal lengths in two fields", "Content-Length: 1\r\nContent-Length: 1\r\n"},
      {"two lengths", "Content-Length: 1\r\nContent-Length: 2\r\n"},
      {"a length with a plus", "Content-Length: +1\r\n"},
      {"a length with a minus", "Content-Length: -1\r\n"},
      {"a hexadecimal length", "Content-Length: 0x1\r\n"},
      {"a length with a fraction", "Content-Length: 1.0\r\n"},
      {"a length with a space in it", "Content-Length: 1 1\r\n"},
      {"an empty length", "Content-Length:\r\n"},
      {"a length beyond 64 bits", "Content-Length: 18446744073709551617\r\n"},
      {"a folded line", "X-A: b\r\n c\r\n"},
      {"a folded Transfer-Encoding", "Transfer-Encoding:\r\n chunked\r\n"},
      {"a folded Content-Length", "Content-Length:\r\n\t1\r\n"},
      {"a space before the colon of a coding", "Transfer-Encoding : chunked\r\n"},
      {"a space before the colon of a length", "Content-Length : 1\r\n"},
      {"a tab before the colon", "X-A\t: b\r\n"},
      {"a NUL in a name", std::string{"Transfer-Encoding\0: chunked\r\n", 29}},
      {"a NUL in a value", std::string{"X-A: b\0c\r\n", 10}},
      {"a byte beyond ASCII in a name", "Transfer-Encoding\xa0: chunked\r\n"},
      {"an empty name", ": b\r\n"},
      {"a line without a colon", "X-A\r\n"},
      {"a line that ends in LF alone", "X-A: b\nTransfer-Encoding: chunked\r\n"},
      {"a line that ends in CR alone", "X-A: b\rTransfer-Encoding: chunked\r\n"},
      {"a CR too many", "X-A: b\r\r\n"},
      {"a head that ends in LF alone", "X-A: b\r\n\n"},
      {"a control character in a value", "X-A: b\x01\r\n"},
      {"a DEL in a value", "X-A: b\x7f\r\n"},
  };
  return rows;
}

const std::vector<Row>& refused_heads() {
  static const std::vector<Row> rows{
      {"no Host", "GET / HTTP/1.1\r\n\r\n"},
      {"no Host with an absolute target", "GET http://cart.shop/ HTTP/1.1\r\n\r\n"},
      {"two Hosts", "GET / HTTP/1.1\r\nHost: cart.shop\r\nHost: other.shop\r\n\r\n"},
      {"two equal Hosts", "GET / HTTP/1.1\r\nHost: cart.shop\r\nHost: cart.shop\r\n\r\n"},
      {"a Host with a list", "GET / HTTP/1.1\r\nHost: cart.shop, other.shop\r\n\r\n"},
      {"a Host with a path", "GET / HTTP/1.1\r\nHost: cart.shop/x\r\n\r\n"},
      {"a Host with a user", "GET / HTTP/1.1\r\nHost: other.shop@cart.shop\r\n\r\n"},
      {"a target with a user", "GET http://a@cart.shop/ HTTP/1.1\r\nHost: cart.shop\r\n\r\n"},
      {"a target that is no URI", "GET cart.shop/ HTTP/1.1\r\nHost: cart.shop\r\n\r\n"},
      {"a coding in HTTP/1.0",
       "POST / HTTP/1.0\r\nHost: cart.shop\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"a coding in HTTP/1.0 that says it is kept alive",
       "POST / HTTP/1.0\r\nHost: cart.shop\r\nConnection: keep-alive\r\nTransfer-Encoding: "
       "chunked\r\n\r\n0\r\n\r\n"},
      {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: cart.shop\r\n\r\n"},
      {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: cart.shop\r\n\r\n"},
      {"HTTP/0.9", "GET /\r\n\r\n"},
      {"two spaces in the request line", "GET  / HTTP/1.1\r\nHost: cart.shop\r\n\r\n"},
      {"a tab in the request line", "GET\t/ HTTP/1.1\r\nHost: cart.shop\r\n\r\n"},
      {"a space in the target", "GET /a b HTTP/1.1\r\nHost: cart.shop\r\n\r\n"},
      {"a space behind the version", "GET / HTTP/1.1 \r\nHost: cart.shop\r\n\r\n"},
      {"a request line that ends in LF alone", "GET / HTTP/1.1\nHost: cart.shop\r\n\r\n"},
      {"white space before the first field", "GET / HTTP/1.1\r\n Host: cart.shop\r\n\r\n"},
      {"a reply", "HTTP/1.1 200 OK\r\nHost: cart.shop\r\n\r\n"},
      {"two empty lines before", "\r\n\r\nGET / HTTP/1.1\r\nHost: cart.shop\r\n\r\n"},
  };
  return rows;
}

/// Bodies in chunks, as far as they come, that are refused in a request and in a reply alike.
const std::vector<Row>& ambiguous_chunks() {
  static const std::vector<Row> rows{
      {"a size that is no number", "x\r\nabcd\r\n0\r\n\r\n"},
      {"no size", "\r\nabcd\r\n0\r\n\r\n"},
      {"a size with a prefix", "0x4\r\nabcd\r\n0\r\n\r\n"},
      {"a size with a plus", "+4\r\nabcd\r\n0\r\n\r\n"},
      {"a size with a minus", "-4\r\nabcd\r\n0\r\n\r\n"},
      {"a space before a size", " 4\r\nabcd\r\n0\r\n\r\n"},
      {"a space behind a size", "4 \r\nabcd\r\n0\r\n\r\n"},
      {"an underscore in a size", "1_0\r\nabcd\r\n0\r\n\r\n"},
      {"a size beyond 64 bits", "10000000000000004\r\nabcd\r\n0\r\n\r\n"},
      {"a size that ends in LF alone", "4\nabcd\r\n0\r\n\r\n"},
      {"a size that ends in CR alone", "4\rabcd\r\n0\r\n\r\n"},
      {"an extension that ends in LF alone", "4;a\nabcd\r\n0\r\n\r\n"},
      {"an extension with a CR in it", "4;a\rb\r\nabcd\r\n0\r\n\r\n"},
      {"a chunk that ends in LF alone", "4\r\nabcd\n0\r\n\r\n"},
      {"a chunk that is longer than its size", "4\r\nabcdef\r\n0\r\n\r\n"},
      {"a chunk that is shorter than its size", "5\r\nabcd\r\n0\r\n\r\n"},
      {"a last chunk that ends in LF alone", "4\r\nabcd\r\n0\n\r\n"},
      {"a trailer that ends in LF alone", "4\r\nabcd\r\n0\r\nX-A: b\n\r\n"},
      {"a folded trailer", "4\r\nabcd\r\n0\r\nX-A: b\r\n c\r\n\r\n"},
      {"a trailer with a space before its colon", "4\r\nabcd\r\n0\r\nX-A : b\r\n\r\n"},
      {"a request where trailers would be", "4\r\nabcd\r\n0\r\n" + kSmuggledRequest},
  };
  return rows;
}

/// Sends `bytes` and a request behind them on a connection of its own, which must end with a 400.
void check_refused(Http1Service& path, const std::string& bytes) {
  Http1Client client{path.router.listen_port()};

  client.send(bytes + kSmuggledRequest);
  const Reply reply = client.read_reply();

  CHECK(reply.status == 400);
  CHECK(reply.header("nodeway-error") == "bad_request");
  CHECK(reply.header("connection") == "close");
  CHECK_NOTHROW(client.wait_closed());
  CHECK(path.upstream.requests_seen() == 0);
}

/// An endpoint that says what a row has for a request whose path is the row's number.
test::Http1Upstream::Script answers_of(const std::vector<Row>& rows) {
  return [&rows](const Http1Request& request) {
    const std::size_t slash = request.request_line.find('/');
    const std::string number =
        request.request_line.substr(slash + 1, request.request_line.find(' ', slash) - slash - 1);
    return number == "fine" ? test::http1_answer(200, "fine")
                            : Http1Answer{.raw = rows.at(std::stoul(number)).bytes};
  };
}

}  // namespace

TEST_CASE(
    "nodeway: a request whose end is a matter of opinion is refused, and nothing behind it "
    "is read",
    "[integration][http1][smuggling]") {
  Http1Service path{test::http1_answer(200, "ok")};

  for (const Row& row : ambiguous_lines()) {
    INFO(row.what);
    check_refused(path, kHead + row.bytes + "\r\n1\r\na\r\n0\r\n\r\n");
  }
  for (const Row& row : refused_heads()) {
    INFO(row.what);
    check_refused(path, row.bytes);
  }
  for (const Row& row : ambiguous_chunks()) {
    INFO(row.what);
    check_refused(path, kChunked + row.bytes);
  }

  const std::size_t n_rows =
      ambiguous_lines().size() + refused_heads().size() + ambiguous_chunks().size();
  CHECK(path.router.metric("nodeway_responses_total", {{"reason", "bad_request"}}) ==
        static_cast<double>(n_rows));
}

TEST_CASE("nodeway: what is no HTTP is refused at its first bytes", "[integration][http1]") {
  Http1Service path{test::http1_answer(200, "ok")};
  const std::string bytes = GENERATE(std::string{"\x16\x03\x01\x02\x00\x01\x00", 7},  // TLS
                                     std::string{"\0\0\0\x10", 4},
                                     std::string{"EHLO cart.shop\r\n"},
                                     std::string{"SSH-2.0-OpenSSH_9.2\r\n"},
                                     std::string{" GET / HTTP/1.1"});
  CAPTURE(bytes);

  path.client.send(bytes);  // and no more: it must not be waited for

  CHECK(path.client.read_reply().status == 400);
  CHECK_NOTHROW(path.client.wait_closed());
}

TEST_CASE("nodeway: what every reader understands alike is passed on, framed anew",
          "[integration][http1][smuggling]") {
  struct Sound {
    std::string what;
    std::string bytes;
    std::string body;
  };
  const std::vector<Sound> rows{
      {"chunked in upper case",
       kHead + "Transfer-Encoding: CHUNKED\r\n\r\n1\r\na\r\n0\r\n\r\n",
       "a"},
      {"chunked with spaces around it",
       kHead + "Transfer-Encoding: \t chunked \t\r\n\r\n1\r\na\r\n0\r\n\r\n",
       "a"},
      {"a length with zeros before it", kHead + "Content-Length: 0004\r\n\r\nabcd", "abcd"},
      {"a chunk's size with zeros before it", kChunked + "004\r\nabcd\r\n0\r\n\r\n", "abcd"},
      {"chunk extensions",
       kChunked + "4;ext\r\nabcd\r\n4; ext=\"a;b\"\r\nefgh\r\n0;ext\r\n\r\n",
       "abcdefgh"},
      {"an empty line before", "\r\n" + kHead + "Content-Length: 1\r\n\r\na", "a"},
      {"an absolute target",
       "POST http://cart.shop/ HTTP/1.1\r\nHost: ext\r\nContent-Length: "
       "1\r\n\r\na",
       "a"},
      {"trailers that frame, route or authorise",
       kChunked + "1\r\na\r\n0\r\nContent-Length: 5\r\nTransfer-Encoding: ext\r\nHost: ext\r\n"
                  "Authorization: ext\r\nCookie: ext\r\nL5d-Dst-Override: ext\r\n\r\n",
       "a"},
  };
  Http1Service path{test::http1_answer(200, "ok")};

  std::size_t n_seen = 0;
  for (const Sound& row : rows) {
    INFO(row.what);
    path.client.send(row.bytes);
    REQUIRE(path.client.read_reply().status == 200);
    const Http1Request seen = path.upstream.requests().at(n_seen++);
    CHECK(seen.request_line == "POST / HTTP/1.1");
    CHECK(seen.header("host") == "cart.shop");
    CHECK(seen.body == row.body);
    CHECK(seen.raw.find("ext") == std::string::npos);
    CHECK(test::count(seen.headers, "content-length") +
              test::count(seen.headers, "transfer-encoding") ==
          1);
  }
  CHECK(path.router.metric("nodeway_client_connections_total") == 1);
}

TEST_CASE(
    "nodeway: an endpoint's head that can be read in two ways is a 502, and nothing behind "
    "it is a reply",
    "[integration][http1][smuggling]") {
  std::vector<Row> rows;
  for (const Row& row : ambiguous_lines()) {
    rows.push_back({row.what, "HTTP/1.1 200 OK\r\n" + row.bytes + "\r\n1\r\na\r\n0\r\n\r\n"});
  }
  for (const Row& row : std::vector<Row>{
           {"a coding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
           {"a coding with 204", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"},
           {"a coding with 103", "HTTP/1.1 103 Early\r\nTransfer-Encoding: chunked\r\n\r\n"},
           {"101 that nobody asked for",
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"},
           {"HTTP/1.2", "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n"},
           {"HTTP/2", "HTTP/2 200\r\nContent-Length: 0\r\n\r\n"},
           {"another protocol", "ICY 200 OK\r\nContent-Length: 0\r\n\r\n"},
           {"no status", "HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n"},
           {"a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"},
           {"a status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"},
           {"an empty line before", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
           {"no head at all", "{\"answer\": 42}\r\n\r\n"}}) {
    rows.push_back(row);
  }
  for (Row& row : rows) {
    row.bytes += kSmuggledReply;
  }
  Http1Service path{answers_of(rows), "http"};
  test::H2Client h2{path.router.listen_port()};

  for (std::size_t i = 0; i < rows.size(); ++i) {
    INFO(rows[i].what);
    const std::string target = "/" + std::to_string(i);
    for (const Reply& reply :
         {path.client.post("cart.shop", target, ""), h2.post("cart.shop", target, "")}) {
      CHECK(reply.status == 502);
      CHECK(reply.header("nodeway-error") == "upstream_protocol_error");
      CHECK(reply.body.find("evil") == std::string::npos);
    }
    CHECK(path.client.get("cart.shop", "/fine").body == "fine");
  }
}

TEST_CASE("nodeway: an endpoint's chunks that can be read in two ways break the reply off",
          "[integration][http1][smuggling]") {
  std::vector<Row> rows = ambiguous_chunks();
  for (Row& row : rows) {
    row.bytes.insert(0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    row.bytes += kSmuggledReply;
  }
  Http1Service path{answers_of(rows), "http"};
  test::H2Client h2{path.router.listen_port()};

  for (std::size_t i = 0; i < rows.size(); ++i) {
    INFO(rows[i].what);
    const std::string target = "/" + std::to_string(i);
    Http1Client h1{path.router.listen_port()};
    for (const Reply& reply :
         {h1.post("cart.shop", target, ""), h2.post("cart.shop", target, "")}) {
      CHECK((reply.status == 502 || !reply.ended));
      CHECK(reply.body.find("evil") == std::string::npos);
    }
    CHECK(h2.get("cart.shop", "/fine").body == "fine");
  }
}

TEST_CASE("nodeway: what an endpoint sends behind its reply is nobody's reply",
          "[integration][http1][smuggling]") {
  struct Longer {
    std::string what;
    std::string bytes;
    int status = 200;
    std::string body;
    bool to_head = false;
  };
  const std::vector<Longer> rows{
      {"more than its length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
      {"more than its chunks",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;ext\r\nok\r\n0\r\n\r\n",
       200,
       "ok"},
      {"a body with 204", "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", 204, ""},
      {"a body with 304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, ""},
      {"a body to HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 200, "", true},
      {"a body to HEAD in chunks",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
       200,
       "",
       true},
  };
  std::vector<Row> scripted;
  scripted.reserve(rows.size());
  for (const Longer& row : rows) {
    scripted.push_back({row.what, row.bytes + kSmuggledReply});
  }
  Http1Service path{answers_of(scripted), "http"};
  test::H2Client h2{path.router.listen_port()};

  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Longer& row = rows[i];
    INFO(row.what);
    const std::string method = row.to_head ? "HEAD" : "POST";
    const std::string target = "/" + std::to_string(i);
    path.client.send(test::http1_head(method, "cart.shop", target, {}));
    const Reply over_h1 = path.client.read_reply(row.to_head);
    const Reply over_h2 =
        h2.wait(h2.open(test::request_headers(method, "cart.shop", target), true));
    for (const Reply& reply : {over_h1, over_h2}) {
      CHECK(reply.status == row.status);
      CHECK(reply.body == row.body);
      CHECK(reply.ended);
    }
    CHECK(path.client.get("cart.shop", "/fine").body == "fine");
    CHECK(h2.get("cart.shop", "/fine").body == "fine");
  }
}

TEST_CASE("nodeway: HTTP/2 cannot smuggle a request to an HTTP/1.1 endpoint",
          "[integration][http1][smuggling]") {
  struct Smuggled {
    std::string what;
    test::Headers more;
    std::string body;
  };
  const std::string hidden = "0\r\n\r\n" + kSmuggledRequest;
  const auto row = GENERATE_COPY(values<Smuggled>({
      {"a length that is too short", {{"content-length", "4"}}, "abcd" + kSmuggledRequest},
      {"a length that is too long", {{"content-length", "400"}}, "abcd"},
      {"two lengths", {{"content-length", "4"}, {"content-length", "5"}}, "abcd"},
      {"a length that is no number", {{"content-length", "+4"}}, "abcd"},
      {"a coding", {{"transfer-encoding", "chunked"}}, hidden},
      {"a value of two lines", {{"x-a", "b\r\ntransfer-encoding: chunked"}}, hidden},
      {"a name with a colon", {{"transfer-encoding:x", "chunked"}}, hidden},
      {"a name of two lines", {{"x-a: b\r\ntransfer-encoding", "chunked"}}, hidden},
      {"two Hosts", {{"host", "other.shop"}, {"host", "cart.shop"}}, "abcd"},
  }));
  CAPTURE(row.what);
  Http1Service path{test::http1_answer(200, "ok"), "http"};
  test::RawH2 raw{path.router.listen_port()};
  raw.shake_hands();
  test::Headers headers = test::request_headers("POST", "cart.shop", "/");
  headers.insert(headers.end(), row.more.begin(), row.more.end());

  raw.send_headers(1, headers, false);
  raw.send(
      {.type = test::FrameType::data, .flags = test::kEndStream, .stream = 1, .payload = row.body});
  raw.expect_stream_error(1);

  CHECK(path.client.get("cart.shop", "/fine").status == 200);
  REQUIRE(path.upstream.requests_seen() == 1);
  CHECK(path.upstream.requests()[0].request_line == "GET /fine HTTP/1.1");
}

TEST_CASE("nodeway: a method and a path of HTTP/2 stay one line of HTTP/1.1",
          "[integration][http1][smuggling]") {
  const auto headers = GENERATE(values<test::Headers>({
      test::request_headers("GET / HTTP/1.1\r\nx: y", "cart.shop", "/"),
      test::request_headers("GET /smuggled HTTP/1.1", "cart.shop", "/"),
      test::request_headers("GET", "cart.shop", "/ HTTP/1.1\r\nhost: other.shop\r\n\r\n"),
      test::request_headers("GET", "cart.shop", "/a b"),
      test::request_headers("GET", "cart.shop\r\nx: y", "/"),
      test::request_headers("GET", "cart.shop", "http://other.shop/"),
  }));
  Http1Service path{test::http1_answer(200, "ok"), "http"};
  test::H2Client h2{path.router.listen_port()};

  const Reply reply = h2.wait(h2.open(headers, true));

  CHECK((reply.reset_code || reply.status == 400));
  CHECK(path.upstream.requests_seen() == 0);
}

TEST_CASE("nodeway: fields of an HTTP/2 endpoint do not frame an HTTP/1.1 reply",
          "[integration][http1][smuggling]") {
  const auto headers = GENERATE(values<test::Headers>({
      {{"transfer-encoding", "chunked"}},
      {{"connection", "keep-alive"}},
      {{"content-length", "4"}, {"content-length", "4"}},
      {{"content-length", "2"}},
      {{"content-length", "9"}},
      {{"content-length", "+4"}},
  }));
  test::OneService path{test::answer(200, "evil", headers)};
  path.cluster.add_service(
      "web.shop", 80, {path.upstream.endpoint()}, {.app_protocol = "kubernetes.io/h2c"});
  Http1Client client{path.router.listen_port()};
  test::eventually("the other Service to be known", [&] {
    return path.client.get("web.shop", "/").header("nodeway-error") != "unknown_service";
  });

  const Reply reply = client.get("web.shop", "/");

  CHECK((reply.status == 502 || !reply.ended));
}
