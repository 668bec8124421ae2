/* SPDX-License-Identifier: Apache-2.0 */
#include "glue-notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <vdpad/loop.h>

#include "ctl.h"
#include "util.h"

/* Between two tries while systemd does not read. */
#define RETRY_NS INT64_C(1000000000)

struct vdpad_notify {
    struct sockaddr_un address;
    socklen_t address_len; /* 0: nobody wants to be told. */
    bool ready;
    int64_t interval_ns; /* Of the watchdog; 0: none. */
    int64_t kick_ns;
    int64_t retry_ns; /* There was no room for a message; 0: there was. */
    char status[160];
};

/* As sd_notify(3) reads it. */
static void
set_address(struct vdpad_notify *n, const char *name)
{
    size_t len = name ? strlen(name) : 0;

    if (len < 2 || (name[0] != '/' && name[0] != '@')
        || len >= sizeof n->address.sun_path) {
        return;
    }
    n->address.sun_family = AF_UNIX;
    memcpy(n->address.sun_path, name, len);
    /* An abstract name has neither this character nor a NUL at its end. */
    if (name[0] == '@') {
        n->address.sun_path[0] = '\0';
    }
    n->address_len = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + len
                                  + (name[0] == '/'));
}

/* Tells systemd 'text'.  sd_notify() would wait for room in its socket, for
 * ever where it has crashed.  Returns false when there is no room now. */
static bool
tell(const struct vdpad_notify *n, const char *text)
{
    bool has_room;
    int fd;

    if (!n->address_len) {
        return true;
    }
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    has_room = sendto(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
                      (const struct sockaddr *) &n->address, n->address_len)
                   >= 0
               || (errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM
                   && errno != EINTR);
    (void) close(fd);
    return has_room;
}

struct vdpad_notify *
vdpad_notify_new(void)
{
    struct vdpad_notify *n = vdpad_xcalloc(1, sizeof *n);
    uint64_t usec;

    if (sd_watchdog_enabled(0, &usec) > 0) {
        n->interval_ns = (int64_t) (usec * 1000 / 2);
    }
    set_address(n, getenv("NOTIFY_SOCKET"));
    return n;
}

void
vdpad_notify_free(struct vdpad_notify *n)
{
    if (n) {
        (void) tell(n, "STOPPING=1");
        free(n);
    }
}

/* Writes the state in one line for people to 'status'. */
static void
describe(const struct vdpad_world *w, char *status, size_t size)
{
    size_t count[VDPAD_N_STATES] = { 0 };

    for (size_t i = 0; i < w->n_devs; i++) {
        count[w->devs[i].state]++;
    }
    vdpad_text(status, size,
               "STATUS=%zu of %zu vDPA devices ready, "
               "%zu blocked, %zu failed; database %s",
               count[VDPAD_STATE_READY],
               w->n_devs - count[VDPAD_STATE_FOREIGN],
               count[VDPAD_STATE_BLOCKED], count[VDPAD_STATE_FAILED],
               w->db_connected ? "connected" : "not connected");
}

void
vdpad_notify_run(struct vdpad_notify *n, const struct vdpad_ctl *ctl,
                 int64_t now_ns)
{
    char status[sizeof n->status];
    bool has_room = true;

    if (n->retry_ns && now_ns < n->retry_ns) {
        return;
    }
    if (!n->ready && vdpad_ctl_is_up(ctl)) {
        has_room = n->ready = tell(n, "READY=1");
    }
    if (has_room && n->interval_ns && now_ns >= n->kick_ns) {
        has_room = tell(n, "WATCHDOG=1");
        n->kick_ns = has_room ? now_ns + n->interval_ns : n->kick_ns;
    }
    describe(vdpad_ctl_world(ctl), status, sizeof status);
    if (has_room && strcmp(status, n->status) != 0) {
        has_room = tell(n, status);
        vdpad_copy(n->status, sizeof n->status, has_room ? status : "");
    }
    n->retry_ns = has_room ? 0 : now_ns + RETRY_NS;
}

void
vdpad_notify_wait(const struct vdpad_notify *n, struct vdpad_loop *loop)
{
    if (n->retry_ns) {
        vdpad_loop_wake_at(loop, n->retry_ns);
    } else if (n->interval_ns) {
        vdpad_loop_wake_at(loop, n->kick_ns);
    }
}
