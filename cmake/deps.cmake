# Every foreign library, in one place. Required ones stop the configuration with the package to
# install; optional ones say in one line what is lost without them.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(CURL REQUIRED)
find_package(SQLite3 REQUIRED)
# The client library alone: FindPostgreSQL of CMake 3.25 asks for the server's headers too.
pkg_check_modules(PQ REQUIRED IMPORTED_TARGET libpq)
find_package(nlohmann_json REQUIRED)
find_package(simdjson REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(tl-expected REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(CLI11 REQUIRED)
pkg_check_modules(TSS2 REQUIRED IMPORTED_TARGET tss2-esys tss2-mu tss2-rc tss2-tctildr)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(FUSE3 REQUIRED IMPORTED_TARGET fuse3>=3.14)
pkg_check_modules(P11 REQUIRED p11-kit-1)  # headers alone: PKCS#11 modules are loaded at run time
pkg_check_modules(CBOR REQUIRED IMPORTED_TARGET libcbor)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)

find_path(XGBOOST_INCLUDE_DIR xgboost/c_api.h)
if(NOT XGBOOST_INCLUDE_DIR)
    message(FATAL_ERROR "xgboost/c_api.h not found: install libxgboost-dev")
endif()

find_path(IPSEC_MB_INCLUDE_DIR intel-ipsec-mb.h)
find_library(IPSEC_MB_LIBRARY IPSec_MB)
if(IPSEC_MB_INCLUDE_DIR AND IPSEC_MB_LIBRARY)
    message(STATUS "ipsec-mb: found, AES-GCM uses it where it is faster")
else()
    message(STATUS "ipsec-mb: not found (libipsec-mb-dev), AES-GCM uses OpenSSL alone")
endif()

if(VS_TESTS)
    find_package(GTest REQUIRED)
endif()
if(VS_BENCH)
    find_package(benchmark REQUIRED)
endif()

# -O2: -O3 costs compile time and wins nothing measurable here. -Wno-restrict: false alarms of GCC 12
# about std::string (GCC bug 105651).
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
add_library(vs_flags INTERFACE)
target_compile_options(vs_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wunused-result
    -Wno-missing-field-initializers -Werror -fstack-protector-strong
    $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
target_compile_definitions(vs_flags INTERFACE $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>
    _GLIBCXX_ASSERTIONS
    # With it a text on the left of == is no JSON to Clang, which knows P2468 and GCC 12 does not.
    $<$<CXX_COMPILER_ID:Clang>:JSON_HAS_THREE_WAY_COMPARISON=0>)
target_link_options(vs_flags INTERFACE -Wl,-z,relro,-z,now)
# GCC's garbage collector takes a fifth of the time at its default size; this costs up to 400 MB for each
# compiler that runs.
target_compile_options(vs_flags INTERFACE
    $<$<CXX_COMPILER_ID:GNU>:--param=ggc-min-heapsize=400000>)

find_program(MOLD mold)
if(MOLD)
    target_link_options(vs_flags INTERFACE -fuse-ld=mold)
endif()
find_program(CCACHE ccache)
if(CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
    set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()

# Tests are compiled without optimization: half of the build's time otherwise, and their speed is that
# of the libraries they call.
add_library(vs_test_flags INTERFACE)
target_link_libraries(vs_test_flags INTERFACE vs_flags)
target_compile_options(vs_test_flags INTERFACE -O0 -U_FORTIFY_SOURCE)
