/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about the host as a whole: the kernel's configuration, what mlx5 says
 * of link aggregation, and which processes are an ovs-vswitchd. */
#include "observe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <zlib.h>

#include "attrs.h"
#include "holders-scan.h"
#include "observe-guests.h"
#include "sysfs.h"
#include "vswitchd.h"

/* Debian's is 270 kB; who writes more than this wants to keep us busy. */
#define CONFIG_MAX_SIZE (4 << 20)

#define LAG_DIR "/sys/kernel/debug/mlx5"

void
vdpad_host_add(struct vdpad_rows *rows, const char *value, const char *format,
               ...)
{
    struct vdpad_host row = { .name = "" };
    va_list args;

    va_start(args, format);
    (void) vsnprintf(row.name, sizeof row.name, format, args);
    va_end(args);
    /* What is behind the NUL has to be zero in rows. */
    memset(row.name + strlen(row.name), 0, sizeof row.name - strlen(row.name));
    vdpad_text_copy(row.value, sizeof row.value, value);
    for (size_t i = 0; i < rows->picture.n; i++) {
        if (!strcmp(VDPAD_ROWS(&rows->picture, vdpad_host)[i].name,
                    row.name)) {
            return;
        }
    }
    memcpy(vdpad_rows_add(rows), &row, sizeof row);
}

/* Notes what one line of a configuration says of an option that we know:
 * "CONFIG_NAME=y", or "# CONFIG_NAME is not set", which is how absence is
 * written. */
static void
take_option(const char *line, char values[])
{
    static const char prefix[] = "CONFIG_";

    if (strncmp(line, prefix, sizeof prefix - 1) != 0) {
        return;
    }
    line += sizeof prefix - 1;
    for (size_t i = 0; vdpad_config_names[i]; i++) {
        size_t len = strlen(vdpad_config_names[i]);

        if (!strncmp(line, vdpad_config_names[i], len) && line[len] == '='
            && (line[len + 1] == 'y' || line[len + 1] == 'm')) {
            values[i] = line[len + 1];
        }
    }
}

/* Reads the configuration in 'path', compressed or not, and adds it.  Returns
 * false when that is none. */
static bool
read_config(const char *path, struct vdpad_rows *rows)
{
    enum { MAX_OPTIONS = 32 };
    char values[MAX_OPTIONS], line[256];
    struct stat status;
    size_t total = 0;
    bool is_config = false;
    gzFile stream;

    memset(values, 'n', sizeof values);
    /* Not a FIFO, which would keep us waiting. */
    if (stat(path, &status) || !S_ISREG(status.st_mode)) {
        return false;
    }
    stream = gzopen(path, "re");
    if (!stream) {
        return false;
    }
    while (total < CONFIG_MAX_SIZE && gzgets(stream, line, sizeof line)) {
        total += strlen(line);
        is_config |= !strncmp(line, "CONFIG_", 7);
        take_option(line, values);
    }
    (void) gzclose_r(stream);
    if (!is_config) {
        return false;
    }
    vdpad_host_add(rows, path, "kernel-config");
    for (size_t i = 0; i < MAX_OPTIONS && vdpad_config_names[i]; i++) {
        vdpad_host_add(rows, (char[2]){ values[i], '\0' }, "CONFIG_%s",
                       vdpad_config_names[i]);
    }
    return true;
}

static void
add_kernel(struct vdpad_rows *rows)
{
    static const struct {
        const char *before, *after;
    } paths[] = {
        { "/boot/config-", "" },
        { "/lib/modules/", "/config" },
        { "/usr/lib/modules/", "/config" },
        { "/lib/modules/", "/build/.config" },
    };
    struct utsname name;
    bool found;

    if (uname(&name)) {
        return;
    }
    vdpad_host_add(rows, name.release, "kernel");
    found = read_config("/proc/config.gz", rows);
    for (size_t i = 0; !found && i < sizeof paths / sizeof paths[0]; i++) {
        char path[VDPAD_PATH_SIZE];

        if (vdpad_sysfs_name_is_valid(name.release)) {
            (void) snprintf(path, sizeof path, "%s%s%s", paths[i].before,
                            name.release, paths[i].after);
            found = read_config(path, rows);
        }
    }
}

static int
on_lag(void *rows, const char *bdf)
{
    char state[96];

    if (!vdpad_sysfs_read(state, sizeof state, LAG_DIR "/%s/lag/state", bdf)) {
        vdpad_host_add(rows, state, "lag/%.40s", bdf);
    }
    return 0;
}

/* One address of each netdev that has any that can be an end of a tunnel. */
static int
add_addresses(struct vdpad_rows *rows, struct vdpad_error *why)
{
    struct ifaddrs *list;

    if (getifaddrs(&list)) {
        return vdpad_error_set(why, -errno, "addresses: %s", strerror(errno));
    }
    for (const struct ifaddrs *a = list; a; a = a->ifa_next) {
        char text[INET6_ADDRSTRLEN] = "";
        const struct sockaddr_in6 *six = (const void *) a->ifa_addr;
        const struct sockaddr_in *four = (const void *) a->ifa_addr;

        if (!a->ifa_addr || strlen(a->ifa_name) >= IFNAMSIZ) {
            continue;
        }
        if (a->ifa_addr->sa_family == AF_INET) {
            (void) inet_ntop(AF_INET, &four->sin_addr, text, sizeof text);
        } else if (a->ifa_addr->sa_family == AF_INET6
                   && !IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr)) {
            (void) inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text);
        }
        if (text[0]) {
            vdpad_host_add(rows, text, "address/%s", a->ifa_name);
        }
    }
    freeifaddrs(list);
    return 0;
}

static void
add_vswitchd(struct vdpad_rows *rows, int pid)
{
    char text[32];
    uint64_t ticks;

    if (!vdpad_process_began(pid, &ticks)) {
        (void) snprintf(text, sizeof text, "%" PRIu64, ticks);
        vdpad_host_add(rows, text, "vswitchd/%d", pid);
    }
}

static int
on_process(void *rows, const char *name)
{
    char comm[32];
    uint64_t pid;

    if (vdpad_number_after(name, "", INT32_MAX, &pid)
        || vdpad_sysfs_read(comm, sizeof comm, "/proc/%d/comm", (int) pid)) {
        return 0;
    }
    if (!strcmp(comm, "ovs-vswitchd")) {
        add_vswitchd(rows, (int) pid);
    } else if (!strcmp(comm, "libvirtd") || !strcmp(comm, "virtqemud")) {
        vdpad_observe_libvirtd(rows, comm, (int) pid);
    }
    return 0;
}

int
vdpad_observe_host(struct vdpad_rows *rows, struct vdpad_error *why)
{
    struct stat status;
    int error;

    add_kernel(rows);
    /* Without mlx5, or debugfs, there is none. */
    (void) vdpad_sysfs_list(LAG_DIR, "", on_lag, rows);
    if (!stat("/proc/self/ns/pid", &status)) {
        vdpad_host_add(rows,
                       status.st_ino == VDPAD_INITIAL_PID_NS ? "initial"
                                                             : "other",
                       "pid-namespace");
    }
    error = add_addresses(rows, why);
    if (error) {
        return error;
    }
    error = vdpad_sysfs_list("/proc", "", on_process, rows);
    if (error < 0) {
        return vdpad_error_set(why, error, "read /proc: %s", strerror(-error));
    }
    vdpad_observe_guests(rows);
    return 0;
}
