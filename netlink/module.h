/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel modules, over libkmod. */
#ifndef VDPAD_NETLINK_MODULE_H
#define VDPAD_NETLINK_MODULE_H 1

#include <vdpad/error.h>

/* Loads 'name', which must be one of vdpad_module_names[], with all it needs,
 * as modprobe does: options and blacklists of modprobe.d are followed.  Loaded
 * already: success.  Returns 0 or a negative errno with 'why'. */
int vdpad_module_load(const char *name, struct vdpad_error *why);

#endif
