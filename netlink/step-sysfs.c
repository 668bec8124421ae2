/* SPDX-License-Identifier: Apache-2.0 */
#include "step.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "attrs.h"
#include "holders.h"
#include "protocol.h"
#include "sysfs.h"

#define PCI_DEVICES "/sys/bus/pci/devices"
#define PCI_DRIVERS "/sys/bus/pci/drivers"
#define VDPA_DEVICES "/sys/bus/vdpa/devices"
#define VDPA_DRIVERS "/sys/bus/vdpa/drivers"

/* A driver that is still letting go of the device says EBUSY for a moment. */
#define BIND_ATTEMPTS 20
#define BIND_PAUSE_MS 50

static int
check_vf(const struct vdpad_act *act, struct vdpad_error *why)
{
    return vdpad_sysfs_exists(PCI_DEVICES "/%s/physfn", act->object)
               ? 0
               : vdpad_error_set(why, -ENODEV, "%.40s: no such VF",
                                 act->object);
}

static int
check_pf(const struct vdpad_act *act, struct vdpad_error *why)
{
    return vdpad_sysfs_exists(PCI_DEVICES "/%s", act->object)
               ? 0
               : vdpad_error_set(why, -ENODEV, "%.40s: no such PCI function",
                                 act->object);
}

static int
count_entry(void *n, const char *name)
{
    (void) name;
    ++*(int64_t *) n;
    return 0;
}

/* How many VFs 'pf' has.  Where none are seen the kernel is asked: a reset
 * that brings them back, whosever they are, holds the lock that this takes
 * (sriov_numvfs_show(), drivers/pci/iov.c of 6.12). */
static int
count_vfs(const char *pf, int64_t *ret_n, struct vdpad_error *why)
{
    char path[VDPAD_PATH_SIZE];
    uint64_t n = 0;
    int error;

    *ret_n = 0;
    (void) snprintf(path, sizeof path, PCI_DEVICES "/%s", pf);
    error = vdpad_sysfs_list(path, "virtfn", count_entry, ret_n);
    if (!error && !*ret_n) {
        (void) snprintf(path, sizeof path, PCI_DEVICES "/%s/sriov_numvfs", pf);
        error = vdpad_sysfs_read_number(&n, "%s", path);
        *ret_n = (int64_t) n;
    }
    return error ? vdpad_error_set(why, error, "read %s: %s", path,
                                   strerror(-error))
                 : 0;
}

int
vdpad_step_autoprobe(const struct vdpad_act *act, struct vdpad_error *why)
{
    int64_t now = 0;
    int error = check_pf(act, why);

    if (!error && !act->number) {
        /* VFs that come back from a reset without their drivers would stay
         * without, if they are another's. */
        error = count_vfs(act->object, &now, why);
    }
    if (!error && now) {
        error = vdpad_error_set(why, -ESTALE, "%.40s: has %lld VFs by now",
                                act->object, (long long) now);
    }
    return error ? error
                 : vdpad_sysfs_write(act->number ? "1" : "0", why,
                                     PCI_DEVICES "/%s/sriov_drivers_autoprobe",
                                     act->object);
}

int
vdpad_step_numvfs(struct vdpad_observer *observer, const struct vdpad_act *act,
                  struct vdpad_error *why)
{
    char number[24];
    int64_t now = 0;
    int error;

    error = check_pf(act, why);
    if (!error) {
        error = count_vfs(act->object, &now, why);
    }
    if (error || (!now && !act->number)) {
        return error;
    }
    if (!act->number && act->seen > 0 && act->seen != now) {
        /* Another program was faster: these were not meant. */
        return vdpad_error_set(why, -ESTALE, "%.40s: has %lld VFs by now",
                               act->object, (long long) now);
    }
    if (now == act->number) {
        /* The kernel takes the number that there is for a success
         * (sriov_numvfs_store(), drivers/pci/iov.c of 6.12), and these VFs
         * would count as ours. */
        return vdpad_error_set(why, -ESTALE, "%.40s: has %lld VFs by now",
                               act->object, (long long) now);
    }
    if (now && !act->force) {
        error = vdpad_holders_check_vfs(observer, act->object, why);
        if (error) {
            return error;
        }
    }
    (void) snprintf(number, sizeof number, "%lld", (long long) act->number);
    return vdpad_sysfs_write(number, why, PCI_DEVICES "/%s/sriov_numvfs",
                             act->object);
}

static int
unbind_vf(struct vdpad_observer *observer, const struct vdpad_act *act,
          const char *driver, struct vdpad_error *why)
{
    int error = act->force
                    ? 0
                    : vdpad_holders_check_vf(observer, act->object, why);

    return error ? error
                 : vdpad_sysfs_write(act->object, why,
                                     PCI_DRIVERS "/%s/unbind", driver);
}

