/* SPDX-License-Identifier: Apache-2.0 */
/* Copies what the IDL holds into plain values.  For ovsdb/ alone. */
#ifndef VDPAD_OVSDB_SNAPSHOT_H
#define VDPAD_OVSDB_SNAPSHOT_H 1

#include <vdpad/store.h>

struct ovsdb_idl;

/* Has 'idl' replicate the columns that a snapshot consists of, and those of
 * port-copy.h.  Before the first ovsdb_idl_run(). */
void vdpad_snapshot_monitor(struct ovsdb_idl *idl);

/* Returns a new snapshot of 'idl', owned by the caller. */
struct vdpad_snapshot *vdpad_snapshot_new(const struct ovsdb_idl *idl,
                                          uint64_t serial);

/* Frees 'snapshot' and all that is in it; NULL is allowed. */
void vdpad_snapshot_free(struct vdpad_snapshot *snapshot);

/* The bridge, port, interface called 'name', or NULL. */
const struct vdpad_db_bridge *
vdpad_snapshot_bridge(const struct vdpad_snapshot *, const char *name);
const struct vdpad_db_port *vdpad_snapshot_port(const struct vdpad_snapshot *,
                                                const char *name);
const struct vdpad_db_iface *
vdpad_snapshot_iface(const struct vdpad_snapshot *, const char *name);

#endif
