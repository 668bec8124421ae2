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
find_look(const struct vdpad_look_series *series, int32_t ifindex)
{
    return series->n ? bsearch(&ifindex, series->looks, series->n,
                               sizeof *series->looks, look_order)
                     : NULL;
}

static struct vdpad_look
look_at_link(const void *row)
{
    const struct vdpad_link *link = row;

    return (struct vdpad_look){ .ifindex = link->ifindex,
                                .count = { link->rx_packets } };
}

static struct vdpad_look
look_at_flow(const void *row)
{
    const struct vdpad_flow *flow = row;

    return (struct vdpad_look){
        .ifindex = flow->ifindex,
        .count = { flow->hw_packets, flow->sw_packets },
    };
}

/* What was counted between the two.  Sums over filters go down when a filter
 * leaves: how much the others counted meanwhile is not known then. */
static void
compare(const struct vdpad_look *old, struct vdpad_look *new)
{
    if (new->count[0] < old->count[0] || new->count[1] < old->count[1]) {
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        new->gained[i] = new->count[i] - old->count[i];
    }
}

static void
take(struct vdpad_look_series *series, const struct vdpad_observed_class *seen,
     struct vdpad_look (*look_at)(const void *row))
{
    const struct vdpad_picture *picture = &seen->picture;
    struct vdpad_look_series taken = { .at_ns = seen->at_ns, .n = picture->n };

    if (!seen->known || series->at_ns == seen->at_ns) {
        return;
    }
    taken.looks = vdpad_xcalloc(taken.n, sizeof *taken.looks);
    for (size_t i = 0; i < taken.n; i++) {
        struct vdpad_look *look = &taken.looks[i];
        const struct vdpad_look *old;

        *look = look_at((const char *) picture->rows + i * picture->row_size);
        old = find_look(series, look->ifindex);
        if (old) {
            compare(old, look);
        }
    }
    free(series->looks);
    *series = taken;
}

void
vdpad_looks_take(struct vdpad_looks *looks,
                 const struct vdpad_observed *observed)
{
    take(&looks->links, &observed->class_[VDPAD_LINK], look_at_link);
    take(&looks->flows, &observed->class_[VDPAD_FLOW], look_at_flow);
}

void
vdpad_looks_clear(struct vdpad_looks *looks)
{
    free(looks->links.looks);
    free(looks->flows.looks);
    memset(looks, 0, sizeof *looks);
}

struct vdpad_gain
vdpad_looks_gain(const struct vdpad_looks *looks, int32_t ifindex)
{
    const struct vdpad_look *link = find_look(&looks->links, ifindex);
    const struct vdpad_look *flow = find_look(&looks->flows, ifindex);

    return (struct vdpad_gain){ .rx_packets = link ? link->gained[0] : 0,
                                .hw_packets = flow ? flow->gained[0] : 0,
                                .sw_packets = flow ? flow->gained[1] : 0 };
}

static enum vdpad_verdict
verdict_of(const struct vdpad_dev *dev, const struct vdpad_offload *o,
           const struct vdpad_gain *gain)
{
    uint64_t hw = o->hw_packets, sw = o->sw_packets;

    /* A foreign device works without us. */
    if (dev->state != VDPAD_STATE_READY && dev->state != VDPAD_STATE_FOREIGN) {
        return VDPAD_VERDICT_BLOCKED;
    }
    /* What passes now says more than what has passed, but a handful may be
     * all of one kind: a flow's first packet, neighbour discovery. */
    if (gain->hw_packets + gain->sw_packets >= VDPAD_GAIN_MIN) {
        hw = gain->hw_packets;
        sw = gain->sw_packets;
    }
    if (hw) {
        return sw <= hw / VDPAD_OFFLOADED_RATIO ? VDPAD_VERDICT_OFFLOADED
                                                : VDPAD_VERDICT_PARTIAL;
    } else if (!sw && !gain->rx_packets) {
        return VDPAD_VERDICT_IDLE;
    } else if (o->hw_flows) {
        return VDPAD_VERDICT_PARTIAL;
    }
    return sw ? VDPAD_VERDICT_SOFTWARE : VDPAD_VERDICT_KERNEL;
}

void
vdpad_offload_judge(const struct vdpad_dev *dev, bool flows_known,
                    const struct vdpad_gain *gain, struct vdpad_offload *ret)
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
    ret->verdict = verdict_of(dev, ret, gain);
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
