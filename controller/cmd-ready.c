/* SPDX-License-Identifier: Apache-2.0 */
/* ready/wait: for a boot to wait until all that is configured is ready. */
#include "cmd-call.h"

static void
on_ready(void *call_, const char *why_not)
{
    struct vdpad_call *call = call_;
    const struct vdpad_world *w;
    size_t n = 0;

    if (why_not) {
        vdpad_call_error(call, "%s", why_not);
        return;
    }
    w = vdpad_call_world(call);
    for (size_t i = 0; i < w->n_devs; i++) {
        n += w->devs[i].intent == VDPAD_INTENT_APPLY;
    }
    vdpad_call_reply_line(call, "%zu configured devices are ready", n);
}

static void
run_wait(struct vdpad_call *call)
{
    vdpad_ctl_when_ready(call->ctl, on_ready, call);
}

const struct vdpad_command vdpad_commands_ready[] = {
    { .name = "ready/wait",
      .usage = "[--json]",
      .min = 0,
      .max = 0,
      .run = run_wait },
    { .name = NULL },
};
