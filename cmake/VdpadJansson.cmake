# SPDX-License-Identifier: Apache-2.0
#
# Finds jansson and defines vdpad::jansson; include VdpadOpenvswitch before.
#
# jansson and libopenvswitch both export json_array, json_equal, json_integer,
# json_object, json_real and json_string.  In a static link the first library
# that has a name gets all its callers, so jansson's would call Open vSwitch's
# or the other way round, without a word from the linker.  So jansson's static
# library is copied with these six renamed, and a header in front of its own
# renames them in the sources that include it.

find_package(PkgConfig REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
find_library(JANSSON_ARCHIVE libjansson.a HINTS ${JANSSON_LIBRARY_DIRS})

add_library(vdpad-jansson INTERFACE)
add_library(vdpad::jansson ALIAS vdpad-jansson)

if(JANSSON_ARCHIVE)
  set(renames)
  foreach(name IN ITEMS array equal integer object real string)
    list(APPEND renames "--redefine-sym" "json_${name}=vdpad_jansson_${name}")
  endforeach()
  set(renamed "${PROJECT_BINARY_DIR}/libvdpad-jansson.a")
  add_custom_command(
    OUTPUT "${renamed}"
    COMMAND "${CMAKE_OBJCOPY}" ${renames} "${JANSSON_ARCHIVE}" "${renamed}"
    DEPENDS "${JANSSON_ARCHIVE}" "${CMAKE_CURRENT_LIST_FILE}"
    COMMENT "Renaming what jansson and libopenvswitch both export" VERBATIM)
  add_custom_target(vdpad-jansson-renamed DEPENDS "${renamed}")
  add_dependencies(vdpad-jansson vdpad-jansson-renamed)
  target_include_directories(
    vdpad-jansson SYSTEM
    INTERFACE "${PROJECT_SOURCE_DIR}/cmake/jansson" ${JANSSON_INCLUDE_DIRS})
  target_link_libraries(vdpad-jansson INTERFACE "${renamed}")
elseif(VDPAD_OVS_SHARED)
  # Two shared libraries bind their own calls by symbol versions.  Ours go to
  # the library named first: jansson, as ovsdb/ does not use these names
  # (scripts/check sees to it).
  target_link_libraries(vdpad-jansson INTERFACE PkgConfig::JANSSON)
  link_libraries(PkgConfig::JANSSON)
else()
  message(FATAL_ERROR
          "A static libopenvswitch needs the static library of jansson beside "
          "it (libjansson.a; Debian: libjansson-dev), see "
          "cmake/VdpadJansson.cmake")
endif()
