# Test cases.
#
# test/unit/NAME.c is a cmocka program; test/system/NAME.c a plain one whose exit code is the
# verdict: 0 passed, 77 skipped, anything else failed. Each is one case called NAME.
#
# Beside a test may lie NAME.args with one case a line, besides blank lines and # comments:
#
#	[preset,preset] case-name: VAR=value VAR=value -- argument argument
#
# which becomes the case NAME.case-name with that environment and those arguments. Everything but
# the name and its colon may be left out. `[...]` keeps the case to those presets. The case-name
# `default` replaces the plain case NAME, so that it too can be restricted or given arguments. Two
# variables are for CTest itself: PLX_TIMEOUT=seconds (300 unless told), PLX_SERIAL=1 (run alone).
# Words are separated by spaces; there is no quoting.

set(PLX_TEST_ENVIRONMENT
    "ASAN_OPTIONS=abort_on_error=0:detect_stack_use_after_return=0"
    "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
    "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1")

# ThreadSanitizer of this generation wants the address space laid out without randomisation.
set(PLX_TEST_LAUNCHER "")
if(PLX_SANITIZE STREQUAL "thread")
  set(PLX_TEST_LAUNCHER setarch -R)
endif()

# plx_add_case(NAME name TARGET target|COMMAND command... LABEL label [ARGUMENTS ...]
#              [ENVIRONMENT VAR=value ...])
function(plx_add_case)
  cmake_parse_arguments(PARSE_ARGV 0 case "" "NAME;TARGET;LABEL" "COMMAND;ARGUMENTS;ENVIRONMENT")
  set(timeout 300)
  set(serial OFF)
  set(environment ${PLX_TEST_ENVIRONMENT})
  foreach(variable IN LISTS case_ENVIRONMENT)
    if(variable MATCHES "^PLX_TIMEOUT=([0-9]+)$")
      set(timeout ${CMAKE_MATCH_1})
    elseif(variable STREQUAL "PLX_SERIAL=1")
      set(serial ON)
    elseif(variable MATCHES "^[A-Za-z_][A-Za-z0-9_]*=")
      list(APPEND environment "${variable}")
    else()
      message(FATAL_ERROR "test case ${case_NAME}: `${variable}` is no VAR=value")
    endif()
  endforeach()
  if(case_TARGET)
    set(case_COMMAND ${PLX_TEST_LAUNCHER} $<TARGET_FILE:${case_TARGET}>)
  endif()
  add_test(NAME ${case_NAME} COMMAND ${case_COMMAND} ${case_ARGUMENTS})
  set_tests_properties(
    ${case_NAME} PROPERTIES LABELS "${case_LABEL}" SKIP_RETURN_CODE 77 TIMEOUT ${timeout}
                            RUN_SERIAL ${serial} ENVIRONMENT "${environment}")
endfunction()

# One line of an .args file; sets `seen_default` in the caller when it replaces the plain case.
function(plx_add_args_case test target label line where)
  set(form "^(\\[([a-z,]+)\\] *)?([A-Za-z0-9_.-]+):(.*)$")
  if(NOT line MATCHES "${form}")
    message(FATAL_ERROR "${where}: cannot read `${line}`")
  endif()
  string(REPLACE "," ";" presets "${CMAKE_MATCH_2}")
  set(case "${CMAKE_MATCH_3}")
  set(rest " ${CMAKE_MATCH_4} ")
  if(case STREQUAL "default")
    set(seen_default ON PARENT_SCOPE)
    set(name ${test})
  else()
    set(name ${test}.${case})
  endif()
  # Coverage runs what release runs, and so does another machine.
  set(runs_as ${PLX_PRESET})
  if(PLX_COVERAGE OR CMAKE_CROSSCOMPILING)
    set(runs_as release)
  endif()
  if(presets AND NOT runs_as IN_LIST presets)
    return()
  endif()
  set(arguments "")
  string(FIND "${rest}" " -- " dashes)
  if(NOT dashes EQUAL -1)
    math(EXPR after "${dashes} + 4")
    string(SUBSTRING "${rest}" ${after} -1 arguments)
    string(SUBSTRING "${rest}" 0 ${dashes} rest)
  endif()
  separate_arguments(arguments UNIX_COMMAND "${arguments}")
  separate_arguments(environment UNIX_COMMAND "${rest}")
  plx_add_case(NAME ${name} TARGET ${target} LABEL ${label} ARGUMENTS ${arguments}
               ENVIRONMENT ${environment})
endfunction()

# A test program from one source file, and its cases.
function(plx_add_test_program source label)
  get_filename_component(name "${source}" NAME_WE)
  set(target ${label}_${name})
  add_executable(${target} "${source}" $<$<BOOL:${PLX_TEST_SUPPORT}>:$<TARGET_OBJECTS:test_support>>)
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE parallax_static ${ARGN})
  if(PLX_COVERAGE)
    target_link_options(${target} PRIVATE -Wl,--wrap=_exit -Wl,--wrap=abort)
  endif()
  set_target_properties(
    ${target} PROPERTIES OUTPUT_NAME "${name}" RUNTIME_OUTPUT_DIRECTORY
                                               "${CMAKE_CURRENT_BINARY_DIR}/${label}")

  set(seen_default OFF)
  string(REGEX REPLACE "\\.c$" ".args" args_file "${source}")
  if(EXISTS "${args_file}")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${args_file}")
    file(STRINGS "${args_file}" lines REGEX "^ *[^# ]")
    foreach(line IN LISTS lines)
      plx_add_args_case(${name} ${target} ${label} "${line}" "${args_file}")
    endforeach()
  endif()
  if(NOT seen_default)
    plx_add_case(NAME ${name} TARGET ${target} LABEL ${label})
  endif()
endfunction()
