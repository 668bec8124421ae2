# SPDX-License-Identifier: Apache-2.0
#
# Finds libopenvswitch and defines
#   vdpad::openvswitch             headers and libraries
#   VDPAD_OVS_SHARED               whether it is a shared library
#   vdpad_wrap_poll_loop(TARGET)   see ovsdb/poll-bridge.c
#
# In this order: VDPAD_OVS_PREFIX if set; the distribution's own, if it has
# one with the private headers; the one that scripts/build-ovs makes.
#
# Private headers (lib/ in the source) are included as <ovs/unixctl.h>, and
# only so: in the search path itself they would shadow the C library's.

set(VDPAD_OVS_PREFIX "" CACHE PATH
    "Prefix of a libopenvswitch made by scripts/build-ovs")
option(VDPAD_OVS_SYSTEM "Use the distribution's libopenvswitch if usable" ON)

find_package(PkgConfig REQUIRED)

# Asks pkg-config afresh each time: pkg_check_modules() would keep the answer
# of another prefix in its cache.
function(vdpad_ask_pkg_config ret_var pkg_config_path)
  set(environment)
  if(pkg_config_path)
    set(environment "PKG_CONFIG_PATH=${pkg_config_path}")
  endif()
  execute_process(
    COMMAND ${CMAKE_COMMAND} -E env ${environment}
            "${PKG_CONFIG_EXECUTABLE}" ${ARGN} libopenvswitch
    OUTPUT_VARIABLE answer RESULT_VARIABLE result ERROR_QUIET
    OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT result EQUAL 0)
    set(answer NOTFOUND)
  endif()
  set(${ret_var} "${answer}" PARENT_SCOPE)
endfunction()

# Sets ovs_usable and, if so, ovs_includes, ovs_libs, ovs_version, ovs_shared.
function(vdpad_try_openvswitch pkg_config_path)
  set(ovs_usable FALSE PARENT_SCOPE)
  vdpad_ask_pkg_config(version "${pkg_config_path}" --modversion)
  if(NOT version)
    return()
  endif()
  vdpad_ask_pkg_config(include_dir "${pkg_config_path}" --variable=includedir)
  vdpad_ask_pkg_config(lib_dir "${pkg_config_path}" --variable=libdir)
  find_path(public_dir openvswitch/poll-loop.h NO_CACHE NO_DEFAULT_PATH
            PATHS "${include_dir}" "${include_dir}/openvswitch")
  # The second is where Fedora's and RHEL's openvswitch-devel has them.
  find_path(private_dir vswitch-idl.h NO_CACHE NO_DEFAULT_PATH
            PATHS "${include_dir}/ovs" "${include_dir}/openvswitch/lib")
  if(NOT public_dir OR NOT private_dir)
    message(STATUS "libopenvswitch ${version} in ${lib_dir}: no private "
                   "headers, not used")
    return()
  endif()

  set(includes "${public_dir}")
  cmake_path(GET private_dir FILENAME last)
  cmake_path(GET private_dir PARENT_PATH parent)
  if(last STREQUAL "ovs")
    list(APPEND includes "${parent}")
  else()
    set(alias_dir "${PROJECT_BINARY_DIR}/ovs-include")
    file(MAKE_DIRECTORY "${alias_dir}")
    file(CREATE_LINK "${private_dir}" "${alias_dir}/ovs" SYMBOLIC)
    list(APPEND includes "${alias_dir}")
  endif()
  list(REMOVE_DUPLICATES includes)

  file(GLOB shared_files "${lib_dir}/libopenvswitch.so*"
       "${lib_dir}/libopenvswitch-*.so*")
  if(shared_files)
    set(ovs_shared TRUE PARENT_SCOPE)
    vdpad_ask_pkg_config(libs "${pkg_config_path}" --libs)
  else()
    set(ovs_shared FALSE PARENT_SCOPE)
    vdpad_ask_pkg_config(libs "${pkg_config_path}" --static --libs)
  endif()
  separate_arguments(libs UNIX_COMMAND "${libs}")

  set(ovs_usable TRUE PARENT_SCOPE)
  set(ovs_version "${version}" PARENT_SCOPE)
  set(ovs_includes "${includes}" PARENT_SCOPE)
  set(ovs_libs "${libs}" PARENT_SCOPE)
endfunction()

set(ovs_usable FALSE)
if(VDPAD_OVS_PREFIX)
  vdpad_try_openvswitch("${VDPAD_OVS_PREFIX}/lib/pkgconfig")
  if(NOT ovs_usable)
    message(FATAL_ERROR "no usable libopenvswitch in ${VDPAD_OVS_PREFIX}")
  endif()
elseif(VDPAD_OVS_SYSTEM)
  vdpad_try_openvswitch("")
endif()
if(NOT ovs_usable)
  execute_process(
    COMMAND "${PROJECT_SOURCE_DIR}/scripts/build-ovs"
    OUTPUT_VARIABLE ovs_prefix RESULT_VARIABLE result
    OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "scripts/build-ovs failed, see above")
  endif()
  vdpad_try_openvswitch("${ovs_prefix}/lib/pkgconfig")
  if(NOT ovs_usable)
    message(FATAL_ERROR "no usable libopenvswitch in ${ovs_prefix}; "
                        "'scripts/build-ovs --force' makes it anew")
  endif()
endif()

set(VDPAD_OVS_SHARED ${ovs_shared})
list(JOIN ovs_libs " " ovs_libs_text)
message(STATUS "libopenvswitch ${ovs_version}: ${ovs_libs_text}")

add_library(vdpad-openvswitch INTERFACE)
add_library(vdpad::openvswitch ALIAS vdpad-openvswitch)
target_include_directories(vdpad-openvswitch SYSTEM INTERFACE ${ovs_includes})
target_link_libraries(vdpad-openvswitch INTERFACE ${ovs_libs})

# Makes everything that links TARGET use ovsdb/poll-bridge.c's functions in
# place of libopenvswitch's.
function(vdpad_wrap_poll_loop target)
  if(VDPAD_OVS_SHARED)
    # Definitions in the executable take precedence over those of a shared
    # library, unless it was linked to call its own ones directly.
    try_run(runs compiles "${PROJECT_BINARY_DIR}/check-interpose"
            "${PROJECT_SOURCE_DIR}/cmake/check-interpose.c"
            CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${ovs_includes}"
            LINK_LIBRARIES ${ovs_libs}
            COMPILE_OUTPUT_VARIABLE output)
    if(NOT compiles)
      message(FATAL_ERROR "cannot link against libopenvswitch:\n${output}")
    elseif(NOT runs MATCHES "^[01]$")
      message(FATAL_ERROR "cannot run a program with this libopenvswitch")
    elseif(runs EQUAL 1)
      message(FATAL_ERROR
              "This shared libopenvswitch calls its own time_poll() directly, "
              "so the event loop cannot take its place.  Configure with "
              "-DVDPAD_OVS_SYSTEM=OFF to build a static one.")
    endif()
    target_compile_definitions(${target} PRIVATE VDPAD_OVS_SHARED)
    target_link_options(${target} INTERFACE LINKER:--undefined=time_poll)
    return()
  endif()
  foreach(symbol IN ITEMS time_poll seq_woke poll_fd_wait_at
                          poll_timer_wait_at poll_timer_wait_until_at
                          poll_immediate_wake_at)
    target_link_options(${target} INTERFACE "LINKER:--wrap=${symbol}")
  endforeach()
  # libopenvswitch comes after the library that has the replacements: have
  # them linked before they are asked for.
  target_link_options(${target} INTERFACE LINKER:--undefined=__wrap_time_poll)
endfunction()
