/* SPDX-License-Identifier: Apache-2.0 */
/* Is a device in use, right now?  Asked immediately before every step that
 * would make the kernel wait for its user to let go. */
#include <errno.h>
#include <stdarg.h>
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

/* What became of looking at the file that 'format' names: it is not there, so
 * nobody can have it open, or 'error' keeps that from being known. */
static int __attribute__((format(printf, 3, 4)))
unless_gone(struct vdpad_error *why, int error, const char *format, ...)
{
    char path[VDPAD_PATH_SIZE];
    va_list args;

    if (!error || error == -ENOENT) {
        return 0;
    }
    va_start(args, format);
    (void) vsnprintf(path, sizeof path, format, args);
    va_end(args);
    return vdpad_error_set(why, error, "who uses it cannot be known: %s: %s",
                           path, strerror(-error));
}

/* As vdpad_sysfs_list(); without the directory there are no entries. */
static int
list(struct vdpad_error *why, const char *path, const char *prefix,
     vdpad_sysfs_entry_cb *cb, void *aux)
{
    int error = vdpad_sysfs_list(path, prefix, cb, aux);

    /* What 'cb' ended with it has explained. */
    return error && error == why->code ? error
                                       : unless_gone(why, error, "%s", path);
}

/* Watches the device whose number is 'text', "MAJOR:MINOR". */
static int
watch_number(struct watch *watch, const char *vf, const char *text,
             const char *node)
{
    uint64_t major_, minor_;

    return vdpad_number_take(&text, UINT32_MAX, &major_) || *text++ != ':'
                   || vdpad_number_take(&text, UINT32_MAX, &minor_)
               ? vdpad_error_set(watch->why, -EPROTO,
                                 "who uses %.40s cannot be known: no number "
                                 "of its device %.40s",
                                 vf, node)
               : watch_add(watch, (uint32_t) major_, (uint32_t) minor_, vf,
                           node);
}

static int
on_vfio_dev(void *entry_, const char *name)
{
    struct vfio_entry *entry = entry_;
    char text[32];
    int error = vdpad_sysfs_read(text, sizeof text,
                                 PCI_DEVICES "/%s/vfio-dev/%s/dev", entry->vf,
                                 name);

    return error ? unless_gone(entry->watch->why, error,
                               PCI_DEVICES "/%s/vfio-dev/%s/dev", entry->vf,
                               name)
                 : watch_number(entry->watch, entry->vf, text, name);
}

/* Without an IOMMU the group's device has another name
 * (vfio_group_alloc(), drivers/vfio/group.c). */
static int
watch_group(struct watch *watch, const char *vf, const char *group)
{
    static const char *const prefixes[] = { "", "noiommu-" };
    char text[32];
    int error = 0;

    for (size_t i = 0; i < 2 && !error; i++) {
        error = vdpad_sysfs_read(text, sizeof text, "/sys/class/vfio/%s%s/dev",
                                 prefixes[i], group);
        error = error ? unless_gone(watch->why, error,
                                    "/sys/class/vfio/%s%s/dev", prefixes[i],
                                    group)
                      : watch_number(watch, vf, text, "VFIO group");
    }
    return error;
}