int
vdpad_step_vf_unbind(struct vdpad_observer *observer,
                     const struct vdpad_act *act, struct vdpad_error *why)
{
    char driver[VDPAD_WORD_SIZE];
    int error = check_vf(act, why);

    if (error) {
        return error;
    }
    return vdpad_sysfs_link(driver, sizeof driver, PCI_DEVICES "/%s/driver",
                            act->object)
               ? 0
               : unbind_vf(observer, act, driver, why);
}

static int
set_vf_override(const char *vf, const char *driver, struct vdpad_error *why)
{
    return vdpad_sysfs_write(driver[0] ? driver : "\n", why,
                             PCI_DEVICES "/%s/driver_override", vf);
}

/* Has the kernel look for a driver for the VF.  'driver' is the one expected,
 * for the text; NULL: any. */
static int
probe_vf(const char *vf, const char *driver, struct vdpad_error *why)
{
    int error = vdpad_sysfs_write(vf, why, "/sys/bus/pci/drivers_probe");

    /* The write succeeds also when the driver refuses the device: why is only
     * in the kernel's log. */
    if (!error && !vdpad_sysfs_exists(PCI_DEVICES "/%s/driver", vf)) {
        error = vdpad_error_set(why, -ENODEV,
                                "VF %.40s: %s%s; see the "
                                "kernel's log",
                                vf, driver ? driver : "no driver",
                                driver ? " did not take it" : " took it");
    }
    return error;
}

/* With sriov_drivers_autoprobe off, the kernel refuses to bind any driver to a
 * VF, also by hand, unless it is named by driver_override
 * (pci_device_can_probe(), drivers/pci/pci-driver.c). */
static int
probe_vf_by_name(const char *vf, const char *driver, struct vdpad_error *why)
{
    int error = set_vf_override(vf, driver, why);
    int clear;

    if (error) {
        return error;
    }
    error = probe_vf(vf, driver, why);
    clear = set_vf_override(vf, "", error ? NULL : why);
    return error ? error : clear;
}

/* Has the VF found a driver without an override.  It is unbound first, and
 * only then its override goes: after a refusal all is as it was, and the next
 * attempt sees what is still to be done. */
static int
probe_vf_default(struct vdpad_observer *observer, const struct vdpad_act *act,
                 const char *bound, struct vdpad_error *why)
{
    const char *vf = act->object;
    char override[VDPAD_WORD_SIZE], driver[VDPAD_WORD_SIZE];
    uint64_t autoprobe = 1;
    int error;

    if (bound[0] && strcmp(bound, act->from)) {
        /* It has got a driver since the step was planned. */
        return 0;
    }
    error = bound[0] ? unbind_vf(observer, act, bound, why) : 0;
    if (error) {
        return error;
    }
    (void) vdpad_sysfs_read(override, sizeof override,
                            PCI_DEVICES "/%s/driver_override", vf);
    error = override[0] ? set_vf_override(vf, "", why) : 0;
    if (error) {
        return error;
    }
    (void) vdpad_sysfs_read_number(
        &autoprobe, PCI_DEVICES "/%s/physfn/sriov_drivers_autoprobe", vf);
    if (autoprobe) {
        return probe_vf(vf, NULL, why);
    }
    /* A PF and its VFs have one driver with the cards that this is for. */
    error = vdpad_sysfs_link(driver, sizeof driver,
                             PCI_DEVICES "/%s/physfn/driver", vf);
    return error ? vdpad_error_set(why, error,
                                   "VF %.40s: its PF has no "
                                   "driver",
                                   vf)
                 : probe_vf_by_name(vf, driver, why);
}

int
vdpad_step_vf_probe(struct vdpad_observer *observer,
                    const struct vdpad_act *act, struct vdpad_error *why)
{
    const char *vf = act->object;
    char bound[VDPAD_WORD_SIZE];
    int error = check_vf(act, why);

    if (error) {
        return error;
    }
    (void) vdpad_sysfs_link(bound, sizeof bound, PCI_DEVICES "/%s/driver", vf);
    if (!act->word[0]) {
        return probe_vf_default(observer, act, bound, why);
    }
    if (!vdpad_sysfs_exists(PCI_DRIVERS "/%s", act->word)) {
        return vdpad_error_set(why, -ENOENT,
                               "PCI driver %.31s is not there: "
                               "load its module",
                               act->word);
    }
    if (!strcmp(bound, act->word)) {
        /* Somebody else has given it there since the step was planned, and it
         * would count as given by us. */
        return vdpad_error_set(why, -ESTALE,
                               "VF %.40s: has driver %.31s by "
                               "now",
                               vf, bound);
    }
    if (bound[0]) {
        error = unbind_vf(observer, act, bound, why);
    }
    if (!error) {
        error = set_vf_override(vf, act->word, why);
    }
    return error ? error : probe_vf(vf, act->word, why);
}

