/* SPDX-License-Identifier: Apache-2.0 */
/* Turns operations into a transaction of the IDL.  For ovsdb/ alone. */
#ifndef VDPAD_OVSDB_STORE_OPS_H
#define VDPAD_OVSDB_STORE_OPS_H 1

#include <vdpad/store.h>

struct ovsdb_idl;
struct ovsdb_idl_txn;

/* The one key that we write on Interfaces of others. */
#define VDPAD_OFFLOAD_KEY "vdpa-offload"

/* Writes the 'n' operations 'ops' to 'txn', which is open on 'idl', of which
 * 'snapshot' is the present state.  Operations that cannot be done or must not
 * be are left out.  Returns 0, or the negative errno of the first such one
 * with 'why':
 *   -ENOENT  no such bridge, or no Open_vSwitch row;
 *   -EEXIST  the name is taken by something that is not ours;
 *   -EPERM   the row does not carry our mark;
 *   -EINVAL  the operation lacks something. */
int vdpad_ops_apply(struct ovsdb_idl *idl, struct ovsdb_idl_txn *txn,
                    const struct vdpad_snapshot *snapshot,
                    const struct vdpad_dbop *ops, size_t n,
                    struct vdpad_error *why);

#endif
