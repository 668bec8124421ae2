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

/* What is gone by now has nothing to tell; other errors are no answer. */
static int
unless_gone(int error)
{
    return error == -ENOENT ? 0 : error;
}

static int
pick_entry(const char *path, const char *prefix, struct pick *ret_pick)
{
    *ret_pick = (struct pick){ .prefix_len = strlen(prefix) };
    return unless_gone(vdpad_sysfs_list(path, prefix, on_entry, ret_pick));
}

/* Finds the virtio device of a vDPA device under virtio_vdpa, and its netdev.
 * It is a child of the device that does the DMA: the vDPA device itself, or
 * its PCI function, as with mlx5 (drivers/virtio/virtio_vdpa.c,
 * virtio_vdpa_probe()).  In the second case, if a function should ever have
 * several, one cannot tell which is whose. */
static int
read_virtio(struct vdpad_vbus *row, const char *name)
{
    char path[VDPAD_PATH_SIZE], virtio[VDPAD_PATH_SIZE];
    char driver[VDPAD_WORD_SIZE];
    struct pick pick;
    int error;

    (void) snprintf(path, sizeof path, VDPA_DEVICES "/%s", name);
    error = pick_entry(path, "virtio", &pick);
    if (!error && !pick.n && row->parent[0]) {
        (void) snprintf(path, sizeof path, PCI_DEVICES "/%s", row->parent);
        error = pick_entry(path, "virtio", &pick);
    }
    if (error || pick.n != 1) {
        return error;
    }
    vdpad_text_copy(row->virtio, sizeof row->virtio, pick.name);
    if (snprintf(virtio, sizeof virtio, "%s/%s/net", path, pick.name)
        >= (int) sizeof virtio) {
        return -ENAMETOOLONG;
    }
    error = unless_gone(vdpad_sysfs_link(driver, sizeof driver, "%s/%s/driver",
                                         path, pick.name));
    if (error || strcmp(driver, "virtio_net")) {
        return error;
    }
    /* The directory is there as long as there is a netdev, which there is not
     * yet while the driver begins, and shows only those of the namespace that
     * /sys belongs to. */
    pick = (struct pick){ .prefix_len = 0 };
    error = vdpad_sysfs_list(virtio, "", on_entry, &pick);
    vdpad_text_copy(row->netdev, sizeof row->netdev, pick.name);
    row->netdev_away = !error && !pick.n;
    return unless_gone(error);
}

int
vdpad_vbus_parent(const char *name, char parent[VDPAD_BDF_SIZE])
{
    char path[VDPAD_PATH_SIZE], *real, *slash;

    memset(parent, 0, VDPAD_BDF_SIZE);
    (void) snprintf(path, sizeof path, VDPA_DEVICES "/%s", name);
    real = realpath(path, NULL);
    if (!real) {
        return -errno;
    }
    /* Upwards, as far as there are names of devices. */
    for (slash = strrchr(real, '/'); slash; slash = strrchr(real, '/')) {
        const char *base;

        *slash = '\0';
        base = strrchr(real, '/');
        if (base && base[1]
            && vdpad_sysfs_exists(PCI_DEVICES "/%s", base + 1)) {
            vdpad_text_copy(parent, VDPAD_BDF_SIZE, base + 1);
            break;
        }
    }
    free(real);
    return 0;
}

static int
read_device(struct vdpad_vbus *row, const char *name)
{
    char path[VDPAD_PATH_SIZE];
    struct pick pick;
    int error = unless_gone(vdpad_vbus_parent(name, row->parent));

    if (!error) {
        error = unless_gone(vdpad_sysfs_link(row->driver, sizeof row->driver,
                                             VDPA_DEVICES "/%s/driver", name));
    }
    if (error) {
        return error;
    }
    if (row->driver[0]) {
        /* As with PCI functions: not while the removal of a driver may hold
         * the device's lock. */
        (void) vdpad_sysfs_read(row->driver_override,
                                sizeof row->driver_override,
                                VDPA_DEVICES "/%s/driver_override", name);
    }
    (void) snprintf(path, sizeof path, VDPA_DEVICES "/%s", name);
    error = pick_entry(path, "vhost-vdpa-", &pick);
    vdpad_text_copy(row->chardev, sizeof row->chardev, pick.name);
    return error || strcmp(row->driver, "virtio_vdpa")
               ? error
               : read_virtio(row, name);
}

static int
on_device(void *rows, const char *name)
{
    struct vdpad_vbus *row = vdpad_rows_add(rows);

    vdpad_text_copy(row->name, sizeof row->name, name);
    return read_device(row, name);
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
