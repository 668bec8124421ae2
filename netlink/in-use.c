/* SPDX-License-Identifier: Apache-2.0 */
/* Is a device in use, right now?  Asked immediately before every step that
 * would make the kernel wait for its user to let go. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attrs.h"
#include "holders.h"
#include "holders-scan.h"
#include "observe.h"
#include "sysfs.h"

#define PCI_DEVICES "/sys/bus/pci/devices"
#define MAX_WATCHED 4096

/* A character device nobody may have open. */
struct watched {
    uint32_t major_, minor_;
    char label[VDPAD_NAME_SIZE + 64];
};

struct watch {
    size_t n, capacity;
    struct watched *devices;
    const struct vdpad_rows *vbus; /* All vDPA devices. */
    uint32_t vhost_major;
    bool refuse_orphans;
    struct vdpad_error *why;
};

static int
watch_add(struct watch *watch, uint32_t major_, uint32_t minor_,
          const char *label, const char *node)
{
    struct watched *device;

    if (watch->n == MAX_WATCHED) {
        return vdpad_error_set(watch->why, -E2BIG,
                               "more than %d character "
                               "devices to look for",
                               MAX_WATCHED);
    }
    if (watch->n == watch->capacity) {
        watch->capacity = watch->capacity ? watch->capacity * 2 : 16;
        watch->devices = vdpad_nl_realloc(watch->devices, watch->capacity,
                                          sizeof *watch->devices);
    }
    device = &watch->devices[watch->n++];
    device->major_ = major_;
    device->minor_ = minor_;
    (void) snprintf(device->label, sizeof device->label, "%.127s (%.40s)",
                    label, node);
    return 0;
}

/* Watches for users of one vDPA device; -EBUSY when it can be told already. */
static int
watch_vdpa(struct watch *watch, const struct vdpad_vbus *row)
{
    uint64_t number;

    if (row->netdev_away) {
        return vdpad_error_set(watch->why, -EBUSY,
                               "vDPA device %.127s is in use: the netdev of "
                               "%s is in another network namespace",
                               row->name, row->virtio);
    }
    return vdpad_number_after(row->chardev, "vhost-vdpa-", UINT32_MAX, &number)
               ? 0
               : watch_add(watch, watch->vhost_major, (uint32_t) number,
                           row->name, row->chardev);
}

/* Watches for users of a function's VFIO devices. */
struct vfio_entry {
    struct watch *watch;
    const char *vf;
};

/* Watches the device whose number is 'text', "MAJOR:MINOR". */
static int
watch_number(struct watch *watch, const char *vf, const char *text,
             const char *node)
{
    uint64_t major_, minor_;

    return vdpad_number_take(&text, UINT32_MAX, &major_) || *text++ != ':'
                   || vdpad_number_take(&text, UINT32_MAX, &minor_)
               ? 0
               : watch_add(watch, (uint32_t) major_, (uint32_t) minor_, vf,
                           node);
}

static int
on_vfio_dev(void *entry_, const char *name)
{
    struct vfio_entry *entry = entry_;
    char text[32];

    return vdpad_sysfs_read(text, sizeof text,
                            PCI_DEVICES "/%s/vfio-dev/%s/dev", entry->vf, name)
               ? 0
               : watch_number(entry->watch, entry->vf, text, name);
}

static int
watch_vfio(struct watch *watch, const char *vf)
{
    struct vfio_entry entry = { .watch = watch, .vf = vf };
    char path[VDPAD_PATH_SIZE], group[16], text[32];
    int error;

    if (!vdpad_sysfs_link(group, sizeof group, PCI_DEVICES "/%s/iommu_group",
                          vf)
        && !vdpad_sysfs_read(text, sizeof text, "/sys/class/vfio/%s/dev",
                             group)) {
        error = watch_number(watch, vf, text, "VFIO group");
        if (error) {
            return error;
        }
    }
    (void) snprintf(path, sizeof path, PCI_DEVICES "/%s/vfio-dev", vf);
    error = vdpad_sysfs_list(path, "vfio", on_vfio_dev, &entry);
    return error == -ENOENT ? 0 : error;
}

static int
count_entry(void *n, const char *name)
{
    (void) name;
    ++*(size_t *) n;
    return 0;
}

