# What `cmake --install` and the Debian package put where: the services beside `adit`, which finds
# them there; units, default settings, documents.
include_guard()
include(GNUInstallDirs)

install(TARGETS adit adit-miner devnode stratum-gateway share-validator inode-scheduler auth payout
  RUNTIME DESTINATION lib/adit)
install(CODE "
  file(MAKE_DIRECTORY \"\$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/bin\")
  file(CREATE_LINK ../lib/adit/adit \"\$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/bin/adit\" SYMBOLIC)")
install(DIRECTORY docs/ DESTINATION share/doc/adit FILES_MATCHING PATTERN "*.md" PATTERN "*.yaml")
install(DIRECTORY common/core/coin/profiles/ DESTINATION share/adit/coins)
install(FILES README.md CHANGELOG.md DESTINATION share/doc/adit)
install(FILES LICENSE DESTINATION share/doc/adit RENAME copyright)

set(units deploy/systemd)
file(GLOB unit_files CONFIGURE_DEPENDS ${units}/*.service ${units}/*.target)
install(FILES ${unit_files} DESTINATION lib/systemd/system)
install(DIRECTORY ${units}/adit-.service.d DESTINATION lib/systemd/system)
install(FILES ${units}/sysusers.conf DESTINATION lib/sysusers.d RENAME adit.conf)
install(FILES ${units}/tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME adit.conf)
install(FILES ${units}/adit.json ${units}/window.conf DESTINATION /etc/adit)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME adit)
set(CPACK_PACKAGE_VENDOR adit)
set(CPACK_PACKAGE_CONTACT "adit <root@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "mining pool of five cooperating processes")
set(CPACK_PACKAGE_DESCRIPTION "Stratum server, share validation, accounts, payouts and chain following for a mining\npool, as systemd services. Settings are in /etc/adit/adit.json.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "redis-tools, procps, systemd | systemd-standalone-sysusers")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/deploy/debian/conffiles
  ${CMAKE_SOURCE_DIR}/deploy/debian/postinst ${CMAKE_SOURCE_DIR}/deploy/debian/prerm
  ${CMAKE_SOURCE_DIR}/deploy/debian/postrm)
include(CPack)
