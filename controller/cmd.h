/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the status socket. */
#ifndef VDPAD_CMD_H
#define VDPAD_CMD_H 1

#include <stdint.h>

struct vdpad_ctl;
struct vdpad_loop;

/* Registers all commands with the status socket.  They show and drive 'ctl',
 * and show the figures of 'loop'; both must live as long as commands are
 * served.  To be called once: commands cannot be unregistered. */
void vdpad_commands_register(struct vdpad_ctl *ctl, struct vdpad_loop *loop);

/* Stops serving metrics; before 'loop' is freed. */
void vdpad_commands_done(void);

/* Serves metrics, runs what has waited long enough, and has the loop wake up
 * when that is the case for others. */
void vdpad_commands_run(int64_t now_ns);
void vdpad_commands_wait(void);

#endif
