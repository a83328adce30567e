# The foreign libraries, one target each (part_<name>), all from Debian 12.
include_guard()
find_package(PkgConfig REQUIRED)

function(adit_part name)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${ARGN})
  add_library(part_${name} INTERFACE)
  target_link_libraries(part_${name} INTERFACE PkgConfig::${name})
endfunction()

adit_part(hiredis hiredis)
adit_part(mongoc libmongoc-1.0)
adit_part(jansson jansson)
adit_part(sodium libsodium)
adit_part(sqlite sqlite3)
adit_part(curl libcurl)
adit_part(crypto libcrypto)
adit_part(ssl libssl)
adit_part(icu icu-i18n icu-uc)

# nng has a CMake package and no .pc file in Debian.
find_package(nng REQUIRED CONFIG)
add_library(part_nng INTERFACE)
target_link_libraries(part_nng INTERFACE nng::nng)

# redis-server: the program itself, which Debian ships in redis-tools under another name (it acts by
# the name it is called by), so that the package which starts a system service is not needed.
find_program(ADIT_REDIS_SERVER NAMES redis-server redis-check-rdb REQUIRED)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
file(CREATE_LINK ${ADIT_REDIS_SERVER} ${CMAKE_BINARY_DIR}/bin/redis-server SYMBOLIC)

if(ADIT_TESTS)
  adit_part(cmocka cmocka)
endif()
