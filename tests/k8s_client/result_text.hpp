// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "k8s_client/errc.hpp"

#include <string>

#include <catch2/catch.hpp>

/// A failed `REQUIRE(result)` says why it failed.
template <class T>
struct Catch::StringMaker<boost::system::result<T, k8s_client::Failure>> {
  static std::string convert(const boost::system::result<T, k8s_client::Failure>& result) {
    return result ? "a value" : "failure: " + result.error().message();
  }
};
