# SPDX-License-Identifier: Apache-2.0
# Target nghttp2: the distribution's shared library; or, where NODEWAY_NGHTTP2 names its source (nghttp2.sh), a static one that
# link-time optimisation reaches into. The header is the distribution's, of the same version, either way.
pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2>=1.52)
set(NODEWAY_NGHTTP2 "" CACHE PATH "Source of nghttp2 to compile in, as cmake/nghttp2.sh fetches it; empty for the shared library")
if(NODEWAY_NGHTTP2 AND NOT EXISTS "${NODEWAY_NGHTTP2}/stamp")
  message(WARNING "no source of nghttp2 in ${NODEWAY_NGHTTP2}: the shared library is linked, which costs some 15 % more "
    "instructions per request (cmake/build.sh release fetches it)")
endif()

if(EXISTS "${NODEWAY_NGHTTP2}/stamp")
  enable_language(C)
  file(GLOB sources "${NODEWAY_NGHTTP2}/*.c")
  add_library(nghttp2 STATIC ${sources})
  target_compile_definitions(nghttp2 PUBLIC NGHTTP2_STATICLIB
    PRIVATE HAVE_ARPA_INET_H HAVE_CLOCK_GETTIME HAVE_NETINET_IN_H HAVE_TIME_H)
  target_link_libraries(nghttp2 PRIVATE project_profile)
else()
  add_library(nghttp2 ALIAS PkgConfig::NGHTTP2)
endif()
