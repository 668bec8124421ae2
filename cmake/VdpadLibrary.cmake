# SPDX-License-Identifier: Apache-2.0

# vdpad_library(NAME SOURCES ... LIBRARIES ... INCLUDES ...)
#
# A static library of one folder.  Its include directories and those of
# LIBRARIES stay private: who links it links those, but does not see their
# headers.  Without sources it is an empty interface.
function(vdpad_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES;INCLUDES")
  if(NOT arg_SOURCES)
    add_library(${name} INTERFACE)
    return()
  endif()
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE vdpad-flags ${arg_LIBRARIES})
  target_include_directories(${name} SYSTEM PRIVATE ${arg_INCLUDES})
endfunction()

# vdpad_executable(NAME SOURCES ... LIBRARIES ... INCLUDES ...)
function(vdpad_executable name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES;INCLUDES")
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE vdpad-flags ${arg_LIBRARIES})
  target_include_directories(${name} PRIVATE ${arg_INCLUDES})
endfunction()
