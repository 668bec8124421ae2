/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of what runs guests on the host, and what could keep it from the char
 * devices. */
#include <stdio.h>
#include <string.h>

#include "cmd-why.h"
#include "util.h"

#define OK VDPAD_CHECK_OK
#define FAIL VDPAD_CHECK_FAIL
#define UNKNOWN VDPAD_CHECK_UNKNOWN

#define QEMU_PREFIX "qemu/"

/* Takes one number of a version, and the dot behind it. */
static unsigned int
take_part(const char **p)
{
    unsigned int n = 0;

    for (; **p >= '0' && **p <= '9' && n < 100000; ++*p) {
        n = n * 10 + (unsigned int) (**p - '0');
    }
    *p += **p == '.';
    return n;
}

/* Whether 'version', "7.2.22" or "6.1.0-49-amd64", is 'major.minor' or
 * later. */
static bool
is_at_least(const char *version, unsigned int major, unsigned int minor)
{
    unsigned int has = take_part(&version);

    return has > major || (has == major && take_part(&version) >= minor);
}

/* What was developed when, by the history of include/linux/vdpa.h: MAC and MTU
 * of a new device in 5.16, its queue pairs and driver_override in 5.17.
 * Distributors bring such things to older kernels, so that a number proves
 * nothing else. */
static void
kernel(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const char *release = vdpad_host_fact(in->world, "kernel");

    if (!vdpad_check_knows(in, VDPAD_HOST, f)) {
        return;
    }
    if (!release) {
        vdpad_found(f, UNKNOWN, "the kernel does not tell its release");
    } else if (is_at_least(release, 5, 17)) {
        vdpad_found(f, OK, "it is %s", release);
    } else {
        vdpad_found(f, UNKNOWN,
                    "it is %s: address, MTU, queues and driver of a vDPA "
                    "device can be chosen since 5.17, or where a distributor "
                    "has brought that to an older one",
                    release);
        vdpad_remedy(f, "see that vdpa mgmtdev show lists "
                        "max_supported_vqs; if not, boot a newer kernel");
    }
}

static bool
has_vhost(const struct vdpad_dev *dev)
{
    return dev->policy ? dev->policy->type == VDPAD_TYPE_VHOST
                       : dev->vbus && !strcmp(dev->vbus->driver, "vhost_vdpa");
}

/* Whether there is something here for guests at all. */
static bool
is_for_guests(const struct vdpad_world *world)
{
    for (size_t i = 0; i < world->n_devs; i++) {
        if (has_vhost(&world->devs[i])) {
            return true;
        }
    }
    return false;
}

static void
libvirt(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const char *version = vdpad_host_fact(in->world, "libvirt");
    const char *source = vdpad_host_fact(in->world, "libvirt-source");
    static const char needs[] = "6.9.0 is the first with interfaces of type "
                                "vdpa";

    if (!is_for_guests(in->world)) {
        vdpad_skip(f);
    } else if (!vdpad_check_knows(in, VDPAD_HOST, f)) {
        return;
    } else if (!version || !source) {
        vdpad_found(f, UNKNOWN,
                    "neither libvirtd nor virtqemud runs as root, and there "
                    "is no libvirt.so.0");
        vdpad_remedy(f,
                     "where guests are libvirt's: virsh version --daemon; "
                     "%s",
                     needs);
    } else if (is_at_least(version, 6, 9)) {
        vdpad_found(f, OK, "it is %s (%s)", version, source);
    } else {
        vdpad_found(f, FAIL, "it is %s (%s): %s", version, source, needs);
        vdpad_remedy(f, "install a newer libvirt");
    }
}

static void
qemu(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_host *rows = VDPAD_OBSERVED_ROWS(in->world->observed,
                                                        VDPAD_HOST,
                                                        vdpad_host);
    const struct vdpad_host *shown = NULL;
    static const char needs[] = "5.1.0 is the first with vhost-vdpa";

    if (!is_for_guests(in->world)) {
        vdpad_skip(f);
        return;
    }
    if (!vdpad_check_knows(in, VDPAD_HOST, f)) {
        return;
    }
    for (size_t i = 0; i < VDPAD_OBSERVED_N(in->world->observed, VDPAD_HOST);
         i++) {
        if (strncmp(rows[i].name, QEMU_PREFIX, strlen(QEMU_PREFIX)) != 0) {
            continue;
        }
        /* An old one beside a new one: whichever guests use. */
        if (!shown || !is_at_least(rows[i].value, 5, 1)) {
            shown = &rows[i];
        }
    }
    if (!shown) {
        vdpad_found(f, UNKNOWN,
                    "libvirt has noted no QEMU in "
                    "/var/cache/libvirt/qemu/capabilities");
        vdpad_remedy(f,
                     "ask the one that your guests run: "
                     "qemu-system-x86_64 --version; %s",
                     needs);
    } else if (is_at_least(shown->value, 5, 1)) {
        vdpad_found(f, OK, "%s is %s, as libvirt has noted",
                    shown->name + strlen(QEMU_PREFIX), shown->value);
    } else {
        vdpad_found(f, FAIL, "%s is %s, as libvirt has noted: %s",
                    shown->name + strlen(QEMU_PREFIX), shown->value, needs);
        vdpad_remedy(f, "have guests use a newer QEMU");
    }
}

