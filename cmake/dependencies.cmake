# SPDX-License-Identifier: Apache-2.0
# Every outside library, the oldest version that works, and what it is needed for. All come from the distribution
# (docs/adr/0001-dependencies.md); their packages are listed in packages.txt.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)                                       # Asio, Beast, system::result
find_package(OpenSSL 3.0 REQUIRED)                                      # TLS to the API server, and from clients
find_package(ZLIB 1.2.13 REQUIRED)                                      # the API server's lists, compressed
find_package(fmt 9 REQUIRED)                                            # text formatting
find_package(nlohmann_json 3.11 REQUIRED)                               # the API server's objects, the admin's JSON
find_package(yaml-cpp 0.7 REQUIRED)                                     # configuration, folders of Kubernetes YAML
find_package(spdlog 1.10 REQUIRED)                                      # logging
find_package(CLI11 2.1 REQUIRED)                                        # flags and subcommands
include(nghttp2)                                                        # HTTP/2 framing and HPACK
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares>=1.18)        # DNS of names outside of the cluster
if(NOT SANITIZE)
  find_package(mimalloc 2.0 REQUIRED)                                   # the allocator; sanitizers bring their own
endif()
pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib>=0.11)   # admin server, the CLI's calls to it
pkg_check_modules(PROMETHEUS REQUIRED IMPORTED_TARGET prometheus-cpp-core>=1.0)  # the metrics text format

# Asio and Beast are compiled once, into this library, instead of into each source that includes them.
add_library(asio_beast STATIC "${CMAKE_SOURCE_DIR}/cmake/asio_beast.cpp")
target_link_libraries(asio_beast PUBLIC Boost::headers OpenSSL::SSL Threads::Threads)
target_compile_definitions(asio_beast PUBLIC BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
  BOOST_ASIO_NO_DEPRECATED)
