/* SPDX-License-Identifier: Apache-2.0 */
#include "glue-notify.h"

#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include <vdpad/loop.h>

#include "ctl.h"
#include "util.h"

struct vdpad_notify {
    bool ready;
    int64_t interval_ns; /* Of the watchdog; 0: none. */
    int64_t kick_ns;
    char status[160];
};

struct vdpad_notify *
vdpad_notify_new(void)
{
    struct vdpad_notify *n = vdpad_xcalloc(1, sizeof *n);
    uint64_t usec;

    if (sd_watchdog_enabled(0, &usec) > 0) {
        n->interval_ns = (int64_t) (usec * 1000 / 2);
    }
    return n;
}

void
vdpad_notify_free(struct vdpad_notify *n)
{
    if (n) {
        (void) sd_notify(0, "STOPPING=1");
        free(n);
    }
}

void
vdpad_notify_run(struct vdpad_notify *n, const struct vdpad_ctl *ctl,
                 int64_t now_ns)
{
    const struct vdpad_world *w = vdpad_ctl_world(ctl);
    size_t count[VDPAD_N_STATES] = { 0 };
    char status[sizeof n->status];

    if (!n->ready && vdpad_ctl_is_up(ctl)) {
        n->ready = true;
        (void) sd_notify(0, "READY=1");
    }
    if (n->interval_ns && now_ns >= n->kick_ns) {
        n->kick_ns = now_ns + n->interval_ns;
        (void) sd_notify(0, "WATCHDOG=1");
    }
    for (size_t i = 0; i < w->n_devs; i++) {
        count[w->devs[i].state]++;
    }
    vdpad_text(status, sizeof status,
               "STATUS=%zu of %zu vDPA devices ready, "
               "%zu blocked, %zu failed; database %s",
               count[VDPAD_STATE_READY],
               w->n_devs - count[VDPAD_STATE_FOREIGN],
               count[VDPAD_STATE_BLOCKED], count[VDPAD_STATE_FAILED],
               w->db_connected ? "connected" : "not connected");
    if (strcmp(status, n->status)) {
        vdpad_copy(n->status, sizeof n->status, status);
        (void) sd_notify(0, status);
    }
}

void
vdpad_notify_wait(const struct vdpad_notify *n, struct vdpad_loop *loop)
{
    if (n->interval_ns) {
        vdpad_loop_wake_at(loop, n->kick_ns);
    }
}
