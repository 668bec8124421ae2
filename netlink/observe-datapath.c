/* SPDX-License-Identifier: Apache-2.0 */
/* Open vSwitch's kernel datapath: sums of its flows, and the flows. */
#include <errno.h>
#include <linux/openvswitch.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "observe-datapath.h"

#include "attrs.h"

/* One kind of object, appended message by message. */
struct list {
    size_t n, capacity, size;
    char *items;
    uint16_t type; /* Of the messages. */
    int (*decode)(const void *payload, size_t len, void *item);
};

static int
on_item(void *list_, uint16_t type, const void *payload, size_t len)
{
    struct list *list = list_;
    int error;

    if (type != list->type) {
        return 0;
    }
    if (list->n == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 16;
        list->items = vdpad_nl_realloc(list->items, list->capacity,
                                       list->size);
    }
    error = list->decode(payload, len, list->items + list->n * list->size);
    list->n += !error;
    return error;
}

static int
decode_datapath(const void *payload, size_t len, void *item)
{
    return vdpad_datapath_decode(payload, len, item);
}

static int
decode_vport(const void *payload, size_t len, void *item)
{
    return vdpad_vport_decode(payload, len, item);
}

static int
order_vports(const void *a_, const void *b_)
{
    const struct vdpad_vport *a = a_, *b = b_;

    return (a->port > b->port) - (a->port < b->port);
}

static int
find_families(struct vdpad_nl *nl, struct vdpad_datapaths *d,
              struct vdpad_error *why)
{
    int error = vdpad_nl_family(nl, OVS_DATAPATH_FAMILY, &d->datapath, why);

    if (!error) {
        error = vdpad_nl_family(nl, OVS_VPORT_FAMILY, &d->vport, why);
    }
    if (!error) {
        error = vdpad_nl_family(nl, OVS_FLOW_FAMILY, &d->flow, why);
    }
    return error;
}

int
vdpad_datapaths_read(struct vdpad_observer *observer,
                     struct vdpad_datapaths *d, struct vdpad_error *why)
{
    struct list list = {
        .size = sizeof(struct vdpad_datapath),
        .decode = decode_datapath,
    };
    struct nl_msg *msg;
    int error;

    memset(d, 0, sizeof *d);
    error = vdpad_observer_genl(observer, &d->nl, why);
    if (!error) {
        error = find_families(d->nl, d, why);
    }
    if (error) {
        /* No module, no flows. */
        return error == -ENOENT ? 0 : error;
    }
    msg = vdpad_nl_genl_msg(&d->datapath, OVS_DP_CMD_GET, OVS_DATAPATH_VERSION,
                            NLM_F_DUMP);
    error = vdpad_datapath_encode_dump(msg, 0);
    list.type = d->datapath.id;
    error = vdpad_nl_call(d->nl, msg, error, on_item, &list, why,
                          "dump of kernel datapaths");
    d->n = list.n;
    d->items = (struct vdpad_datapath *) (void *) list.items;
    return error;
}

void
vdpad_datapaths_clear(struct vdpad_datapaths *d)
{
    free(d->items);
    d->items = NULL;
    d->n = 0;
}

int
vdpad_datapath_ports(struct vdpad_datapaths *d,
                     const struct vdpad_datapath *datapath,
                     struct vdpad_vports *ret_ports, struct vdpad_error *why)
{
    struct list list = {
        .size = sizeof(struct vdpad_vport),
        .type = d->vport.id,
        .decode = decode_vport,
    };
    struct nl_msg *msg = vdpad_nl_genl_msg(&d->vport, OVS_VPORT_CMD_GET,
                                           OVS_VPORT_VERSION, NLM_F_DUMP);
    int error = vdpad_datapath_encode_dump(msg, datapath->ifindex);
    struct vdpad_vport *ports;

