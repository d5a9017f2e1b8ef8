// SPDX-License-Identifier: Apache-2.0
#include "router/exchange/headers.hpp"

#include <string>

#include <catch2/catch.hpp>

namespace router {
namespace {

std::string name_of(int number) {
  return "x-" + std::to_string(number);
}

}  // namespace

TEST_CASE("HeaderList: finds and removes by the whole name, however alike others are",
          "[exchange]") {
  HeaderList list;
  for (int i = 0; i < 200; i += 2) {
    list.add_copy(name_of(i), std::to_string(i));
  }

  for (int i = 0; i < 200; ++i) {
    CAPTURE(i);
    const bool is_there = i % 2 == 0;
    CHECK(list.find(name_of(i)).value_or("none") == (is_there ? std::to_string(i) : "none"));
    CHECK(list.remove(name_of(i)) == (is_there ? 1 : 0));
    CHECK_FALSE(list.find(name_of(i)));
  }
  CHECK(list.empty());
}

TEST_CASE("HeaderList: finds the first of several, and removes all of them", "[exchange]") {
  HeaderList list;
  list.add({"via", "1"});
  list.add({"te", "trailers"});
  list.add({"via", "2"});

  CHECK(list.find("via") == "1");
  CHECK(list.remove("via") == 2);
  CHECK(list.size() == 1);
  list.add({"via", "3"});
  CHECK(list.find("via") == "3");
}

TEST_CASE("size_of: the text of all fields, and 32 bytes for each", "[exchange]") {
  HeaderList fields;
  CHECK(size_of(fields) == 0);

  fields.add({"a", "12"});
  fields.add_copy("bc", "");

  CHECK(size_of(fields) == 3 + 2 + 2 * 32);
}

TEST_CASE("HeaderList: an empty list has nothing, nor one that was moved from", "[exchange]") {
  HeaderList list;
  CHECK_FALSE(list.find("via"));
  CHECK_FALSE(list.find(""));
  list.add({"via", "1"});

  HeaderList other = std::move(list);

  CHECK(other.find("via") == "1");
  list = {};
  CHECK_FALSE(list.find("via"));
}

}  // namespace router
