# How every target of the project is made.
#
# The fence: a library's headers are reached through a folder made for that
# library alone (build/include/<target>/<layer>/<folder>, a link to its source
# folder), which only targets that list it as a dependency get on their include
# path. `#include "core/share/share.h"` therefore compiles only where the target
# depends on core_share.
include_guard()
find_package(Threads REQUIRED)

add_library(adit_options INTERFACE)
target_compile_definitions(adit_options INTERFACE _GNU_SOURCE)
target_compile_options(adit_options INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
  -Wundef -Wvla -fno-common -fno-strict-overflow -fstack-protector-strong
  $<$<BOOL:${ADIT_WERROR}>:-Werror>)
if(ADIT_SANITIZE)
  target_compile_options(adit_options INTERFACE
    -fsanitize=${ADIT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(adit_options INTERFACE -fsanitize=${ADIT_SANITIZE})
else()
  target_compile_options(adit_options INTERFACE
    $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
endif()

# adit_add_tree(FOLDER): add every folder below FOLDER that has a CMakeLists.txt,
# parents first, so that a new library is a new folder and nothing else.
function(adit_add_tree folder)
  file(GLOB_RECURSE found CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}
    ${CMAKE_SOURCE_DIR}/${folder}/CMakeLists.txt)
  list(SORT found)
  foreach(file ${found})
    get_filename_component(dir ${file} DIRECTORY)
    add_subdirectory(${CMAKE_SOURCE_DIR}/${dir} ${CMAKE_BINARY_DIR}/${dir})
  endforeach()
endfunction()

# adit_library(NAME SOURCES a.c … [DEPENDS target …] [PRIVATE_DEPENDS target …])
# A static library, or an interface one where there are no sources (headers only).
# It lives in the current folder, and its headers are included by that folder's
# path below common/ (or below the repository for services and tools).
function(adit_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  file(RELATIVE_PATH path ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  string(REGEX REPLACE "^common/" "" path ${path})
  set(root ${CMAKE_BINARY_DIR}/include/${name})
  get_filename_component(parent ${root}/${path} DIRECTORY)
  file(MAKE_DIRECTORY ${parent})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${root}/${path} SYMBOLIC)
  if(arg_SOURCES)
    add_library(${name} STATIC ${arg_SOURCES})
    target_include_directories(${name} PUBLIC ${root})
    target_link_libraries(${name} PUBLIC ${arg_DEPENDS} PRIVATE adit_options ${arg_PRIVATE_DEPENDS})
  else()
    add_library(${name} INTERFACE)
    target_include_directories(${name} INTERFACE ${root})
    target_link_libraries(${name} INTERFACE ${arg_DEPENDS})
  endif()
endfunction()

# adit_executable(NAME SOURCES a.c … DEPENDS target …): a program in build/bin.
function(adit_executable name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE adit_options ${arg_DEPENDS})
  set_target_properties(${name} PROPERTIES ENABLE_EXPORTS ON)
endfunction()

# adit_test(NAME SOURCES a_test.c … DEPENDS target … [LABELS unit|flow|crash|full …]
#           [TIMEOUT seconds] [ARGS …])
# A cmocka program run by ctest. A test that cannot run here exits 77 and prints
# one line `SKIPPED: why`.
function(adit_test name)
  if(NOT ADIT_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;DEPENDS;LABELS;ARGS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE adit_options ${arg_DEPENDS} part_cmocka)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests
    ENABLE_EXPORTS ON)
  add_test(NAME ${name} COMMAND ${name} ${arg_ARGS})
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 180)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT}
    SKIP_RETURN_CODE 77
    ENVIRONMENT "ADIT_BUILD=${CMAKE_BINARY_DIR};ADIT_SOURCE=${CMAKE_SOURCE_DIR}"
    ENVIRONMENT_MODIFICATION "PATH=path_list_prepend:${CMAKE_BINARY_DIR}/bin")
  # One at a time of those that start servers of their own beside other tests: each takes a disk's
  # syncs, and some a replica's or a driver's patience.
  foreach(servers window_redis_testing tests_ferretdb)
    if(servers IN_LIST arg_DEPENDS)
      set_tests_properties(${name} PROPERTIES RESOURCE_LOCK servers)
    endif()
  endforeach()
  # Tests of whole processes measure time-outs; they do not share the machine with each other.
  foreach(label flow crash real-node)
    if(label IN_LIST arg_LABELS)
      set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
    endif()
  endforeach()
endfunction()

# adit_fuzz(NAME SOURCES a_fuzz.c DEPENDS target …): a harness with the corpus in the folder
# `corpus` beside it. NAME_test drives it over the corpus and random changes of it, by any compiler;
# NAME is libFuzzer's program, which needs clang and which nothing else builds: configure with
# -DADIT_SANITIZE=address,undefined,fuzzer-no-link so that it sees what it reaches.
function(adit_fuzz name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  list(GET arg_SOURCES 0 harness)
  get_filename_component(corpus ${CMAKE_CURRENT_SOURCE_DIR}/${harness} DIRECTORY)
  string(APPEND corpus /corpus)
  file(WRITE ${CMAKE_BINARY_DIR}/fuzz/${name}.corpus ${corpus})
  adit_test(${name}_test SOURCES ${arg_SOURCES} ${CMAKE_SOURCE_DIR}/common/base/fuzz_folder.c
    DEPENDS ${arg_DEPENDS} ARGS ${corpus})
  if(CMAKE_C_COMPILER_ID STREQUAL "Clang")
    add_executable(${name} EXCLUDE_FROM_ALL ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE adit_options ${arg_DEPENDS})
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  endif()
endfunction()
