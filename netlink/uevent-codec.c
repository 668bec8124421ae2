/* SPDX-License-Identifier: Apache-2.0 */
#include "uevent-codec.h"

#include <errno.h>
#include <string.h>

#define BIT(CLASS) (1u << (CLASS))

static const struct {
    const char *subsystem;
    unsigned int classes;
} subsystems[] = {
    /* Binding a VF's driver brings its devlink instance, its auxiliary
     * devices and so its management device. */
    { "pci", BIT(VDPAD_PCI) | BIT(VDPAD_ESWITCH) | BIT(VDPAD_DLPORT)
                 | BIT(VDPAD_MGMTDEV) },
    { "auxiliary",
      BIT(VDPAD_MGMTDEV) | BIT(VDPAD_ESWITCH) | BIT(VDPAD_DLPORT) },
    { "vdpa", BIT(VDPAD_VBUS) | BIT(VDPAD_VDPA) | BIT(VDPAD_HOLDER) },
    { "vhost-vdpa", BIT(VDPAD_VBUS) | BIT(VDPAD_HOLDER) },
    { "virtio", BIT(VDPAD_VBUS) },
    /* Also tells of renames. */
    { "net", BIT(VDPAD_LINK) | BIT(VDPAD_VBUS) | BIT(VDPAD_FEATURE) },
    { "module", BIT(VDPAD_MODULE) | BIT(VDPAD_MGMTDEV) },
    { "drivers", BIT(VDPAD_MODULE) },
};

int
vdpad_uevent_decode(const void *data, size_t len, unsigned int *classes)
{
    const char *p = data, *end = p + len;
    const char *at;

    *classes = 0;
    if (!len || end[-1] != '\0') {
        return -EBADMSG;
    }
    /* What comes from udevd instead begins with "libudev". */
    at = strchr(p, '@');
    if (!at || at == p || at[1] != '/') {
        return -EBADMSG;
    }
    for (p += strlen(p) + 1; p < end; p += strlen(p) + 1) {
        if (strncmp(p, "SUBSYSTEM=", 10)) {
            continue;
        }
        for (size_t i = 0; i < sizeof subsystems / sizeof *subsystems; i++) {
            if (!strcmp(p + 10, subsystems[i].subsystem)) {
                *classes = subsystems[i].classes;
            }
        }
        return 0;
    }
    return 0;
}
