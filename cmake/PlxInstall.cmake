# Install rules: headers, both libraries, parallax.pc, and the CMake package Parallax with the
# targets Parallax::parallax and Parallax::parallax_static.
include(CMakePackageConfigHelpers)

install(DIRECTORY "${PROJECT_SOURCE_DIR}/runtime/include/parallax"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
install(TARGETS parallax parallax_static EXPORT ParallaxTargets
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")

# gdb looks for NAME-gdb.py beside the library NAME.
install(FILES "${PROJECT_SOURCE_DIR}/runtime/gdb/parallax-gdb.py"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}" RENAME "libparallax.so.${PROJECT_VERSION}-gdb.py")

set(plx_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/Parallax")
install(EXPORT ParallaxTargets NAMESPACE Parallax:: DESTINATION "${plx_package_dir}")
configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/ParallaxConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/ParallaxConfig.cmake" INSTALL_DESTINATION "${plx_package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/ParallaxConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/ParallaxConfig.cmake"
              "${PROJECT_BINARY_DIR}/ParallaxConfigVersion.cmake"
        DESTINATION "${plx_package_dir}")

# Relative to the .pc file, so that the installed tree can be moved.
file(RELATIVE_PATH plx_pc_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" plx_pc_prefix "${plx_pc_prefix}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/parallax.pc.in" "${PROJECT_BINARY_DIR}/parallax.pc"
               @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/parallax.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
