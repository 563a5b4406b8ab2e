# The two libraries. Objects are compiled once, position-independent, and go into both; gc/ and
# runtime/ add their sources to parallax_objects.

add_library(parallax_objects OBJECT)
target_include_directories(parallax_objects PRIVATE "${PROJECT_SOURCE_DIR}"
                                                    "${PROJECT_SOURCE_DIR}/runtime/include")
if(PLX_USDT AND PLX_SDT_FOLDER)
  target_compile_definitions(parallax_objects PRIVATE PLX_USDT=1)
endif()
target_link_libraries(parallax_objects PRIVATE Threads::Threads PkgConfig::LIBUNWIND)

add_library(parallax SHARED)
add_library(parallax_static STATIC)
foreach(library parallax parallax_static)
  target_sources(${library} PRIVATE $<TARGET_OBJECTS:parallax_objects> "${PLX_JEMALLOC_OBJECT}")
  add_dependencies(${library} plx_jemalloc)
  target_include_directories(
    ${library} PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/runtime/include>"
                      "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  set_target_properties(${library} PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME parallax)
endforeach()

# Before version 1 every minor version may change the ABI.
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(plx_soversion "0.${PROJECT_VERSION_MINOR}")
else()
  set(plx_soversion "${PROJECT_VERSION_MAJOR}")
endif()
set_target_properties(parallax PROPERTIES VERSION "${PROJECT_VERSION}"
                                          SOVERSION "${plx_soversion}" EXPORT_NAME parallax)
set_target_properties(parallax_static PROPERTIES EXPORT_NAME parallax_static)
# Never unloaded: thread-specific destructors, fork handlers and a signal handler point into it.
target_link_options(parallax PRIVATE -Wl,-z,nodelete)
target_link_options(parallax PRIVATE
                    "-Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/parallax.map")
set_target_properties(parallax PROPERTIES LINK_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/parallax.map")
target_link_libraries(parallax PRIVATE Threads::Threads PkgConfig::LIBUNWIND m)
# Plain names, not targets: they are written into the installed package as they stand.
target_link_libraries(parallax_static PUBLIC Threads::Threads ${LIBUNWIND_LINK_LIBRARIES} m)
