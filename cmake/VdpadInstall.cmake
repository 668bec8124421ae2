# SPDX-License-Identifier: Apache-2.0

if(EXISTS "${PROJECT_SOURCE_DIR}/docs/ovs-vdpad.8")
  install(FILES docs/ovs-vdpad.8 DESTINATION "${CMAKE_INSTALL_MANDIR}/man8")
endif()

# In a unit, @CMAKE_INSTALL_FULL_SBINDIR@ and its like become the directories
# of this installation.
file(GLOB units CONFIGURE_DEPENDS scripts/systemd/*.service
     scripts/systemd/*.target)
foreach(unit IN LISTS units)
  cmake_path(GET unit FILENAME name)
  configure_file("${unit}" "${PROJECT_BINARY_DIR}/systemd/${name}" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/systemd/${name}"
          DESTINATION lib/systemd/system)
endforeach()

if(EXISTS "${PROJECT_SOURCE_DIR}/scripts/completion/ovs-vdpad.bash")
  install(FILES scripts/completion/ovs-vdpad.bash
          DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions"
          RENAME ovs-vdpad)
endif()

# Representors are Open vSwitch's alone.
install(FILES scripts/udev/72-ovs-vdpad.rules DESTINATION lib/udev/rules.d)
install(FILES scripts/networkd/10-ovs-vdpad-representor.network
        DESTINATION lib/systemd/network)
