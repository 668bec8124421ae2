/* SPDX-License-Identifier: Apache-2.0 */
#include "observe-guests.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "attrs.h"
#include "sysfs.h"

/* What libvirt notes about QEMU has about 100 kB; who writes more than this
 * wants to keep us busy.  Likewise for the mappings of a process. */
#define TEXT_MAX_SIZE (1 << 20)

#define LIBRARY "libvirt.so.0"
#define CAPABILITIES "/var/cache/libvirt/qemu/capabilities"

/* The daemon may have a /dev of its own (PrivateDevices= of systemd). */
#define HOST_DEV "/proc/1/root/dev"

/* Where libvirt's profiles of guests come from, and what people add. */
#define ABSTRACTIONS "/etc/apparmor.d/abstractions/libvirt-qemu"

static FILE *
open_regular(const char *path)
{
    struct stat status;
    FILE *stream;
    /* O_NONBLOCK: a FIFO would keep us waiting. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        return NULL;
    }
    stream = !fstat(fd, &status) && S_ISREG(status.st_mode) ? fdopen(fd, "r")
                                                            : NULL;
    if (!stream) {
        (void) close(fd);
        errno = EINVAL;
    }
    return stream;
}

/* fgets() until TEXT_MAX_SIZE bytes were read. */
static char *
next_line(FILE *stream, size_t *total, char *line, size_t size)
{
    char *ret = *total < TEXT_MAX_SIZE ? fgets(line, (int) size, stream)
                                       : NULL;

    *total += ret ? strlen(ret) : 0;
    return ret;
}

bool
vdpad_libvirt_version(const char *name, char *version, size_t size)
{
    const char *p = strrchr(name, '/');
    uint64_t release, micro;

    p = p ? p + 1 : name;
    if (strncmp(p, LIBRARY ".", sizeof LIBRARY) != 0) {
        return false;
    }
    p += sizeof LIBRARY;
    if (vdpad_number_take(&p, 999999, &release) || *p++ != '.'
        || vdpad_number_take(&p, 999, &micro) || *p) {
        return false;
    }
    (void) snprintf(version, size, "%u.%u.%u", (unsigned int) release / 1000,
                    (unsigned int) release % 1000, (unsigned int) micro);
    return true;
}

void
vdpad_observe_libvirtd(struct vdpad_rows *rows, const char *comm, int pid)
{
    char path[64], line[VDPAD_PATH_SIZE], version[32], source[64];
    struct stat status;
    size_t total = 0;
    FILE *stream;

    /* Anybody may give his process this name. */
    (void) snprintf(path, sizeof path, "/proc/%d", pid);
    if (stat(path, &status) || status.st_uid) {
        return;
    }
    (void) snprintf(path, sizeof path, "/proc/%d/maps", pid);
    stream = fopen(path, "re");
    while (stream && next_line(stream, &total, line, sizeof line)) {
        line[strcspn(line, "\n")] = '\0';
        if (vdpad_libvirt_version(line, version, sizeof version)) {
            (void) snprintf(source, sizeof source, "%s, pid %d", comm, pid);
            vdpad_host_add(rows, version, "libvirt");
            vdpad_host_add(rows, source, "libvirt-source");
            break;
        }
    }
    if (stream) {
        (void) fclose(stream);
    }
}

/* The library that is installed, for when no libvirtd runs. */
static void
add_library(struct vdpad_rows *rows)
{
    static const char *const folders[] = {
        "/usr/lib64",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib",
    };

    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char name[64], version[32], source[96];

        if (!vdpad_sysfs_link(name, sizeof name, "%s/" LIBRARY, folders[i])
            && vdpad_libvirt_version(name, version, sizeof version)) {
            (void) snprintf(source, sizeof source, "%s/%s", folders[i], name);
            /* These do nothing when one runs. */
            vdpad_host_add(rows, version, "libvirt");
            vdpad_host_add(rows, source, "libvirt-source");
            return;
        }
    }
}

/* Copies what is between <TAG> and </TAG> in 'line' to 'dst', unless it does
 * not fit or has something that no path and no number has. */
static bool
element(const char *line, const char *tag, char *dst, size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_@+=:./-";
    char end[32];
    const char *p = line + strspn(line, " ");
    size_t tag_len = strlen(tag), len;

    if (*p != '<' || strncmp(p + 1, tag, tag_len) != 0
        || p[tag_len + 1] != '>') {
        return false;
    }
    p += tag_len + 2;
    len = strspn(p, plain);
    (void) snprintf(end, sizeof end, "</%s>", tag);
    if (!len || len >= size || strncmp(p + len, end, strlen(end)) != 0) {
        return false;
    }
    memcpy(dst, p, len);
    dst[len] = '\0';
    return true;
}

