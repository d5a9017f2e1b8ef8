# SPDX-License-Identifier: Apache-2.0
# cmake -DBINARY=FILE -P links_no_grpc_test.cmake: fails if FILE needs grpc++ or protobuf, directly or through a library.
execute_process(COMMAND ldd "${BINARY}" OUTPUT_VARIABLE libraries RESULT_VARIABLE code)
if(NOT code EQUAL 0 OR NOT libraries MATCHES "libnghttp2")
  message(FATAL_ERROR "ldd ${BINARY} does not show the libraries of nodeway:\n${libraries}")
endif()
if(libraries MATCHES "lib(grpc|protobuf)[^ ]*")
  message(FATAL_ERROR "${BINARY} needs ${CMAKE_MATCH_0}")
endif()
