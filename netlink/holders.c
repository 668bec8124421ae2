/* SPDX-License-Identifier: Apache-2.0 */
#include "holders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attrs.h"
#include "holders-scan.h"
#include "sysfs.h"

/* What a scan of all open files looks for. */
struct scan {
    uint32_t vhost_major, vfio_major, vfio_cdev_major;
    vdpad_holders_cb *cb;
    void *aux;
    struct vdpad_error *why;
    int32_t pid; /* Being looked at. */
    int fd_dir;
};

int
vdpad_holders_major(const char *name, uint32_t *ret_major,
                    struct vdpad_error *why)
{
    static const char path[] = "/proc/devices";
    FILE *stream = fopen(path, "re");
    char line[128];
    int error;

    *ret_major = VDPAD_NO_MAJOR;
    if (!stream) {
        error = -errno;
        return vdpad_error_set(why, error, "open %s: %s", path,
                               strerror(-error));
    }
    while (*ret_major == VDPAD_NO_MAJOR && fgets(line, sizeof line, stream)
           && strncmp(line, "Block", 5)) {
        const char *p = line + strspn(line, " ");
        uint64_t number;

        line[strcspn(line, "\n")] = '\0';
        if (!vdpad_number_take(&p, UINT16_MAX, &number) && *p == ' '
            && !strcmp(p + 1, name)) {
            *ret_major = (uint32_t) number;
        }
    }
    error = ferror(stream) ? vdpad_error_set(why, -EIO, "read %s", path) : 0;
    (void) fclose(stream);
    return error;
}

static int
on_fd(void *scan_, const char *name)
{
    struct scan *scan = scan_;
    char target[64];
    struct statx status;
    ssize_t n = readlinkat(scan->fd_dir, name, target, sizeof target);

    /* With CAP_DAC_OVERRIDE alone the names can be listed, but not read: of
     * that process nothing is known. */
    if (n < 0 && (errno == EACCES || errno == EPERM || errno == ENOMEM)) {
        return -errno;
    }
    /* Closed meanwhile; sockets, pipes and the like, which have no path. */
    if (n <= 0 || target[0] != '/') {
        return 0;
    }
    /* Without asking a file server, which may hang. */
    if (statx(scan->fd_dir, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
              STATX_TYPE, &status)
        || !S_ISCHR(status.stx_mode)) {
        return 0;
    }
    if (status.stx_rdev_major != scan->vhost_major
        && status.stx_rdev_major != scan->vfio_major
        && status.stx_rdev_major != scan->vfio_cdev_major) {
        return 0;
    }
    return scan->cb(scan->aux, status.stx_rdev_major, status.stx_rdev_minor,
                    scan->pid);
}

static int
on_process(void *scan_, const char *name)
{
    struct scan *scan = scan_;
    char path[64];
    uint64_t pid;
    int error;

    if (vdpad_number_after(name, "", INT32_MAX, &pid)) {
        return 0;
    }
    scan->pid = (int32_t) pid;
    (void) snprintf(path, sizeof path, "/proc/%d/fd", (int) pid);
    scan->fd_dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (scan->fd_dir < 0) {
        error = -errno;
    } else {
        error = vdpad_sysfs_list(path, "", on_fd, scan);
        (void) close(scan->fd_dir);
    }
    if (error == -ENOENT || error == -ESRCH) {
        /* It has ended. */
        return 0;
    }
    return error == -EACCES || error == -EPERM ? vdpad_error_set(
               scan->why, -EACCES,
               "the open files of process %d may not be looked "
               "at: CAP_SYS_PTRACE is needed, and no "
               "security module that forbids it",
               (int) pid)
                                               : error;
}

int
vdpad_holders_scan(vdpad_holders_cb *cb, void *aux, struct vdpad_error *why)
{
    struct scan scan = { .cb = cb, .aux = aux, .why = why };
    const struct {
        const char *name;
        uint32_t *major_;
    } wanted[] = {
        { "vhost-vdpa", &scan.vhost_major },
        { "vfio", &scan.vfio_major },
        { "vfio-dev", &scan.vfio_cdev_major },
    };
    struct stat status;
    int error;

    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        error = vdpad_holders_major(wanted[i].name, wanted[i].major_, why);
        if (error) {
            return error;
        }
    }
    if (scan.vhost_major == VDPAD_NO_MAJOR && scan.vfio_major == VDPAD_NO_MAJOR
        && scan.vfio_cdev_major == VDPAD_NO_MAJOR) {
        return 0;
    }
    if (!stat("/proc/self/ns/pid", &status)
        && status.st_ino != VDPAD_INITIAL_PID_NS) {
        return vdpad_error_set(why, -ENOTSUP,
                               "processes outside of our PID namespace may "
                               "hold devices: run in the host's");
    }
    if (why) {
        why->code = 0;
    }
    error = vdpad_sysfs_list("/proc", "", on_process, &scan);
    if (error < 0 && why && why->code != error) {
        vdpad_error_set(why, error, "read /proc: %s", strerror(-error));
    }
    return error;
}

