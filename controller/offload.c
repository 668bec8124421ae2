/* SPDX-License-Identifier: Apache-2.0 */
#include "offload.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

const char *
vdpad_verdict_name(enum vdpad_verdict verdict)
{
    static const char *const names[VDPAD_VERDICT_N] = {
        [VDPAD_VERDICT_OFFLOADED] = "offloaded",
        [VDPAD_VERDICT_PARTIAL] = "partial",
        [VDPAD_VERDICT_SOFTWARE] = "software",
        [VDPAD_VERDICT_KERNEL] = "kernel",
        [VDPAD_VERDICT_IDLE] = "idle",
        [VDPAD_VERDICT_BLOCKED] = "blocked",
    };

    return names[verdict];
}

static int
look_order(const void *key, const void *element)
{
    int32_t ifindex = *(const int32_t *) key;
    const struct vdpad_look *look = element;

    return (ifindex > look->ifindex) - (ifindex < look->ifindex);
}

static const struct vdpad_look *
find_look(const struct vdpad_looks *looks, int32_t ifindex)
{
    return looks->n ? bsearch(&ifindex, looks->looks, looks->n,
                              sizeof *looks->looks, look_order)
                    : NULL;
}

void
vdpad_looks_take(struct vdpad_looks *looks,
                 const struct vdpad_observed *observed)
{
    const struct vdpad_observed_class *links = &observed->class_[VDPAD_LINK];
    const struct vdpad_link *rows = VDPAD_OBSERVED_ROWS(observed, VDPAD_LINK,
                                                        vdpad_link);
    struct vdpad_looks taken = { .at_ns = links->at_ns,
                                 .n = links->picture.n };

    if (!links->known || looks->at_ns == links->at_ns) {
        return;
    }
    taken.looks = vdpad_xcalloc(taken.n, sizeof *taken.looks);
    for (size_t i = 0; i < taken.n; i++) {
        const struct vdpad_look *old = find_look(looks, rows[i].ifindex);

        taken.looks[i] = (struct vdpad_look){
            .ifindex = rows[i].ifindex,
            .rx_packets = rows[i].rx_packets,
            .moved = old && old->rx_packets != rows[i].rx_packets,
        };
    }
    vdpad_looks_clear(looks);
    *looks = taken;
}

void
vdpad_looks_clear(struct vdpad_looks *looks)
{
    free(looks->looks);
    memset(looks, 0, sizeof *looks);
}

bool
vdpad_looks_moved(const struct vdpad_looks *looks, int32_t ifindex)
{
    const struct vdpad_look *look = find_look(looks, ifindex);

    return look && look->moved;
}

static enum vdpad_verdict
verdict_of(const struct vdpad_dev *dev, const struct vdpad_offload *o,
           bool rx_moved)
{
    /* A foreign device works without us. */
    if (dev->state != VDPAD_STATE_READY && dev->state != VDPAD_STATE_FOREIGN) {
        return VDPAD_VERDICT_BLOCKED;
    }
    if (o->hw_flows && o->sw_flows) {
        return VDPAD_VERDICT_PARTIAL;
    } else if (o->sw_flows) {
        return VDPAD_VERDICT_SOFTWARE;
    } else if (o->hw_flows && o->hw_packets) {
        return VDPAD_VERDICT_OFFLOADED;
    } else if (rx_moved) {
        return o->hw_flows ? VDPAD_VERDICT_PARTIAL : VDPAD_VERDICT_KERNEL;
    }
    return VDPAD_VERDICT_IDLE;
}

void
vdpad_offload_judge(const struct vdpad_dev *dev, bool flows_known,
                    bool rx_moved, struct vdpad_offload *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->flows_known = flows_known;
    if (flows_known && dev->flow) {
        ret->hw_flows = dev->flow->hw_flows;
        ret->sw_flows = dev->flow->sw_flows;
        ret->hw_packets = dev->flow->hw_packets;
        ret->hw_bytes = dev->flow->hw_bytes;
        ret->sw_packets = dev->flow->sw_packets;
        ret->sw_bytes = dev->flow->sw_bytes;
    }
    if (dev->rep) {
        ret->slow_path_known = true;
        ret->slow_path_packets = dev->rep->rx_packets;
    }
    ret->verdict = verdict_of(dev, ret, rx_moved);
}

static json_t *
known(bool is_known, uint64_t number)
{
    return is_known ? vdpad_json_u64(number) : json_null();
}

json_t *
vdpad_offload_json(const struct vdpad_offload *o)
{
    json_t *object = json_object();
    bool flows = o->flows_known;

    vdpad_json_set(object, "verdict",
                   vdpad_json_text(vdpad_verdict_name(o->verdict)));
    vdpad_json_set(object, "hw_flows", known(flows, o->hw_flows));
    vdpad_json_set(object, "sw_flows", known(flows, o->sw_flows));
    /* Flows that never reached TC are counted by nobody yet. */
    vdpad_json_set(object, "kernel_flows", json_null());
    vdpad_json_set(object, "hw_packets", known(flows, o->hw_packets));
    vdpad_json_set(object, "hw_bytes", known(flows, o->hw_bytes));
    vdpad_json_set(object, "sw_packets", known(flows, o->sw_packets));
    vdpad_json_set(object, "sw_bytes", known(flows, o->sw_bytes));
    vdpad_json_set(object, "slow_path_packets",
                   known(o->slow_path_known, o->slow_path_packets));
    return object;
}
