/* SPDX-License-Identifier: Apache-2.0 */
#include "port-copy.h"

#include <stddef.h>

#include <ovs/ovsdb-idl.h>
#include <ovs/ovsdb-idl-provider.h>
#include <ovs/util.h>
#include <ovs/vswitch-idl.h>

/* Configuration, that is what ovs-vswitchd reads (vswitchd/bridge.c); not what
 * it tells, and not what only a bond of several Interfaces has. */
static const struct ovsdb_idl_column *const port_columns[] = {
    &ovsrec_port_col_cvlans,       &ovsrec_port_col_external_ids,
    &ovsrec_port_col_lacp,         &ovsrec_port_col_mac,
    &ovsrec_port_col_other_config, &ovsrec_port_col_protected_,
    &ovsrec_port_col_qos,          &ovsrec_port_col_vlan_mode,
};

static const struct ovsdb_idl_column *const iface_columns[] = {
    &ovsrec_interface_col_bfd,
    &ovsrec_interface_col_cfm_mpid,
    &ovsrec_interface_col_ingress_policing_burst,
    &ovsrec_interface_col_ingress_policing_kpkts_burst,
    &ovsrec_interface_col_ingress_policing_kpkts_rate,
    &ovsrec_interface_col_ingress_policing_rate,
    &ovsrec_interface_col_lldp,
    &ovsrec_interface_col_mac,
    &ovsrec_interface_col_mtu_request,
    &ovsrec_interface_col_ofport_request,
    &ovsrec_interface_col_options,
    &ovsrec_interface_col_other_config,
};

static void
monitor(struct ovsdb_idl *idl, const struct ovsdb_idl_column *const columns[],
        size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ovsdb_idl_add_column(idl, columns[i]);
        ovsdb_idl_omit_alert(idl, columns[i]);
    }
}

void
vdpad_port_copy_monitor(struct ovsdb_idl *idl)
{
    monitor(idl, port_columns, ARRAY_SIZE(port_columns));
    monitor(idl, iface_columns, ARRAY_SIZE(iface_columns));
}

static void
copy(const struct ovsdb_idl *idl, const struct ovsdb_idl_row *from,
     const struct ovsdb_idl_row *to,
     const struct ovsdb_idl_column *const columns[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        /* An older server does not know all of them. */
        if (ovsdb_idl_server_has_column(idl, columns[i])) {
            ovsdb_idl_txn_verify(from, columns[i]);
            ovsdb_idl_txn_write_clone(to, columns[i],
                                      ovsdb_idl_read(from, columns[i]));
        }
    }
}

void
vdpad_port_copy(const struct ovsdb_idl *idl, const struct ovsrec_port *from,
                const struct ovsrec_port *port,
                const struct ovsrec_interface *iface)
{
    copy(idl, &from->header_, &port->header_, port_columns,
         ARRAY_SIZE(port_columns));
    if (from->n_interfaces) {
        copy(idl, &from->interfaces[0]->header_, &iface->header_,
             iface_columns, ARRAY_SIZE(iface_columns));
    }
}
