/* SPDX-License-Identifier: Apache-2.0 */
#include "vswitchd.h"

#include <errno.h>
#include <string.h>

#include "sysfs.h"

int
vdpad_process_began(int32_t pid, uint64_t *ticks)
{
    enum { FIELDS_BEHIND_NAME = 20 };
    char text[1024];
    const char *p;
    int error = vdpad_sysfs_read(text, sizeof text, "/proc/%d/stat",
                                 (int) pid);

    if (error) {
        return error;
    }
    /* Field 22; the name before it may have blanks and parentheses. */
    p = strrchr(text, ')');
    for (int i = 0; p && i < FIELDS_BEHIND_NAME; i++) {
        p = strchr(p + 1, ' ');
    }
    if (!p) {
        return -EBADMSG;
    }
    p++;
    return vdpad_number_take(&p, UINT64_MAX, ticks);
}

struct newest {
    int32_t pid;
    uint64_t ticks;
};

static int
on_process(void *newest_, const char *name)
{
    struct newest *newest = newest_;
    uint64_t pid, ticks;
    char comm[32];

    if (!vdpad_number_after(name, "", INT32_MAX, &pid)
        && !vdpad_sysfs_read(comm, sizeof comm, "/proc/%d/comm", (int) pid)
        && !strcmp(comm, "ovs-vswitchd")
        && !vdpad_process_began((int32_t) pid, &ticks)
        && (!newest->pid || ticks >= newest->ticks)) {
        newest->pid = (int32_t) pid;
        newest->ticks = ticks;
    }
    return 0;
}

int
vdpad_vswitchd_newest(int32_t *ret_pid, uint64_t *ret_ticks)
{
    struct newest newest = { .pid = 0 };
    int error = vdpad_sysfs_list("/proc", "", on_process, &newest);

    *ret_pid = newest.pid;
    *ret_ticks = newest.ticks;
    return error < 0 ? error : 0;
}