bool
vdpad_libvirt_emulator(const char *path, char *emulator, size_t size,
                       char version[16])
{
    char line[VDPAD_PATH_SIZE], text[16] = "";
    bool is_emulator = false, has_version = false;
    size_t total = 0;
    uint64_t number = 0;
    FILE *stream = open_regular(path);

    if (!stream) {
        return false;
    }
    while (!(is_emulator && has_version)
           && next_line(stream, &total, line, sizeof line)) {
        const char *p = text;

        is_emulator = is_emulator || element(line, "emulator", emulator, size);
        has_version = has_version
                      || (element(line, "version", text, sizeof text)
                          && !vdpad_number_take(&p, 999999999, &number)
                          && !*p);
    }
    (void) fclose(stream);
    if (!is_emulator || !has_version) {
        return false;
    }
    (void) snprintf(version, 16, "%u.%u.%u", (unsigned int) number / 1000000,
                    (unsigned int) number / 1000 % 1000,
                    (unsigned int) number % 1000);
    return true;
}

static int
on_capabilities(void *rows, const char *name)
{
    char path[VDPAD_PATH_SIZE], emulator[128], version[16];
    size_t len = strlen(name);

    if (len > 4 && !strcmp(name + len - 4, ".xml")) {
        (void) snprintf(path, sizeof path, CAPABILITIES "/%s", name);
        if (vdpad_libvirt_emulator(path, emulator, sizeof emulator, version)) {
            vdpad_host_add(rows, version, "qemu/%s", emulator);
        }
    }
    return 0;
}

static int
on_chardev(void *rows, const char *name)
{
    char path[VDPAD_PATH_SIZE], label[96];
    ssize_t n;

    (void) snprintf(path, sizeof path, HOST_DEV "/%s", name);
    n = lgetxattr(path, "security.selinux", label, sizeof label - 1);
    if (n > 0) {
        label[n] = '\0';
        vdpad_host_add(rows, label, "label/%s", name);
    }
    return 0;
}

int
vdpad_file_mentions(const char *path, const char *word)
{
    char line[VDPAD_PATH_SIZE];
    size_t total = 0;
    int found = 0;
    FILE *stream = open_regular(path);

    if (!stream) {
        return -errno;
    }
    while (!found && next_line(stream, &total, line, sizeof line)) {
        found = line[strspn(line, " \t")] != '#' && strstr(line, word);
    }
    (void) fclose(stream);
    return found;
}

struct drop_ins {
    const char *folder;
    bool found;
};

static int
on_drop_in(void *drop_ins_, const char *name)
{
    struct drop_ins *drop_ins = drop_ins_;
    char path[VDPAD_PATH_SIZE];

    (void) snprintf(path, sizeof path, "%s/%s", drop_ins->folder, name);
    drop_ins->found = vdpad_file_mentions(path, "vhost-vdpa") == 1;
    return drop_ins->found;
}

/* AppArmor goes by path: libvirt's profile of a guest has to name the char
 * devices. */
static void
add_apparmor(struct vdpad_rows *rows)
{
    struct drop_ins drop_ins = { .folder = ABSTRACTIONS ".d" };
    char enabled[8];
    int mentions;

    if (vdpad_sysfs_read(enabled, sizeof enabled,
                         "/sys/module/apparmor/parameters/enabled")
        || enabled[0] != 'Y') {
        return;
    }
    mentions = vdpad_file_mentions(ABSTRACTIONS, "vhost-vdpa");
    if (mentions == -ENOENT || mentions == -ENOTDIR) {
        vdpad_host_add(rows, "no profile of guests", "apparmor");
        return;
    }
    (void) vdpad_sysfs_list(drop_ins.folder, "", on_drop_in, &drop_ins);
    mentions = mentions == 1 || drop_ins.found
               || vdpad_file_mentions("/etc/apparmor.d/local/abstractions/"
                                      "libvirt-qemu",
                                      "vhost-vdpa")
                      == 1;
    vdpad_host_add(rows, mentions ? "allowed" : "not named", "apparmor");
}

static void
add_selinux(struct vdpad_rows *rows)
{
    char enforce[8];

    if (!vdpad_sysfs_read(enforce, sizeof enforce, "/sys/fs/selinux/enforce")
        && enforce[0]) {
        vdpad_host_add(rows, enforce[0] == '1' ? "enforcing" : "permissive",
                       "selinux");
        (void) vdpad_sysfs_list(HOST_DEV, "vhost-vdpa-", on_chardev, rows);
    }
}

void
vdpad_observe_guests(struct vdpad_rows *rows)
{
    add_library(rows);
    (void) vdpad_sysfs_list(CAPABILITIES, "", on_capabilities, rows);
    add_selinux(rows);
    add_apparmor(rows);
}
