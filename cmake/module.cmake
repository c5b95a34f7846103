# vouchsafe_module(NAME DEPENDS m... [LIBS l...] [INCLUDES d...])
#
# Makes the static library vouchsafe_NAME of every *.cpp in the folder, and the test binary NAME_test
# of every *_test.cpp. DEPENDS is the list of modules whose headers this one may include: the test
# `layers` compares it with the includes.
function(vouchsafe_module name)
    cmake_parse_arguments(M "" "" "DEPENDS;LIBS;INCLUDES" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS *.cpp)
    file(GLOB tests CONFIGURE_DEPENDS *_test.cpp)
    list(REMOVE_ITEM sources ${tests})
    if(NOT sources)
        return()
    endif()
    add_library(vouchsafe_${name} STATIC ${sources})
    target_include_directories(vouchsafe_${name} PUBLIC ${CMAKE_SOURCE_DIR})
    target_include_directories(vouchsafe_${name} SYSTEM PRIVATE ${M_INCLUDES})
    list(TRANSFORM M_DEPENDS PREPEND vouchsafe_ OUTPUT_VARIABLE depends)
    target_link_libraries(vouchsafe_${name} PUBLIC ${depends} PRIVATE vs_flags ${M_LIBS})
    if(VS_TESTS AND tests)
        add_executable(${name}_test ${tests})
        target_link_libraries(${name}_test PRIVATE vouchsafe_${name} vs_flags GTest::gmock
            GTest::gtest GTest::gtest_main)
        target_compile_definitions(${name}_test PRIVATE
            VS_SOURCE_DIR="${CMAKE_SOURCE_DIR}" VS_BINARY_DIR="${CMAKE_BINARY_DIR}")
        add_test(NAME ${name} COMMAND ${name}_test)
        set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 300)
    endif()
endfunction()
