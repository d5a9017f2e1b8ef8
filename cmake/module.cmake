# SPDX-License-Identifier: Apache-2.0
# add_module(NAME SOURCES file… [DEPENDS target…]): a static library of one module, with the project's warnings.
function(add_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_include_directories(${name} PUBLIC "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PUBLIC ${arg_DEPENDS} PRIVATE project_warnings PUBLIC project_sanitizers)
endfunction()

# add_tests(NAME LABEL label SOURCES file… DEPENDS target…): one Catch2 executable, and one ctest entry for it.
# TIMEOUT_S bounds its run (60 s unless given).
function(add_tests name)
  cmake_parse_arguments(arg "" "LABEL;TIMEOUT_S" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE catch_main project_warnings project_sanitizers ${arg_DEPENDS})
  add_test(NAME ${name} COMMAND ${name})
  if(NOT arg_TIMEOUT_S)
    set(arg_TIMEOUT_S 60)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABEL}" TIMEOUT ${arg_TIMEOUT_S})
endfunction()