static int
watch_vfio(struct watch *watch, const char *vf)
{
    struct vfio_entry entry = { .watch = watch, .vf = vf };
    char path[VDPAD_PATH_SIZE], group[16];
    int error = vdpad_sysfs_link(group, sizeof group,
                                 PCI_DEVICES "/%s/iommu_group", vf);

    error = error ? unless_gone(watch->why, error,
                                PCI_DEVICES "/%s/iommu_group", vf)
                  : watch_group(watch, vf, group);
    if (error) {
        return error;
    }
    (void) snprintf(path, sizeof path, PCI_DEVICES "/%s/vfio-dev", vf);
    return list(watch->why, path, "", on_vfio_dev, &entry);
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
    int error;

    /* The directory is there as long as there is a netdev, and shows only
     * those of the namespace that /sys belongs to. */
    (void) snprintf(path, sizeof path, PCI_DEVICES "/%s/net", vf);
    error = vdpad_sysfs_list(path, "", count_entry, &n);
    if (error && error != -ENOENT) {
        return unless_gone(watch->why, error, "%s", path);
    }
    if (!error && !n) {
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

/* What is asked about: the vDPA devices of which 'concerns' stores that they
 * are (returning 0, or an errno with 'why'), and the functions that
 * 'add_functions' (may be NULL) adds. */
struct question {
    struct vdpad_observer *observer;
    const char *name;
    int (*concerns)(const struct vdpad_vbus *, const char *name, bool *ret,
                    struct vdpad_error *why);
    int (*add_functions)(struct watch *, const char *name);
};

/* Looks at who has what open, now.  'vbus' gets the devices that 'q' is about
 * and that exist. */
static int
look(const struct question *q, struct vdpad_rows *vbus,
     struct vdpad_error *why)
{
    struct vdpad_rows all;
    struct watch watch = {
        .why = why,
        .vbus = &all,
        .refuse_orphans = q->add_functions != NULL,
    };
    const struct vdpad_vbus *row;
    int error;

    vdpad_rows_init(&all, VDPAD_VBUS);
    error = vdpad_holders_major("vhost-vdpa", &watch.vhost_major, why);
    if (!error) {
        error = vdpad_observe_vbus(&all, why);
    }
    row = all.picture.rows;
    for (size_t i = 0; !error && i < all.picture.n; i++) {
        bool is_concerned = false;

        error = q->concerns(&row[i], q->name, &is_concerned, why);
        if (!error && is_concerned) {
            *(struct vdpad_vbus *) vdpad_rows_add(vbus) = row[i];
            /* Without a driver it may be in the middle of being unbound, for
             * which somebody is waited for. */
            watch.refuse_orphans |= !row[i].driver[0];
            error = watch_vdpa(&watch, &row[i]);
        }
    }
    if (!error && q->add_functions) {
        error = q->add_functions(&watch, q->name);
    }
    if (!error && (watch.n || watch.refuse_orphans)) {
        error = vdpad_holders_scan(on_open, &watch, why);
    }
    vdpad_rows_clear(&all);
    free(watch.devices);
    return error;
}

/* Refuses when a guest drives one of the devices 'vbus' although nobody in
 * /proc has it open: the descriptor is on its way from one process to another
 * (SCM_RIGHTS), or held by the kernel for someone.  Not asked first, since
 * this sleeps while anything else blocks generic netlink.  '*ret_asked':
 * whether there was anything to ask. */
static int
check_negotiated(const struct question *q, const struct vdpad_rows *vbus,
                 bool *ret_asked, struct vdpad_error *why)
{
    const struct vdpad_vbus *row = vbus->picture.rows;

    *ret_asked = false;
    for (size_t i = 0; i < vbus->picture.n; i++) {
        uint64_t features = 0;
        int error;

        if (strcmp(row[i].driver, "vhost_vdpa")) {
            /* What virtio_vdpa negotiates is the host's own. */
            continue;
        }
        *ret_asked = true;
        error = vdpad_observe_negotiated(q->observer, row[i].name, &features,
                                         why);
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
    struct vdpad_rows vbus;
    struct vdpad_error unread = { .code = 0 };
    bool has_asked = false;
    int error;

    why = why ? why : &unread;
    why->code = 0;
    vdpad_rows_init(&vbus, VDPAD_VBUS);
    error = look(q, &vbus, why);
    if (!error) {
        error = check_negotiated(q, &vbus, &has_asked, why);
    }
    vdpad_rows_clear(&vbus);
    if (!error && has_asked) {
        /* That may have slept, and somebody has opened one meanwhile. */
        vdpad_rows_init(&vbus, VDPAD_VBUS);
        error = look(q, &vbus, why);
        vdpad_rows_clear(&vbus);
    }
    return error;
}

static int
has_name(const struct vdpad_vbus *row, const char *name, bool *ret,
         struct vdpad_error *why)
{
    (void) why;
    *ret = !strcmp(row->name, name);
    return 0;
}

static int
is_on_vf(const struct vdpad_vbus *row, const char *vf, bool *ret,
         struct vdpad_error *why)
{
    (void) why;
    *ret = !strcmp(row->parent, vf);
    return 0;
}

/* Whether it is on a VF of 'pf'. */
static int
is_on_vf_of(const struct vdpad_vbus *row, const char *pf, bool *ret,
            struct vdpad_error *why)
{
    char physfn[VDPAD_BDF_SIZE];
    int error = row->parent[0]
                    ? vdpad_sysfs_link(physfn, sizeof physfn,
                                       PCI_DEVICES "/%s/physfn", row->parent)
                    : -ENOENT;

    *ret = !error && !strcmp(physfn, pf);
    return unless_gone(why, error, PCI_DEVICES "/%s/physfn", row->parent);
}

/* Likewise, or on 'pf' or a subfunction of it. */
static int
is_on_pf(const struct vdpad_vbus *row, const char *pf, bool *ret,
         struct vdpad_error *why)
{
    *ret = !strcmp(row->parent, pf);
    return *ret ? 0 : is_on_vf_of(row, pf, ret, why);
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
    int error = vdpad_sysfs_link(vf, sizeof vf, PCI_DEVICES "/%s/%s",
                                 pf_watch->pf, entry);

    return error ? unless_gone(pf_watch->watch->why, error,
                               PCI_DEVICES "/%s/%s", pf_watch->pf, entry)
                 : watch_function(pf_watch->watch, vf);
}

static int
watch_vfs(struct watch *watch, const char *pf)
{
    struct pf_watch pf_watch = { .watch = watch, .pf = pf };
    char path[VDPAD_PATH_SIZE];

    (void) snprintf(path, sizeof path, PCI_DEVICES "/%s", pf);
    return list(watch->why, path, "virtfn", on_virtfn, &pf_watch);
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
vdpad_holders_check_vfs(struct vdpad_observer *observer, const char *pf,
                        struct vdpad_error *why)
{
    return check(&(struct question){ observer, pf, is_on_vf_of, watch_vfs },
                 why);
}

int
vdpad_holders_check_pf(struct vdpad_observer *observer, const char *pf,
                       struct vdpad_error *why)
{
    return check(&(struct question){ observer, pf, is_on_pf, watch_vfs }, why);
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
