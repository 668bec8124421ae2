/* SPDX-License-Identifier: Apache-2.0 */
/* What others have set on a port that is replaced.  For ovsdb/ alone. */
#ifndef VDPAD_OVSDB_PORT_COPY_H
#define VDPAD_OVSDB_PORT_COPY_H 1

struct ovsdb_idl;
struct ovsrec_interface;
struct ovsrec_port;

/* Has 'idl' replicate the columns that are copied.  Those that no snapshot has
 * do not change its sequence number.  Before the first ovsdb_idl_run(), and
 * before vdpad_snapshot_monitor(), which has some of them do so. */
void vdpad_port_copy_monitor(struct ovsdb_idl *idl);

/* Within the open transaction of 'idl': gives 'port' and its 'iface', which it
 * inserts, the configuration of 'from' and of that one's Interface, but for
 * names, Interface type, external_ids of the Interface, tag and trunks.  The
 * transaction fails if somebody changes that meanwhile. */
void vdpad_port_copy(const struct ovsdb_idl *idl,
                     const struct ovsrec_port *from,
                     const struct ovsrec_port *port,
                     const struct ovsrec_interface *iface);

#endif
