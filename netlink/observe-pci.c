/* SPDX-License-Identifier: Apache-2.0 */
/* PCI functions with SR-IOV and their VFs, out of sysfs.  See sysfs.h for what
 * is not read and why. */
#include "observe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attrs.h"
#include "sysfs.h"

#define PCI_DEVICES "/sys/bus/pci/devices"

struct vf_scan {
    struct vdpad_rows *rows;
    const char *pf;
    int32_t n_vfs;
};

static int32_t
read_or(int32_t absent, const char *bdf, const char *file)
{
    uint64_t number;

    return vdpad_sysfs_read_number(&number, PCI_DEVICES "/%s/%s", bdf, file)
                   || number > INT32_MAX
               ? absent
               : (int32_t) number;
}

static void
read_common(struct vdpad_pci *row)
{
    char group[16];
    uint64_t number;

    row->vendor = (uint32_t) read_or(0, row->bdf, "vendor");
    row->device = (uint32_t) read_or(0, row->bdf, "device");
    (void) vdpad_sysfs_link(row->driver, sizeof row->driver,
                            PCI_DEVICES "/%s/driver", row->bdf);
    row->iommu_group = -1;
    if (!vdpad_sysfs_link(group, sizeof group, PCI_DEVICES "/%s/iommu_group",
                          row->bdf)
        && !vdpad_number_after(group, "", INT32_MAX, &number)) {
        row->iommu_group = (int32_t) number;
    }
}

/* Takes one entry "virtfnN" of a PF. */
static int
on_virtfn(void *scan_, const char *entry)
{
    struct vf_scan *scan = scan_;
    struct vdpad_pci *row;
    uint64_t index;

    if (vdpad_number_after(entry, "virtfn", UINT16_MAX, &index)) {
        return 0;
    }
    scan->n_vfs++;
    row = vdpad_rows_add(scan->rows);
    if (vdpad_sysfs_link(row->bdf, sizeof row->bdf, PCI_DEVICES "/%s/%s",
                         scan->pf, entry)) {
        /* Gone again; a uevent tells. */
        vdpad_rows_drop(scan->rows);
        return 0;
    }
    vdpad_text_copy(row->pf, sizeof row->pf, scan->pf);
    row->vf_index = (int32_t) index;
    row->numvfs = -1;
    row->totalvfs = -1;
    row->autoprobe = -1;
    read_common(row);
    if (row->driver[0]) {
        /* Only while a driver is bound: this takes the device's lock, and what
         * holds it for long is the removal of a driver, which has its link
         * removed first (__device_release_driver(), drivers/base/dd.c). */
        (void) vdpad_sysfs_read(row->driver_override,
                                sizeof row->driver_override,
                                PCI_DEVICES "/%s/driver_override", row->bdf);
    }
    return 0;
}

static int
on_function(void *rows_, const char *bdf)
{
    struct vdpad_rows *rows = rows_;
    struct vf_scan scan = { .rows = rows };
    char path[VDPAD_PATH_SIZE], pf[VDPAD_BDF_SIZE];
    int32_t totalvfs = read_or(-1, bdf, "sriov_totalvfs");
    struct vdpad_pci *row;
    size_t index;
    int error;

    if (totalvfs < 0 || !vdpad_text_copy(pf, sizeof pf, bdf)) {
        return 0;
    }
    index = rows->picture.n;
    row = vdpad_rows_add(rows);
    vdpad_text_copy(row->bdf, sizeof row->bdf, bdf);
    row->vf_index = -1;
    row->totalvfs = totalvfs;
    row->autoprobe = read_or(-1, bdf, "sriov_drivers_autoprobe");
    read_common(row);

    scan.pf = pf;
    (void) snprintf(path, sizeof path, PCI_DEVICES "/%s", bdf);
    error = vdpad_sysfs_list(path, "virtfn", on_virtfn, &scan);
    /* Counted, since sriov_numvfs would take the PF's lock. */
    row = rows->picture.rows;
    row[index].numvfs = scan.n_vfs;
    return error == -ENOENT ? -EINTR : error;
}

int
vdpad_observe_pci(struct vdpad_rows *rows, struct vdpad_error *why)
{
    int error = vdpad_sysfs_list(PCI_DEVICES, "", on_function, rows);

    /* No PCI at all: nothing to see. */
    return !error || error == -ENOENT
               ? 0
               : vdpad_error_set(why, error, "read %s: %s", PCI_DEVICES,
                                 strerror(-error));
}
