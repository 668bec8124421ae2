# SPDX-License-Identifier: Apache-2.0
#
# Compiler and linker flags of our own code; the presets choose among them.

set(VDPAD_SANITIZE "" CACHE STRING
    "Sanitizers, as for -fsanitize=: address,undefined")
option(VDPAD_HARDEN "Position independent, RELRO, fortified, stack protector"
       ON)
option(VDPAD_FUZZ "Build test/fuzz with libFuzzer (clang only)" OFF)
option(VDPAD_COVERAGE "Instrument for gcov" OFF)
option(VDPAD_WERROR "Treat warnings as errors" ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

if(NOT CMAKE_C_COMPILER_LAUNCHER)
  find_program(VDPAD_CCACHE ccache)
  if(VDPAD_CCACHE)
    set(CMAKE_C_COMPILER_LAUNCHER "${VDPAD_CCACHE}")
  endif()
endif()

add_library(vdpad-flags INTERFACE)
target_include_directories(vdpad-flags INTERFACE
                           "${PROJECT_SOURCE_DIR}/include")
target_compile_definitions(
  vdpad-flags INTERFACE _GNU_SOURCE VDPAD_VERSION="${PROJECT_VERSION}")
target_compile_options(
  vdpad-flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes
  -Wmissing-prototypes -Wswitch-enum -Wvla -Wundef -Wformat=2
  -fno-common
  # __FILE__ appears in wake reasons and assertions: no build paths there.
  "-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=")
if(CMAKE_C_COMPILER_ID MATCHES "Clang")
  # clang's also objects to an int where an enum is wanted; gcc's stays on.
  target_compile_options(vdpad-flags INTERFACE -Wno-sign-conversion)
endif()
if(VDPAD_WERROR)
  target_compile_options(vdpad-flags INTERFACE -Werror)
endif()

if(VDPAD_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "VDPAD_FUZZ needs clang: use the preset 'fuzz'")
  endif()
  string(APPEND VDPAD_SANITIZE ",fuzzer-no-link")
endif()
if(VDPAD_SANITIZE)
  target_compile_options(
    vdpad-flags INTERFACE
    "-fsanitize=${VDPAD_SANITIZE}" -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  target_link_options(vdpad-flags INTERFACE "-fsanitize=${VDPAD_SANITIZE}")
endif()

if(VDPAD_COVERAGE)
  target_compile_options(vdpad-flags INTERFACE --coverage -fprofile-abs-path)
  target_link_options(vdpad-flags INTERFACE --coverage)
endif()

if(VDPAD_HARDEN)
  target_compile_options(
    vdpad-flags INTERFACE
    -fstack-protector-strong
    # Fortification needs optimisation, and hides overruns from sanitizers.
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>
    $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
  include(CheckCCompilerFlag)
  foreach(flag IN ITEMS -fstack-clash-protection -fcf-protection
                        -mbranch-protection=standard)
    string(MAKE_C_IDENTIFIER "VDPAD_HAVE${flag}" have)
    check_c_compiler_flag("${flag} -Werror" ${have})
    if(${have})
      target_compile_options(vdpad-flags INTERFACE "${flag}")
    endif()
  endforeach()
  target_compile_options(vdpad-flags INTERFACE -fPIE)
  target_link_options(vdpad-flags INTERFACE -pie
                      LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack)
endif()
