# Compiler and linker flags of everything that is built here.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C) # programs too
# -O1 rather than -Og, whose -Wmaybe-uninitialized cries wolf.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g")

add_compile_definitions(_GNU_SOURCE)
add_compile_options(
  -fno-omit-frame-pointer
  -fno-semantic-interposition
  -fstack-protector-strong
  -fstack-clash-protection
  -Wall -Wextra -Werror
  -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
  -Wpointer-arith -Wshadow -Wvla -Wwrite-strings)
add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed)

# Defined when on, undefined when off.
if(PLX_DEBUG OR PLX_TORTURE)
  add_compile_definitions(PLX_DEBUG=1)
endif()
if(PLX_TORTURE)
  add_compile_definitions(PLX_TORTURE=1)
endif()

if(PLX_COVERAGE)
  # Threads count together; what test/support/coverage.c says of --wrap.
  add_compile_options(--coverage -fprofile-update=atomic)
  add_compile_definitions(PLX_COVERAGE=1)
  add_link_options(--coverage)
endif()
if(PLX_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(PLX_SANITIZE)
  # Instrumentation hides from the compiler what it knew about initialisation.
  add_compile_options(-fsanitize=${PLX_SANITIZE} -fno-sanitize-recover=all
                      $<$<C_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  add_link_options(-fsanitize=${PLX_SANITIZE})
else()
  add_link_options(-Wl,-z,defs)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  endif()
endif()