static int
check_vdpa(const struct vdpad_act *act, struct vdpad_error *why)
{
    return vdpad_sysfs_exists(VDPA_DEVICES "/%s", act->object)
               ? 0
               : vdpad_error_set(why, -ENODEV, "vDPA device %s: not there",
                                 act->object);
}

static int
unbind_vdpa(struct vdpad_observer *observer, const struct vdpad_act *act,
            const char *driver, struct vdpad_error *why)
{
    int error = act->force
                    ? 0
                    : vdpad_holders_check_vdpa(observer, act->object, why);

    return error ? error
                 : vdpad_sysfs_write(act->object, why,
                                     VDPA_DRIVERS "/%s/unbind", driver);
}

int
vdpad_step_vdpa_unbind(struct vdpad_observer *observer,
                       const struct vdpad_act *act, struct vdpad_error *why)
{
    char driver[VDPAD_WORD_SIZE];
    int error = check_vdpa(act, why);

    if (error) {
        return error;
    }
    return vdpad_sysfs_link(driver, sizeof driver, VDPA_DEVICES "/%s/driver",
                            act->object)
               ? 0
               : unbind_vdpa(observer, act, driver, why);
}

/* Binds the device, which has no driver, to the driver 'act->word'. */
static int
bind_vdpa(const struct vdpad_act *act, struct vdpad_error *why)
{
    struct pollfd daemon_end = { .fd = VDPAD_WORKER_FD };
    char driver[VDPAD_WORD_SIZE];
    int error = 0;

    for (int i = 0; i < BIND_ATTEMPTS; i++) {
        error = vdpad_sysfs_write(act->object, why, VDPA_DRIVERS "/%s/bind",
                                  act->word);
        /* Whatever the write said: another may have bound it meanwhile. */
        (void) vdpad_sysfs_link(driver, sizeof driver,
                                VDPA_DEVICES "/%s/driver", act->object);
        if (!strcmp(driver, act->word)) {
            return 0;
        }
        if (driver[0]) {
            return vdpad_error_set(why, -EBUSY,
                                   "vDPA device %s: bound to %s "
                                   "by someone else",
                                   act->object, driver);
        }
        if (error != -EBUSY && error != -EAGAIN) {
            break;
        }
        if (poll(&daemon_end, 1, BIND_PAUSE_MS)) {
            /* Nobody waits for this any more. */
            break;
        }
    }
    return error ? error
                 : vdpad_error_set(why, -ENODEV,
                                   "vDPA device %s: %s did not take "
                                   "it",
                                   act->object, act->word);
}

int
vdpad_step_vdpa_bind(struct vdpad_observer *observer,
                     const struct vdpad_act *act, struct vdpad_error *why)
{
    char driver[VDPAD_WORD_SIZE];
    bool has_override;
    int error = check_vdpa(act, why);

    if (error) {
        return error;
    }
    (void) vdpad_sysfs_link(driver, sizeof driver, VDPA_DEVICES "/%s/driver",
                            act->object);
    if (!strcmp(driver, act->word)) {
        return 0;
    }
    if (!vdpad_sysfs_exists(VDPA_DRIVERS "/%s", act->word)) {
        return vdpad_error_set(why, -ENOENT,
                               "vDPA bus driver %.31s is not "
                               "there: load the module of that name",
                               act->word);
    }
    if (driver[0]) {
        error = unbind_vdpa(observer, act, driver, why);
        if (error) {
            return error;
        }
    }
    /* Kernels before 5.17 have no driver_override for vDPA. */
    has_override = vdpad_sysfs_exists(VDPA_DEVICES "/%s/driver_override",
                                      act->object);
    if (has_override) {
        error = vdpad_sysfs_write(act->word, why,
                                  VDPA_DEVICES "/%s/driver_override",
                                  act->object);
    }
    if (!error) {
        error = bind_vdpa(act, why);
    }
    if (has_override) {
        (void) vdpad_sysfs_write("\n", NULL,
                                 VDPA_DEVICES "/%s/driver_override",
                                 act->object);
    }
    if (!error) {
        /* libvirt looks for the character device only when it is told of an
         * addition or a change. */
        error = vdpad_sysfs_write("change", why, VDPA_DEVICES "/%s/uevent",
                                  act->object);
    }
    return error;
}