/* Watches for users of a function itself: its netdev, its VFIO devices. */
static int
watch_function(struct watch *watch, const char *vf)
{
    char path[VDPAD_PATH_SIZE];
    size_t n = 0;

    /* The directory is there as long as there is a netdev, and shows only
     * those of the namespace that /sys belongs to. */
    (void) snprintf(path, sizeof path, PCI_DEVICES "/%s/net", vf);
    if (!vdpad_sysfs_list(path, "", count_entry, &n) && !n) {
        return vdpad_error_set(watch->why, -EBUSY,
                               "VF %s is in use: its netdev is in another "
                               "network namespace",
                               vf);
    }
    return watch_vfio(watch, vf);
}

/* Whether some vDPA device has the character device. */
static bool
is_current(const struct vdpad_rows *vbus, const char *chardev)
{
    const struct vdpad_vbus *row = vbus->picture.rows;

    for (size_t i = 0; i < vbus->picture.n; i++) {
        if (!strcmp(row[i].chardev, chardev)) {
            return true;
        }
    }
    return false;
}

/* Whether the character device belongs to a vDPA device that is being removed:
 * it has no name any more, but someone still holds it, and the kernel waits
 * for him.  Which device that is, or was, sysfs does not tell. */
static bool
is_orphan(const struct watch *watch, uint32_t major_, uint32_t minor_)
{
    char chardev[VDPAD_WORD_SIZE];

    (void) snprintf(chardev, sizeof chardev, "vhost-vdpa-%u", minor_);
    return major_ == watch->vhost_major && !is_current(watch->vbus, chardev);
}

static int
on_open(void *watch_, uint32_t major_, uint32_t minor_, int32_t pid)
{
    const struct watch *watch = watch_;
    char command[64];

    for (size_t i = 0; i < watch->n; i++) {
        const struct watched *device = &watch->devices[i];

        if (device->major_ == major_ && device->minor_ == minor_) {
            vdpad_holders_command(pid, command, sizeof command);
            return vdpad_error_set(watch->why, -EBUSY,
                                   "%s is in use by pid %d (%s)",
                                   device->label, (int) pid, command);
        }
    }
    if (watch->refuse_orphans && is_orphan(watch, major_, minor_)) {
        vdpad_holders_command(pid, command, sizeof command);
        return vdpad_error_set(watch->why, -EBUSY,
                               "a vDPA device that is "
                               "being removed (vhost-vdpa-%u) is in use by "
                               "pid %d (%s)",
                               minor_, (int) pid, command);
    }
    return 0;
}

/* What is asked about: the vDPA devices that 'is_concerned', and the functions
 * that 'add_functions' (may be NULL) adds. */
struct question {
    struct vdpad_observer *observer;
    const char *name;
    bool (*is_concerned)(const struct vdpad_vbus *, const char *name);
    int (*add_functions)(struct watch *, const char *name);
};

/* Refuses when a guest drives one of the devices although nobody in /proc has
 * it open: the descriptor is on its way from one process to another
 * (SCM_RIGHTS), or held by the kernel for someone.  Asked last, since this
 * sleeps while anything else blocks generic netlink. */
static int
check_negotiated(const struct question *q, const struct vdpad_rows *vbus,
                 struct vdpad_error *why)
{
    const struct vdpad_vbus *row = vbus->picture.rows;

    for (size_t i = 0; i < vbus->picture.n; i++) {
        /* What virtio_vdpa negotiates is the host's own. */
        bool is_asked = q->is_concerned(&row[i], q->name)
                        && !strcmp(row[i].driver, "vhost_vdpa");
        uint64_t features = 0;
        int error = is_asked
                        ? vdpad_observe_negotiated(q->observer, row[i].name,
                                                   &features, why)
                        : 0;

        if (error) {
            return error;
        }
        if (features) {
            return vdpad_error_set(why, -EBUSY,
                                   "vDPA device %.127s is in use: features "
                                   "0x%llx are negotiated on %s, though no "
                                   "process is seen to have it open",
                                   row[i].name, (unsigned long long) features,
                                   row[i].chardev);
        }
    }
    return 0;
}

