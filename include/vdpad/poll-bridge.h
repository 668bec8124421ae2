/* SPDX-License-Identifier: Apache-2.0 */

/* Lets code of libopenvswitch that has a run and a wait function (an IDL, a
 * unixctl server) live in a loop that is not Open vSwitch's own.
 *
 * In libopenvswitch everything ends in poll_block(), which sleeps in
 * time_poll().  The bridge calls poll_block() too, but has time_poll()
 * replaced at link time by a function that hands the descriptors and the
 * deadline out and returns at once, so that the loop can sleep on them.  See
 * ovsdb/poll-bridge.c for what else that takes.
 *
 * Inside a member's functions and inside the turn, poll_immediate_wake() and
 * the other poll_*() calls work as in any Open vSwitch daemon: they end the
 * next wait.  Calls that sleep by themselves (ovsdb_idl_txn_commit_block() and
 * other *_block() functions) still work there, but stop the whole daemon while
 * they sleep, so they are for start-up only.
 */

#ifndef VDPAD_POLL_BRIDGE_H
#define VDPAD_POLL_BRIDGE_H

#include <vdpad/loop.h>

struct vdpad_poll_bridge;

typedef void vdpad_poll_member_cb(void *aux);

/* Creates the bridge of the calling thread in '*ret_bridge', owned by the
 * caller; one at a time in a process.  Call it after daemonize().
 *
 * Returns 0, -EBUSY if one exists already, -ENOTSUP if libopenvswitch's
 * time_poll() is not replaced (a shared library built so that its own calls
 * cannot be intercepted). */
int vdpad_poll_bridge_new(struct vdpad_poll_bridge **ret_bridge);

/* Frees 'bridge'; remove it from its loop first.  NULL is allowed. */
void vdpad_poll_bridge_free(struct vdpad_poll_bridge *bridge);

/* The bridge's face towards vdpad_loop_set_source(): borrowed, valid as long
 * as 'bridge'. */
const struct vdpad_poll_source *
vdpad_poll_bridge_source(const struct vdpad_poll_bridge *bridge);

/* Adds a member: 'run' is called at the beginning of each turn, 'wait' at its
 * end, where it says by poll_fd_wait() and its kin what it waits for; either
 * may be NULL.  Members run and wait in the order of their addition.
 *
 * Returns 0 or -ENOSPC after 8 members. */
int vdpad_poll_bridge_add(struct vdpad_poll_bridge *bridge,
                          vdpad_poll_member_cb *run,
                          vdpad_poll_member_cb *wait, void *aux);

/* Removes the members that have 'aux'.  Not to be called from a member's
 * function. */
void vdpad_poll_bridge_remove(struct vdpad_poll_bridge *bridge, void *aux);

#endif /* VDPAD_POLL_BRIDGE_H */
