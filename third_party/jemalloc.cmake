# jemalloc, for the collector's own memory, under a private prefix: see prefix_jemalloc.sh.
# Sets PLX_JEMALLOC_OBJECT; the target plx_jemalloc makes it. Declarations: plx_jemalloc.h.

pkg_check_modules(JEMALLOC REQUIRED jemalloc>=5.3)
pkg_get_variable(jemalloc_libdir jemalloc libdir)
find_file(PLX_JEMALLOC_ARCHIVE libjemalloc_pic.a HINTS "${JEMALLOC_LIBDIR}" "${jemalloc_libdir}"
          REQUIRED NO_CMAKE_FIND_ROOT_PATH)
mark_as_advanced(PLX_JEMALLOC_ARCHIVE)

set(PLX_JEMALLOC_OBJECT "${PROJECT_BINARY_DIR}/third_party/plx_jemalloc.o")
set(jemalloc_script "${PROJECT_SOURCE_DIR}/third_party/prefix_jemalloc.sh")
set(jemalloc_symbols "${PROJECT_SOURCE_DIR}/third_party/plx_jemalloc.symbols")
file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/third_party")
add_custom_command(
  OUTPUT "${PLX_JEMALLOC_OBJECT}"
  COMMAND ${CMAKE_COMMAND} -E env "AR=${CMAKE_AR}" "NM=${CMAKE_NM}" "OBJCOPY=${CMAKE_OBJCOPY}"
          "LD=${CMAKE_LINKER}" "CC=${CMAKE_C_COMPILER}"
          "${jemalloc_script}" "${PLX_JEMALLOC_ARCHIVE}" "${jemalloc_symbols}"
          "${PLX_JEMALLOC_OBJECT}"
  DEPENDS "${PLX_JEMALLOC_ARCHIVE}" "${jemalloc_script}" "${jemalloc_symbols}"
          "${PROJECT_SOURCE_DIR}/third_party/plx_jemalloc_private.c"
  COMMENT "Giving jemalloc the prefix plx_je_"
  VERBATIM)
set_source_files_properties("${PLX_JEMALLOC_OBJECT}" PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
add_custom_target(plx_jemalloc DEPENDS "${PLX_JEMALLOC_OBJECT}")
