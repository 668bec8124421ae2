/* SPDX-License-Identifier: Apache-2.0 */
/* What rtnetlink tells: links, qdiscs.  (Flower filters: see track.h.) */
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