void
vdpad_holders_command(int32_t pid, char *command, size_t size)
{
    char path[64], text[256];
    ssize_t n = -1;
    int fd;

    (void) snprintf(path, sizeof path, "/proc/%d/cmdline", (int) pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, text, sizeof text - 1);
        (void) close(fd);
    }
    if (n > 0) {
        const char *base;

        text[n] = '\0';
        base = strrchr(text, '/');
        base = base ? base + 1 : text;
        n -= base - text;
        memmove(text, base, (size_t) n + 1);
        for (ssize_t i = 0; i < n; i++) {
            if (!text[i]) {
                text[i] = ' ';
            }
        }
        while (n > 0 && text[n - 1] == ' ') {
            text[--n] = '\0';
        }
    }
    if (n <= 0) {
        (void) vdpad_sysfs_read(text, sizeof text, "/proc/%d/comm", (int) pid);
    }
    for (char *p = text; *p; p++) {
        unsigned char c = (unsigned char) *p;

        if (c < 0x20 || c >= 0x7f) {
            *p = '?';
        }
    }
    vdpad_text_copy(command, size, text);
}

/* The 17 characters of an address that 'text' begins with; returns whether
 * there is one. */
static bool
take_mac(const char *text, size_t n, char mac[18])
{
    static const char digits[] = "0123456789abcdef";

    if (n < 17) {
        return false;
    }
    for (size_t i = 0; i < 17; i++) {
        char c = text[i];

        c = c >= 'A' && c <= 'F' ? (char) (c - 'A' + 'a') : c;
        if (!c || (i % 3 == 2 ? c != ':' : !strchr(digits, c))) {
            return false;
        }
        mac[i] = c;
    }
    mac[17] = '\0';
    return true;
}

void
vdpad_holders_macs(const char *text, size_t n, char *macs, size_t size)
{
    /* "-device virtio-net-pci,mac=…", and the same in JSON. */
    static const char *const names[] = { "mac=", "\"mac\":\"" };
    size_t used = 0;

    macs[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < sizeof names / sizeof *names; j++) {
            size_t len = strlen(names[j]);
            char mac[18];

            if (n - i < len || memcmp(text + i, names[j], len) != 0
                || !take_mac(text + i + len, n - i - len, mac)
                || strstr(macs, mac)) {
                continue;
            }
            if (used + (used != 0) + sizeof mac <= size) {
                used += (size_t) snprintf(macs + used, size - used, "%s%s",
                                          used ? " " : "", mac);
            }
        }
    }
}

/* As vdpad_holders_macs(), of process 'pid'. */
static void
macs_of(int32_t pid, char *macs, size_t size)
{
    /* One of a server with dozens of devices has some 20 KiB. */
    static char text[128 << 10];
    char path[64];
    size_t used = 0;
    ssize_t n = 1;
    int fd;

    (void) snprintf(path, sizeof path, "/proc/%d/cmdline", (int) pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && n > 0 && used < sizeof text) {
        n = read(fd, text + used, sizeof text - used);
        used += n > 0 ? (size_t) n : 0;
    }
    if (fd >= 0) {
        (void) close(fd);
    }
    vdpad_holders_macs(text, used, macs, size);
}

/* Bytes that process 'pid' may lock, by /proc/PID/limits: UINT64_MAX without a
 * limit, 0 when that cannot be known. */
static uint64_t
memlock_of(int32_t pid)
{
    static const char name[] = "Max locked memory";
    char path[64], line[256];
    uint64_t limit = 0;
    FILE *stream;

    (void) snprintf(path, sizeof path, "/proc/%d/limits", (int) pid);
    stream = fopen(path, "re");
    while (stream && fgets(line, sizeof line, stream)) {
        const char *p = line + sizeof name - 1;

        if (strncmp(line, name, sizeof name - 1) != 0) {
            continue;
        }
        p += strspn(p, " ");
        if (!strncmp(p, "unlimited", 9)) {
            limit = UINT64_MAX;
        } else {
            (void) vdpad_number_take(&p, UINT64_MAX, &limit);
        }
        break;
    }
    if (stream) {
        (void) fclose(stream);
    }
    return limit;
}

struct collect {
    struct vdpad_rows *rows;
    uint32_t major_;
};

static int
on_holder(void *collect_, uint32_t major_, uint32_t minor_, int32_t pid)
{
    struct collect *collect = collect_;
    const struct vdpad_picture *p = &collect->rows->picture;
    struct vdpad_holder *row;
    char chardev[VDPAD_WORD_SIZE] = "";

    if (major_ != collect->major_) {
        return 0;
    }
    /* The driver names devices so: vhost_vdpa_probe(). */
    (void) snprintf(chardev, sizeof chardev, "vhost-vdpa-%u", minor_);
    for (size_t i = p->n; i > 0; i--) {
        const struct vdpad_holder *other = &VDPAD_ROWS(p, vdpad_holder)[i - 1];

        if (other->pid != pid) {
            break;
        } else if (!strcmp(other->chardev, chardev)) {
            return 0;
        }
    }
    row = vdpad_rows_add(collect->rows);
    memcpy(row->chardev, chardev, sizeof row->chardev);
    row->pid = pid;
    vdpad_holders_command(pid, row->command, sizeof row->command);
    row->memlock = memlock_of(pid);
    macs_of(pid, row->macs, sizeof row->macs);
    return 0;
}

int
vdpad_holders_observe(struct vdpad_rows *rows, struct vdpad_error *why)
{
    struct collect collect = { .rows = rows };
    int error = vdpad_holders_major("vhost-vdpa", &collect.major_, why);

    /* No driver of that name, no such devices. */
    return error || collect.major_ == VDPAD_NO_MAJOR
               ? error
               : vdpad_holders_scan(on_holder, &collect, why);
}
