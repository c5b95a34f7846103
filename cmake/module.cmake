# Precompiled headers: one for libraries, one for tests. Two owners, because code for a library (-fPIC)
# and for a program (-fPIE) cannot share one.
option(VS_PCH "Precompile common headers" ON)
if(VS_PCH)
    file(WRITE ${CMAKE_BINARY_DIR}/pch_owner.cpp.in "")
    configure_file(${CMAKE_BINARY_DIR}/pch_owner.cpp.in ${CMAKE_BINARY_DIR}/pch_owner.cpp COPYONLY)
    file(WRITE ${CMAKE_BINARY_DIR}/pch_main.cpp.in "int main() {}\n")
    configure_file(${CMAKE_BINARY_DIR}/pch_main.cpp.in ${CMAKE_BINARY_DIR}/pch_main.cpp COPYONLY)
    add_library(vs_pch STATIC ${CMAKE_BINARY_DIR}/pch_owner.cpp)
    target_link_libraries(vs_pch PRIVATE vs_flags fmt::fmt nlohmann_json::nlohmann_json tl::expected)
    target_precompile_headers(vs_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.h)
    if(VS_TESTS)
        add_executable(vs_pch_tests ${CMAKE_BINARY_DIR}/pch_main.cpp)
        target_include_directories(vs_pch_tests PRIVATE ${CMAKE_SOURCE_DIR})
        target_link_libraries(vs_pch_tests PRIVATE vs_test_flags fmt::fmt nlohmann_json::nlohmann_json
            tl::expected GTest::gmock GTest::gtest)
        target_precompile_headers(vs_pch_tests PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch_test.h)
    endif()
endif()

# A test program with a removal_test.cpp brings its own Checks::require, in which one check can be
# removed to see that a test needs it: vouchsafe/base/check_removal.h. The linker takes it before the
# library's.
if(VS_TESTS)
    add_library(vs_removable OBJECT EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/vouchsafe/base/result.cpp)
    target_include_directories(vs_removable PRIVATE ${CMAKE_SOURCE_DIR})
    target_compile_definitions(vs_removable PRIVATE VS_CHECK_REMOVAL VS_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    target_link_libraries(vs_removable PRIVATE vs_test_flags fmt::fmt tl::expected)
endif()

# Tests are compiled in groups of four of a folder, which saves most of what templates cost; those in
# APART (they share names with a neighbour) alone. Libraries are so in builds that nobody edits in; an
# edited file of the program should not wait for its neighbours. result.cpp stays alone, for
# vs_removable to take its place.
option(VS_UNITY "Compile libraries in groups too" OFF)
function(vouchsafe_group target apart)
    get_target_property(sources ${target} SOURCES)
    list(FILTER sources EXCLUDE REGEX "^/.*/result\\.cpp$")
    foreach(source ${sources})
        cmake_path(GET source PARENT_PATH folder)
        cmake_path(GET folder FILENAME folder)
        cmake_path(GET source FILENAME name)
        if(name IN_LIST apart)
            continue()
        endif()
        math(EXPR group "0${count_${folder}} / 4")
        math(EXPR count_${folder} "0${count_${folder}} + 1")
        set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${folder}_${group})
    endforeach()
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
endfunction()

# vouchsafe_module(NAME DEPENDS m... [LIBS l...] [INCLUDES d...] [APART f...])
#
# Makes the static library vouchsafe_NAME of every *.cpp in the folder and the folders in it, and the
# test binary NAME_test of every *_test.cpp. DEPENDS is the list of modules whose headers this one may
# include: the stage `layers` compares it with the includes.
function(vouchsafe_module name)
    cmake_parse_arguments(M "" "" "DEPENDS;LIBS;INCLUDES;APART" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS *.cpp */*.cpp)
    file(GLOB tests CONFIGURE_DEPENDS *_test.cpp */*_test.cpp)
    list(REMOVE_ITEM sources ${tests})
    if(NOT sources)
        return()
    endif()
    add_library(vouchsafe_${name} STATIC ${sources})
    target_include_directories(vouchsafe_${name} PUBLIC ${CMAKE_SOURCE_DIR})
    target_include_directories(vouchsafe_${name} SYSTEM PRIVATE ${M_INCLUDES})
    list(TRANSFORM M_DEPENDS PREPEND vouchsafe_ OUTPUT_VARIABLE depends)
    target_link_libraries(vouchsafe_${name} PUBLIC ${depends} PRIVATE vs_flags ${M_LIBS})
    if(VS_PCH)
        target_precompile_headers(vouchsafe_${name} REUSE_FROM vs_pch)
    endif()
    if(VS_UNITY)
        vouchsafe_group(vouchsafe_${name} "${M_APART}")
    endif()
    if(VS_TESTS AND tests)
        add_executable(${name}_test ${tests})
        target_link_libraries(${name}_test PRIVATE vouchsafe_${name} vs_test_flags GTest::gmock
            GTest::gtest GTest::gtest_main)
        target_compile_definitions(${name}_test PRIVATE
            VS_SOURCE_DIR="${CMAKE_SOURCE_DIR}" VS_BINARY_DIR="${CMAKE_BINARY_DIR}")
        if(VS_PCH)
            target_precompile_headers(${name}_test REUSE_FROM vs_pch_tests)
        endif()
        vouchsafe_group(${name}_test "${M_APART};removal_test.cpp")
        if(tests MATCHES "/removal_test\\.cpp")
            target_link_libraries(${name}_test PRIVATE vs_removable)
        endif()
        add_test(NAME ${name} COMMAND ${name}_test)
        set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 300)
    endif()
endfunction()
