# What `cmake --install` puts where, for C and C++ hosts: the library, its headers, the kernel packages, and the
# files by which CMake and pkg-config find them; cli/ installs itself. The tree may be moved: nothing names the prefix.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/quern)

install(TARGETS quern EXPORT quernTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/runtime/include/quern DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
# Sources for people to read and to start their own packages from; the library carries a copy of its own.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/kernel_sources/ DESTINATION ${CMAKE_INSTALL_DATADIR}/quern/kernels)

install(EXPORT quernTargets NAMESPACE quern:: DESTINATION ${cmake_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/quernConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/cmake/quernConfig.cmake INSTALL_DESTINATION ${cmake_dir}
                              NO_SET_AND_CHECK_MACRO)
# While the major version is 0, a minor version may break the ABI.
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(compatibility SameMinorVersion)
else()
  set(compatibility SameMajorVersion)
endif()
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cmake/quernConfigVersion.cmake COMPATIBILITY ${compatibility})
install(FILES ${PROJECT_BINARY_DIR}/cmake/quernConfig.cmake ${PROJECT_BINARY_DIR}/cmake/quernConfigVersion.cmake
        DESTINATION ${cmake_dir})

# The prefix in quern.pc is reckoned from where the file lies.
file(RELATIVE_PATH pc_to_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(${PROJECT_SOURCE_DIR}/cmake/quern.pc.in ${PROJECT_BINARY_DIR}/cmake/quern.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cmake/quern.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
