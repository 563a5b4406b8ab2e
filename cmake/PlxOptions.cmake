# What a preset may choose. CMakePresets.json sets these; each has a default for a plain `cmake`.

set(PLX_PRESET "release" CACHE STRING "Name of the preset: test cases may be restricted to some")
option(PLX_DEBUG "Internal checks, transition tables and context tags" OFF)
option(PLX_TORTURE "Smallest regions and buffers, random yields (implies PLX_DEBUG)" OFF)
set(PLX_SANITIZE "" CACHE STRING "Sanitizers, with commas: address, undefined, thread; or empty")
option(PLX_COVERAGE "Count what runs, for gcov (./dev coverage)" OFF)
option(PLX_FUZZ "Fuzz targets with libFuzzer, for clang; no other programs matter then" OFF)
option(PLX_BUILD_PROGRAMS "Tests, benchmarks and examples too" ${PROJECT_IS_TOP_LEVEL})

option(PLX_USDT "USDT probes, where sys/sdt.h is (Debian: systemtap-sdt-dev)" ON)
find_path(PLX_SDT_FOLDER sys/sdt.h)
mark_as_advanced(PLX_SDT_FOLDER)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
