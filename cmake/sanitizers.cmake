# SPDX-License-Identifier: Apache-2.0
# SANITIZE="address;undefined" or "thread" instruments everything but tests/demo, whose grpc++ is not instrumented.
add_library(project_sanitizers INTERFACE)
if(SANITIZE)
  string(REPLACE ";" "," sanitize_list "${SANITIZE}")
  target_compile_options(project_sanitizers INTERFACE -fsanitize=${sanitize_list} -fno-omit-frame-pointer)
  target_link_options(project_sanitizers INTERFACE -fsanitize=${sanitize_list})
  if("undefined" IN_LIST SANITIZE)
    target_compile_options(project_sanitizers INTERFACE -fno-sanitize-recover=undefined)
  endif()
  if("thread" IN_LIST SANITIZE)
    # gcc warns at every std::atomic_thread_fence, which Asio uses in one place that needs no help from TSan.
    target_compile_options(project_sanitizers INTERFACE -Wno-tsan)
  endif()
  # All objects of one link must agree, so that Asio's own library is instrumented too.
  target_link_libraries(asio_beast PUBLIC project_sanitizers)
endif()
