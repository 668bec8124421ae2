/* SPDX-License-Identifier: Apache-2.0 */
/* What rtnetlink tells: links, qdiscs, flower filters. */
#include "observe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attrs.h"
#include "link-codec.h"
#include "tc-codec.h"
#include "uapi.h"

static int
decode_link(const void *payload, size_t len, void *row)
{
    return vdpad_link_decode(payload, len, row);
}

static int
decode_qdisc(const void *payload, size_t len, void *row)
{
    return vdpad_tc_decode_qdisc(payload, len, row);
}

int
vdpad_observe_link(struct vdpad_observer *observer, struct vdpad_rows *rows,
                   struct vdpad_error *why)
{
    struct vdpad_collect collect = {
        .rows = rows,
        .type = RTM_NEWLINK,
        .decode = decode_link,
    };
    struct nl_msg *msg;
    struct vdpad_nl *nl;
    int error = vdpad_observer_route(observer, &nl, why);

    if (error) {
        return error;
    }
    msg = vdpad_nl_msg(RTM_GETLINK, NLM_F_DUMP);
    error = vdpad_link_encode_dump(msg);
    return vdpad_nl_call(nl, msg, error, vdpad_collect_row, &collect, why,
                         "link dump");
}

int
vdpad_observe_qdisc(struct vdpad_observer *observer, struct vdpad_rows *rows,
                    struct vdpad_error *why)
{
    struct vdpad_collect collect = {
        .rows = rows,
        .type = RTM_NEWQDISC,
        .decode = decode_qdisc,
    };
    struct nl_msg *msg;
    struct vdpad_nl *nl;
    int error = vdpad_observer_route(observer, &nl, why);

    if (error) {
        return error;
    }
    msg = vdpad_nl_msg(RTM_GETQDISC, NLM_F_DUMP);
    error = vdpad_tc_encode_qdisc_dump(msg);
    return vdpad_nl_call(nl, msg, error, vdpad_collect_row, &collect, why,
                         "qdisc dump");
}

static int
on_filter(void *flow_, uint16_t type, const void *payload, size_t len)
{
    struct vdpad_flow *flow = flow_;
    struct vdpad_filter filter;
    uint64_t hw_packets, hw_bytes;
    int error;

    if (type != RTM_NEWTFILTER) {
        return 0;
    }
    error = vdpad_tc_decode_filter(payload, len, &filter);
    if (error) {
        return error;
    }
    if (filter.in_hw) {
        flow->hw_flows++;
    } else {
        flow->sw_flows++;
    }
    hw_packets = filter.hw_packets;
    hw_bytes = filter.hw_bytes;
    flow->hw_packets += hw_packets;
    flow->hw_bytes += hw_bytes;
    /* The kernel reads the two sums one after the other. */
    flow->sw_packets += filter.packets > hw_packets
                            ? filter.packets - hw_packets
                            : 0;
    flow->sw_bytes += filter.bytes > hw_bytes ? filter.bytes - hw_bytes : 0;
    return 0;
}

static int
observe_filters(struct vdpad_nl *nl, const struct vdpad_qdisc *qdisc,
                struct vdpad_flow *flow, struct vdpad_error *why)
{
    struct nl_msg *msg = vdpad_nl_msg(RTM_GETTFILTER, NLM_F_DUMP);
    uint32_t block = qdisc->ingress_block;
    int error = vdpad_tc_encode_filter_dump(msg, block ? 0 : qdisc->ifindex,
                                            block);

    return vdpad_nl_call(nl, msg, error, on_filter, flow, why,
                         "filter dump of %s %ld", block ? "block" : "ifindex",
                         block ? (long) block : (long) qdisc->ifindex);
}

/* Ports of one bond share a block, which is dumped once and counted for each
 * of them. */
static const struct vdpad_flow *
find_block(const struct vdpad_qdisc *qdiscs, size_t n,
           const struct vdpad_flow *flows, uint32_t block)
{
    for (size_t i = 0; block && i < n; i++) {
        if (qdiscs[i].ingress_block == block) {
            return &flows[i];
        }
    }
    return NULL;
}

int
vdpad_observe_flow(struct vdpad_observer *observer, struct vdpad_rows *rows,
                   struct vdpad_error *why)
{
    const struct vdpad_qdisc *qdiscs;
    struct vdpad_rows qdisc_rows;
    struct vdpad_nl *nl;
    int error;

    vdpad_rows_init(&qdisc_rows, VDPAD_QDISC);
    error = vdpad_observe_qdisc(observer, &qdisc_rows, why);
    if (!error) {
        error = vdpad_observer_route(observer, &nl, why);
    }
    qdiscs = qdisc_rows.picture.rows;
    for (size_t i = 0; !error && i < qdisc_rows.picture.n; i++) {
        struct vdpad_flow flow;
        const struct vdpad_flow *same = find_block(qdiscs, i,
                                                   rows->picture.rows,
                                                   qdiscs[i].ingress_block);

        memset(&flow, 0, sizeof flow);
        if (same) {
            memcpy(&flow, same, sizeof flow);
        } else {
            error = observe_filters(nl, &qdiscs[i], &flow, why);
        }
        flow.ifindex = qdiscs[i].ifindex;
        memcpy(vdpad_rows_add(rows), &flow, sizeof flow);
    }
    vdpad_rows_clear(&qdisc_rows);
    return error;
}
