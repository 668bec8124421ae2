/* SPDX-License-Identifier: Apache-2.0 */
/* Tells systemd how the daemon is: READY=1, STATUS=, WATCHDOG=1. */
#ifndef VDPAD_GLUE_NOTIFY_H
#define VDPAD_GLUE_NOTIFY_H 1

#include <stdint.h>

struct vdpad_ctl;
struct vdpad_loop;
struct vdpad_notify;

/* Not under systemd: nothing is ever sent. */
struct vdpad_notify *vdpad_notify_new(void);

/* Sends STOPPING=1 and frees; NULL is allowed. */
void vdpad_notify_free(struct vdpad_notify *);

void vdpad_notify_run(struct vdpad_notify *, const struct vdpad_ctl *,
                      int64_t now_ns);
void vdpad_notify_wait(const struct vdpad_notify *, struct vdpad_loop *);

#endif