    error = vdpad_nl_call(d->nl, msg, error, on_item, &list, why,
                          "dump of ports of kernel datapath %d",
                          datapath->ifindex);
    ports = (struct vdpad_vport *) (void *) list.items;
    if (error) {
        free(ports);
        return error;
    }
    for (size_t i = 0; i < list.n; i++) {
        if (!ports[i].ifindex && !ports[i].is_away) {
            ports[i].ifindex = (int32_t) if_nametoindex(ports[i].name);
        }
        for (char *p = ports[i].name; *p; p++) {
            *p = *p < ' ' || *p > '~' ? '?' : *p;
        }
    }
    if (list.n) {
        qsort(ports, list.n, sizeof *ports, order_vports);
    }
    *ret_ports = (struct vdpad_vports){ .ports = ports, .n = list.n };
    return 0;
}

int
vdpad_datapath_flows(struct vdpad_datapaths *d,
                     const struct vdpad_datapath *datapath, bool is_brief,
                     vdpad_nl_message_cb *cb, void *aux,
                     struct vdpad_error *why)
{
    struct nl_msg *msg = vdpad_nl_genl_msg(&d->flow, OVS_FLOW_CMD_GET,
                                           OVS_FLOW_VERSION, NLM_F_DUMP);
    int error = vdpad_kernel_flow_encode_dump(msg, datapath->ifindex,
                                              is_brief);

    return vdpad_nl_call(d->nl, msg, error, cb, aux, why,
                         "dump of flows of kernel datapath %d",
                         datapath->ifindex);
}

struct sums {
    struct vdpad_rows *rows;
    const struct vdpad_vports *ports;
    uint16_t type;
};

static int
on_flow(void *sums_, uint16_t type, const void *payload, size_t len)
{
    struct sums *sums = sums_;
    struct vdpad_kernel_flow flow;
    const struct vdpad_vport *port;
    struct vdpad_kflow *row = NULL;
    int error;

    if (type != sums->type) {
        return 0;
    }
    error = vdpad_kernel_flow_decode(payload, len, &flow);
    if (error) {
        return error;
    }
    port = flow.has_in_port ? vdpad_vport_find(sums->ports, flow.in_port)
                            : NULL;
    /* Rows of this datapath are in the order of its ports. */
    if (port && port->ifindex) {
        row = &((struct vdpad_kflow *)
                    sums->rows->picture.rows)[port - sums->ports->ports];
        row->flows++;
        row->packets += flow.packets;
        row->bytes += flow.bytes;
    }
    return 0;
}

/* The sums of one datapath's ports, appended to 'rows' without those that have
 * no flow. */
static int
observe_one(struct vdpad_datapaths *d, const struct vdpad_datapath *datapath,
            struct vdpad_rows *rows, struct vdpad_error *why)
{
    struct vdpad_rows port_rows;
    struct vdpad_vports ports;
    struct sums sums = {
        .rows = &port_rows,
        .ports = &ports,
        .type = d->flow.id,
    };
    int error = vdpad_datapath_ports(d, datapath, &ports, why);

    if (error) {
        return error;
    }
    vdpad_rows_init(&port_rows, VDPAD_KFLOW);
    for (size_t i = 0; i < ports.n; i++) {
        struct vdpad_kflow *row = vdpad_rows_add(&port_rows);

        row->ifindex = ports.ports[i].ifindex;
    }
    error = vdpad_datapath_flows(d, datapath, true, on_flow, &sums, why);
    for (size_t i = 0; i < ports.n && !error; i++) {
        const struct vdpad_kflow *row = &VDPAD_ROWS(&port_rows.picture,
                                                    vdpad_kflow)[i];

        if (row->flows) {
            memcpy(vdpad_rows_add(rows), row, sizeof *row);
        }
    }
    vdpad_rows_clear(&port_rows);
    free((void *) (uintptr_t) ports.ports);
    return error;
}

int
vdpad_observe_kflow(struct vdpad_observer *observer, struct vdpad_rows *rows,
                    struct vdpad_error *why)
{
    struct vdpad_datapaths d;
    int error = vdpad_datapaths_read(observer, &d, why);

    for (size_t i = 0; i < d.n && !error; i++) {
        error = observe_one(&d, &d.items[i], rows, why);
        if (error == -ENODEV) {
            /* It was deleted since. */
            error = 0;
        }
    }
    vdpad_datapaths_clear(&d);
    return error;
}
