# SPDX-License-Identifier: Apache-2.0
# Profile-guided optimisation of the data plane (docs/adr/0007-release-build.md): what links project_profile is
# instrumented (NODEWAY_PROFILE=record) or compiled by what such a binary has recorded (use). profile.sh does the recording.
set(NODEWAY_PROFILE "" CACHE STRING "Profile of the data plane: record, use, or empty for none")
set(profiles "${CMAKE_SOURCE_DIR}/build/profile")
add_library(project_profile INTERFACE)
if(NODEWAY_PROFILE STREQUAL "record")
  target_compile_options(project_profile INTERFACE
    -fprofile-generate=${profiles}/recording -fprofile-prefix-path=${CMAKE_BINARY_DIR} -fprofile-update=prefer-atomic)
  target_link_options(project_profile INTERFACE -fprofile-generate)
elseif(NODEWAY_PROFILE STREQUAL "use" AND EXISTS "${profiles}/stamp")
  file(STRINGS "${profiles}/stamp" profile)
  # What was not run while recording is compiled for speed all the same, not for size.
  target_compile_options(project_profile INTERFACE
    -fprofile-use=${profiles}/${profile} -fprofile-prefix-path=${CMAKE_BINARY_DIR} -fprofile-partial-training
    # Of sources without one, and of those edited since: they are compiled as without a profile.
    -Wno-missing-profile -Wno-coverage-mismatch)
elseif(NODEWAY_PROFILE)
  message(WARNING "no profile in ${profiles}: the data plane is compiled without one, which costs some 25 % more "
    "instructions per request (cmake/build.sh release records it)")
endif()