static int
check(const struct question *q, struct vdpad_error *why)
{
    struct vdpad_rows rows;
    struct watch watch = {
        .why = why,
        .vbus = &rows,
        .vhost_major = vdpad_holders_major("vhost-vdpa"),
        .refuse_orphans = q->add_functions != NULL,
    };
    const struct vdpad_vbus *row;
    int error;

    vdpad_rows_init(&rows, VDPAD_VBUS);
    error = vdpad_observe_vbus(&rows, why);
    row = rows.picture.rows;
    for (size_t i = 0; !error && i < rows.picture.n; i++) {
        if (q->is_concerned(&row[i], q->name)) {
            error = watch_vdpa(&watch, &row[i]);
        }
    }
    if (!error && q->add_functions) {
        error = q->add_functions(&watch, q->name);
    }
    if (!error && (watch.n || watch.refuse_orphans)) {
        error = vdpad_holders_scan(on_open, &watch, why);
    }
    if (!error) {
        error = check_negotiated(q, &rows, why);
    }
    vdpad_rows_clear(&rows);
    free(watch.devices);
    return error;
}

static bool
has_name(const struct vdpad_vbus *row, const char *name)
{
    return !strcmp(row->name, name);
}

static bool
is_on_vf(const struct vdpad_vbus *row, const char *vf)
{
    return !strcmp(row->parent, vf);
}

static bool
is_below_pf(const struct vdpad_vbus *row, const char *pf)
{
    char physfn[VDPAD_BDF_SIZE];

    return row->parent[0]
           && !vdpad_sysfs_link(physfn, sizeof physfn,
                                PCI_DEVICES "/%s/physfn", row->parent)
           && !strcmp(physfn, pf);
}

struct pf_watch {
    struct watch *watch;
    const char *pf;
};

static int
on_virtfn(void *pf_watch_, const char *entry)
{
    struct pf_watch *pf_watch = pf_watch_;
    char vf[VDPAD_BDF_SIZE];

    return vdpad_sysfs_link(vf, sizeof vf, PCI_DEVICES "/%s/%s", pf_watch->pf,
                            entry)
               ? 0
               : watch_function(pf_watch->watch, vf);
}

static int
watch_pf_functions(struct watch *watch, const char *pf)
{
    struct pf_watch pf_watch = { .watch = watch, .pf = pf };
    char path[VDPAD_PATH_SIZE];
    int error;

    (void) snprintf(path, sizeof path, PCI_DEVICES "/%s", pf);
    error = vdpad_sysfs_list(path, "virtfn", on_virtfn, &pf_watch);
    return error == -ENOENT ? 0 : error;
}

int
vdpad_holders_check_vdpa(struct vdpad_observer *observer, const char *name,
                         struct vdpad_error *why)
{
    return check(&(struct question){ observer, name, has_name, NULL }, why);
}

int
vdpad_holders_check_vf(struct vdpad_observer *observer, const char *vf,
                       struct vdpad_error *why)
{
    return check(&(struct question){ observer, vf, is_on_vf, watch_function },
                 why);
}

int
vdpad_holders_check_pf(struct vdpad_observer *observer, const char *pf,
                       struct vdpad_error *why)
{
    return check(&(struct question){ observer, pf, is_below_pf,
                                     watch_pf_functions },
                 why);
}

/* The first vDPA device without a driver, or NULL. */
static const char *
find_driverless(const struct vdpad_rows *vbus)
{
    const struct vdpad_vbus *row = vbus->picture.rows;

    for (size_t i = 0; i < vbus->picture.n; i++) {
        if (!row[i].driver[0]) {
            return row[i].name;
        }
    }
    return NULL;
}

void
vdpad_holders_suspect(char *text, size_t size)
{
    struct vdpad_rows vbus, holders;
    const struct vdpad_holder *holder;

    text[0] = '\0';
    vdpad_rows_init(&vbus, VDPAD_VBUS);
    vdpad_rows_init(&holders, VDPAD_HOLDER);
    if (!vdpad_observe_vbus(&vbus, NULL)
        && !vdpad_holders_observe(&holders, NULL)) {
        holder = holders.picture.rows;
        for (size_t i = 0; i < holders.picture.n; i++) {
            /* A device that is unbound stays without a driver; one that is
             * deleted has no name in sysfs already. */
            const char *driverless = find_driverless(&vbus);

            if (is_current(&vbus, holder[i].chardev)) {
                continue;
            }
            (void) snprintf(text, size,
                            "pid %d (%s) holds %s of a vDPA "
                            "device that is being %s%.60s",
                            (int) holder[i].pid, holder[i].command,
                            holder[i].chardev,
                            driverless ? "removed, perhaps " : "deleted",
                            driverless ? driverless : "");
            break;
        }
    }
    vdpad_rows_clear(&vbus);
    vdpad_rows_clear(&holders);
}
