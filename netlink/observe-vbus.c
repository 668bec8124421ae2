/* SPDX-License-Identifier: Apache-2.0 */
/* vDPA devices, out of sysfs: what still answers while generic netlink hangs.
 * See sysfs.h for what is not read and why. */
#include "observe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attrs.h"
#include "sysfs.h"

#define VDPA_DEVICES "/sys/bus/vdpa/devices"
#define PCI_DEVICES "/sys/bus/pci/devices"

/* The first entry of a directory that is "PREFIX" and a number, or just the
 * first for an empty prefix. */
struct pick {
    char name[VDPAD_WORD_SIZE];
    size_t prefix_len;
    unsigned int n;
};

static int
on_entry(void *pick_, const char *name)
{
    struct pick *pick = pick_;
    const char *number = name + pick->prefix_len;

    if (pick->prefix_len
        && (!*number || number[strspn(number, "0123456789")])) {
        return 0;
    }
    if (!pick->n++) {
        vdpad_text_copy(pick->name, sizeof pick->name, name);
    }
    return 0;
}

static struct pick
pick_entry(const char *path, const char *prefix)
{
    struct pick pick = { .prefix_len = strlen(prefix) };

    (void) vdpad_sysfs_list(path, prefix, on_entry, &pick);
    return pick;
}

/* Finds the virtio device of a vDPA device under virtio_vdpa, and its netdev.
 * It is a child of the device that does the DMA: the vDPA device itself, or
 * its PCI function, as with mlx5 (drivers/virtio/virtio_vdpa.c,
 * virtio_vdpa_probe()).  In the second case, if a function should ever have
 * several, one cannot tell which is whose. */
static void
read_virtio(struct vdpad_vbus *row, const char *name)
{
    char path[VDPAD_PATH_SIZE], virtio[VDPAD_PATH_SIZE];
    char driver[VDPAD_WORD_SIZE];
    struct pick pick;

    (void) snprintf(path, sizeof path, VDPA_DEVICES "/%s", name);
    pick = pick_entry(path, "virtio");
    if (!pick.n && row->parent[0]) {
        (void) snprintf(path, sizeof path, PCI_DEVICES "/%s", row->parent);
        pick = pick_entry(path, "virtio");
    }
    if (pick.n != 1) {
        return;
    }
    vdpad_text_copy(row->virtio, sizeof row->virtio, pick.name);
    if (snprintf(virtio, sizeof virtio, "%s/%s/net", path, pick.name)
        >= (int) sizeof virtio) {
        return;
    }
    (void) vdpad_sysfs_link(driver, sizeof driver, "%s/%s/driver", path,
                            pick.name);
    if (strcmp(driver, "virtio_net")) {
        return;
    }
    /* The directory shows only netdevs of the namespace that /sys belongs
     * to. */
    pick = pick_entry(virtio, "");
    vdpad_text_copy(row->netdev, sizeof row->netdev, pick.name);
    row->netdev_away = !pick.n;
}

/* The PCI function that is the parent of the device, or "". */
static void
read_parent(struct vdpad_vbus *row, const char *name)
{
    char path[VDPAD_PATH_SIZE], *real, *base, *slash;

    (void) snprintf(path, sizeof path, VDPA_DEVICES "/%s", name);
    real = realpath(path, NULL);
    if (!real) {
        return;
    }
    slash = strrchr(real, '/');
    if (slash) {
        *slash = '\0';
        base = strrchr(real, '/');
        if (base && vdpad_sysfs_exists(PCI_DEVICES "/%s", base + 1)) {
            vdpad_text_copy(row->parent, sizeof row->parent, base + 1);
        }
    }
    free(real);
}

static int
on_device(void *rows, const char *name)
{
    struct vdpad_vbus *row = vdpad_rows_add(rows);
    char path[VDPAD_PATH_SIZE];

    vdpad_text_copy(row->name, sizeof row->name, name);
    read_parent(row, name);
    (void) vdpad_sysfs_link(row->driver, sizeof row->driver,
                            VDPA_DEVICES "/%s/driver", name);
    if (row->driver[0]) {
        /* As with PCI functions: not while the removal of a driver may hold
         * the device's lock. */
        (void) vdpad_sysfs_read(row->driver_override,
                                sizeof row->driver_override,
                                VDPA_DEVICES "/%s/driver_override", name);
    }
    (void) snprintf(path, sizeof path, VDPA_DEVICES "/%s", name);
    vdpad_text_copy(row->chardev, sizeof row->chardev,
                    pick_entry(path, "vhost-vdpa-").name);
    if (!strcmp(row->driver, "virtio_vdpa")) {
        read_virtio(row, name);
    }
    return 0;
}

int
vdpad_observe_vbus(struct vdpad_rows *rows, struct vdpad_error *why)
{
    int error = vdpad_sysfs_list(VDPA_DEVICES, "", on_device, rows);

    /* The module vdpa is not loaded: no devices. */
    return !error || error == -ENOENT
               ? 0
               : vdpad_error_set(why, error, "read %s: %s", VDPA_DEVICES,
                                 strerror(-error));
}
