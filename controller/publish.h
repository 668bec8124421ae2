/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the verdicts into the database: external_ids:vdpa-offload of every
 * Interface that is the representor of a tracked device, whoever made it.
 *
 * Only what differs from the database is written, everything in one
 * transaction, and not sooner than 10 s after the one before.  A verdict that
 * only says that nothing is known yet is not written, so that a restart of the
 * daemon changes nothing.  The key of an Interface that has been no such
 * representor for 10 s is removed, unless its netdev has gone: then it proves
 * what the port was (see consumer.h). */
#ifndef VDPAD_PUBLISH_H
#define VDPAD_PUBLISH_H 1

#include "offload.h"

#define VDPAD_OFFLOAD_KEY "vdpa-offload"

/* Between two transactions. */
#define VDPAD_PUBLISH_NS (10 * VDPAD_LOOK_NS)

/* Verdicts that change within this time of each other share one. */
#define VDPAD_PUBLISH_GATHER_NS VDPAD_LOOK_NS

struct vdpad_publisher;

/* 'store' is borrowed; it must not run after vdpad_publisher_free(). */
struct vdpad_publisher *vdpad_publisher_new(struct vdpad_store *store);
void vdpad_publisher_free(struct vdpad_publisher *);

/* Compares 'world', whose database is the store's newest, with the verdicts in
 * 'looks', and writes if it is time to. */
void vdpad_publisher_run(struct vdpad_publisher *,
                         const struct vdpad_world *world,
                         const struct vdpad_looks *looks, int64_t now_ns);

/* When to run next though nothing changes; INT64_MAX: need not. */
int64_t vdpad_publisher_next_ns(const struct vdpad_publisher *);

#endif