/* The type of a context "user:role:type:level". */
static void
selinux_type(const char *label, char *type, size_t size)
{
    const char *p = strchr(label, ':');

    p = p ? strchr(p + 1, ':') : NULL;
    vdpad_text(type, size, "%.*s", p ? (int) strcspn(p + 1, ":") : 0,
               p ? p + 1 : "");
}

/* device_t is what a node of /dev gets for which the policy has no rule, and
 * what nobody confined may open.  Fedora's policy and those made from it have
 * vhost_device_t; libvirt may give a device its guest's own, svirt_*. */
static void
selinux(const struct vdpad_check_input *in, const char *mode,
        const char *chardev, struct vdpad_finding *f)
{
    char name[64], type[64] = "", word[VDPAD_SHELL_SIZE];
    const char *label;
    bool is_known;

    vdpad_text(name, sizeof name, "label/%s", chardev);
    label = vdpad_host_fact(in->world, name);
    if (!label) {
        vdpad_found(f, UNKNOWN,
                    "SELinux is %s, and the label of /dev/%s cannot be read",
                    mode, chardev);
        vdpad_remedy(f, "ls -Z /dev/%s: vhost_device_t is wanted",
                     vdpad_shell_word(chardev, word));
        return;
    }
    selinux_type(label, type, sizeof type);
    is_known = !strcmp(type, "vhost_device_t") || !strncmp(type, "svirt_", 6);
    vdpad_found(f,
                is_known ? OK
                : !strcmp(type, "device_t") && !strcmp(mode, "enforcing")
                    ? FAIL
                    : UNKNOWN,
                "SELinux is %s, and /dev/%s is labelled %s%s", mode, chardev,
                label, is_known ? "" : ", not vhost_device_t");
    if (!is_known) {
        vdpad_remedy(f,
                     "restorecon -v /dev/%s; if that changes nothing, install "
                     "a newer selinux-policy",
                     vdpad_shell_word(chardev, word));
    }
}

static void
apparmor(const char *state, const char *chardev, struct vdpad_finding *f)
{
    if (!strcmp(state, "not named")) {
        vdpad_found(f, UNKNOWN,
                    "AppArmor is on, and what libvirt's guests share in "
                    "/etc/apparmor.d/abstractions/libvirt-qemu does not name "
                    "/dev/%s",
                    chardev);
        vdpad_remedy(f, "if a guest does not start, and the kernel's log has "
                        "apparmor=\"DENIED\" with that name: add the line "
                        "'/dev/vhost-vdpa-[0-9]* rw,' to "
                        "/etc/apparmor.d/local/abstractions/libvirt-qemu");
    } else {
        vdpad_found(f, OK, "AppArmor is on: %s",
                    !strcmp(state, "allowed")
                        ? "guests of libvirt may open vhost-vdpa devices"
                        : "libvirt's profile of guests is not installed");
    }
}

void
vdpad_check_chardev_label(const struct vdpad_check_input *in,
                          struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;
    const char *mode, *state;

    if (!dev->vbus || !dev->vbus->chardev[0]
        || strcmp(dev->vbus->driver, "vhost_vdpa") != 0) {
        vdpad_skip(f);
        return;
    }
    if (dev->n_holders) {
        vdpad_found(f, OK, "/dev/%s is open: pid %d (%s) was let",
                    dev->vbus->chardev, dev->holders[0].pid,
                    dev->holders[0].command);
        return;
    }
    if (!vdpad_check_knows(in, VDPAD_HOST, f)) {
        return;
    }
    mode = vdpad_host_fact(in->world, "selinux");
    state = vdpad_host_fact(in->world, "apparmor");
    if (mode) {
        selinux(in, mode, dev->vbus->chardev, f);
    } else if (state) {
        apparmor(state, dev->vbus->chardev, f);
    } else {
        vdpad_found(f, OK, "neither SELinux nor AppArmor is on");
    }
}

const struct vdpad_check vdpad_checks_guests[] = {
    { "kernel", kernel, 0 },
    { "libvirt", libvirt, 0 },
    { "qemu", qemu, 0 },
    { NULL, NULL, 0 },
};
