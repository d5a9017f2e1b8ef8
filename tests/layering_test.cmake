# SPDX-License-Identifier: Apache-2.0
# cmake -DROOT=FOLDER -P layering_test.cmake: fails, naming file and line, on every edge between modules that the
# layout does not allow, and on clocks, random seeds and threads in places that must not have them.
cmake_minimum_required(VERSION 3.25)

set(breaches "")

# forbid(WHAT pattern REASON text IN glob… [BUT regex…]): no line of the files may match `pattern`.
function(forbid)
  cmake_parse_arguments(arg "" "WHAT;REASON" "IN;BUT" ${ARGN})
  set(globs "")
  foreach(folder IN LISTS arg_IN)
    list(APPEND globs "${ROOT}/${folder}/*.hpp" "${ROOT}/${folder}/*.cpp")
  endforeach()
  file(GLOB_RECURSE files RELATIVE "${ROOT}" ${globs})
  foreach(file IN LISTS files)
    set(is_exempt FALSE)
    foreach(exempt IN LISTS arg_BUT)
      if(file MATCHES "^(${exempt})")
        set(is_exempt TRUE)
      endif()
    endforeach()
    if(is_exempt)
      continue()
    endif()
    file(STRINGS "${ROOT}/${file}" lines REGEX "${arg_WHAT}")
    foreach(line IN LISTS lines)
      string(STRIP "${line}" line)
      if(NOT line MATCHES "^//")
        set(breaches "${breaches}\n  ${file}: ${line}\n    ${arg_REASON}")
      endif()
    endforeach()
  endforeach()
  set(breaches "${breaches}" PARENT_SCOPE)
endfunction()

# Only `#include "…"` and `<…>` lines; CMake's regular expressions know no `\s`.
set(include "^[ \t]*#[ \t]*include[ \t]*[<\"]")

forbid(IN balancer WHAT "${include}(router|k8s_client|tests|boost|nghttp2|openssl|fmt|nlohmann|yaml-cpp|httplib|spdlog)"
  REASON "balancer includes only the standard library and itself")
forbid(IN balancer WHAT "(steady_clock|system_clock)::now|std::(mutex|thread|jthread|atomic)|#include <(mutex|thread|iostream|fstream)>"
  REASON "balancer is pure: no clock, no thread, no I/O")
forbid(IN k8s_client WHAT "${include}(router|balancer|tests)/" REASON "k8s_client knows no routing")
forbid(IN k8s_client WHAT "${include}(nghttp2|httplib|CLI|prometheus)"
  REASON "k8s_client uses std, Boost, OpenSSL, zlib, nlohmann_json, yaml-cpp and the logger")
forbid(IN router BUT router/control/ router/app[.]cpp router/make_source[.] WHAT "${include}k8s_client/"
  REASON "only router/control composes the API's objects with routing (router/app.cpp owns the source that router/make_source.cpp makes)")
forbid(IN router BUT router/cluster/ WHAT "${include}balancer/" REASON "only router/cluster decides with balancer")
forbid(IN balancer k8s_client router WHAT "${include}tests/" REASON "the product does not know its tests")
forbid(IN balancer k8s_client router WHAT "${include}(grpcpp|grpc|google/protobuf)/" REASON "grpc++ belongs to tests/demo")

forbid(IN k8s_client router BUT k8s_client/clock[.] router/worker/loop[.]cpp router/telemetry/log[.]cpp router/cli/
  WHAT "(steady_clock|system_clock|Clock)::now\\("
  REASON "time is read in SteadyClock and Loop only, and handed on (lines of the log and the command line live in real time)")
forbid(IN balancer k8s_client router BUT router/main[.]cpp WHAT "random_device"
  REASON "random seeds are drawn in main.cpp only")

# The data plane: thread per core, nothing shared, nothing blocking.
set(data_plane router/cluster router/exchange router/h1 router/h2 router/listen router/pool router/resolve router/route
  router/tls router/worker)
forbid(IN ${data_plane} WHAT "std::(mutex|shared_mutex|recursive_mutex|condition_variable|thread|jthread|async|this_thread)"
  REASON "the data plane has no locks and starts no threads")
forbid(IN ${data_plane} WHAT "${include}(httplib|nlohmann|yaml-cpp)"
  REASON "JSON, YAML and blocking HTTP belong to the control plane")

if(breaches)
  message(FATAL_ERROR "Layering is broken:${breaches}")
endif()
