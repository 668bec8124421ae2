/* SPDX-License-Identifier: Apache-2.0 */
/* Flows of the kernel datapath, page by page.  They come in no order. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "observe-datapath.h"
#include "query.h"

struct dump {
    struct vdpad_page *page;
    const struct vdpad_vports *ports;
    int32_t datapath;
    uint16_t type;
    int64_t now_ms;
};

static bool
is_asked_for(const struct dump *dump, const struct vdpad_kernel_flow *flow)
{
    const struct vdpad_flow_query *query = dump->page->query;

    if (query->ifindex) {
        const struct vdpad_vport *port = flow->has_in_port
                                             ? vdpad_vport_find(dump->ports,
                                                                flow->in_port)
                                             : NULL;

        if (!port || port->ifindex != query->ifindex) {
            return false;
        }
    }
    return !query->has_ufid
           || (flow->has_ufid
               && !memcmp(flow->ufid, query->ufid, sizeof query->ufid));
}

static int
on_flow(void *dump_, uint16_t type, const void *payload, size_t len)
{
    struct dump *dump = dump_;
    struct vdpad_flow_pos pos = { .ifindex = dump->datapath };
    struct vdpad_kernel_flow flow;
    int error;

    if (type != dump->type) {
        return 0;
    }
    error = vdpad_kernel_flow_decode(payload, len, &flow);
    if (error || !is_asked_for(dump, &flow)) {
        return error;
    }
    memcpy(pos.ufid, flow.ufid, sizeof pos.ufid);
    if (!vdpad_page_wants(dump->page, &pos)) {
        return 0;
    }
    error = vdpad_kernel_flow_detail(payload, len, dump->ports, dump->now_ms,
                                     vdpad_page_row(dump->page));
    if (!error) {
        vdpad_page_keep(dump->page);
    }
    return error;
}

static int64_t
monotonic_ms(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int
vdpad_query_datapath(struct vdpad_observer *observer, struct vdpad_page *page,
                     struct vdpad_error *why)
{
    struct vdpad_datapaths d;
    int error = vdpad_datapaths_read(observer, &d, why);

    for (size_t i = 0; i < d.n && !error; i++) {
        struct vdpad_vports ports = { .n = 0 };
        struct dump dump = {
            .page = page,
            .ports = &ports,
            .datapath = d.items[i].ifindex,
            .type = d.flow.id,
            .now_ms = monotonic_ms(),
        };

        error = vdpad_datapath_ports(&d, &d.items[i], &ports, why);
        if (!error) {
            error = vdpad_datapath_flows(&d, &d.items[i], false, on_flow,
                                         &dump, why);
        }
        free((void *) (uintptr_t) ports.ports);
        if (error == -ENODEV) {
            /* It was deleted since. */
            error = 0;
        }
    }
    vdpad_datapaths_clear(&d);
    return error;
}
