// SPDX-License-Identifier: Apache-2.0
// The one source that compiles Asio, its TLS part, and Beast; see dependencies.cmake.
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
