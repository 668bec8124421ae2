/* SPDX-License-Identifier: Apache-2.0 */
#include "offload.h"

#include <stdlib.h>
#include <string.h>

#include "lookup.h"
#include "util.h"

enum counter {
    HW_PACKETS,
    HW_BYTES,
    SW_PACKETS,
    SW_BYTES,
    SLOW_PACKETS,
    RX_PACKETS, /* Of the representor, where the former is not counted. */
    N_COUNTERS
};

/* Where counters were read: values of different sources cannot be
 * subtracted. */
struct source {
    int32_t ifindex;
    uint32_t epoch; /* Of flows: the tracker's; of the slow path: which
                     * counter. */
};

/* One device. */
struct entry {
    char key[VDPAD_NAME_SIZE];
    struct source flows, slow;
    bool has_slow; /* The driver counted the slow path at the last look. */
    uint64_t last[N_COUNTERS], total[N_COUNTERS];
    bool had_hw_flows; /* At the last look. */
    int64_t seen_ns;
    struct vdpad_judge judge;
};

struct vdpad_looks {
    size_t n, allocated;
    struct entry *entries; /* Sorted by key. */
    int64_t flows_at_ns;   /* When the newest picture of filters was taken. */
    int64_t now_ns;        /* Of the last look. */
};

struct vdpad_looks *
vdpad_looks_new(void)
{
    return vdpad_xcalloc(1, sizeof(struct vdpad_looks));
}

void
vdpad_looks_free(struct vdpad_looks *looks)
{
    if (looks) {
        free(looks->entries);
        free(looks);
    }
}

/* What stays the same however often a device is made anew. */
static const char *
key_of(const struct vdpad_dev *dev)
{
    return dev->vf ? dev->vf->bdf : dev->name;
}

/* The place of 'key', or where it would be. */
static size_t
place(const struct vdpad_looks *looks, const char *key)
{
    size_t low = 0, high = looks->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(looks->entries[middle].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct entry *
find(const struct vdpad_looks *looks, const char *key)
{
    size_t i = place(looks, key);

    return i < looks->n && !strcmp(looks->entries[i].key, key)
               ? &looks->entries[i]
               : NULL;
}

static struct entry *
insert(struct vdpad_looks *looks, const char *key)
{
    size_t i = place(looks, key);
    struct entry *entry;

    looks->entries = vdpad_grow(looks->entries, looks->n, &looks->allocated,
                                sizeof *looks->entries);
    entry = &looks->entries[i];
    memmove(entry + 1, entry, (looks->n - i) * sizeof *entry);
    looks->n++;
    memset(entry, 0, sizeof *entry);
    vdpad_copy(entry->key, sizeof entry->key, key);
    vdpad_judge_init(&entry->judge, looks->now_ns);
    return entry;
}

static void
forget(struct vdpad_looks *looks)
{
    size_t kept = 0;

    for (size_t i = 0; i < looks->n; i++) {
        if (looks->now_ns - looks->entries[i].seen_ns < VDPAD_FORGET_NS) {
            if (kept != i) {
                looks->entries[kept] = looks->entries[i];
            }
            kept++;
        }
    }
    looks->n = kept;
}

/* Takes 'value' of 'counter', read at 'now', and returns what was counted
 * since it was read at 'old'.
 *
 * Another netdev counts from 0, so that all of its value is new.  Where
 * counting began anew on the same netdev it is not known how much of the value
 * was counted before, and none is taken to be; nor where a value went down. */
static uint64_t
count(struct entry *entry, enum counter counter, const struct source *old,
      const struct source *now, uint64_t value)
{
    uint64_t last = entry->last[counter], gained = 0;

    if (old->ifindex != now->ifindex) {
        gained = value;
    } else if (old->epoch == now->epoch && value > last) {
        gained = value - last;
    }
    entry->last[counter] = value;
    entry->total[counter] += gained;
    return gained;
}

static void
count_flows(struct entry *entry, const struct vdpad_flow *flow,
            struct vdpad_evidence *e)
{
    struct source now = { flow->ifindex, flow->epoch }, old = entry->flows;

    e->hw = count(entry, HW_PACKETS, &old, &now, flow->hw_packets);
    e->sw = count(entry, SW_PACKETS, &old, &now, flow->sw_packets);
    (void) count(entry, HW_BYTES, &old, &now, flow->hw_bytes);
    (void) count(entry, SW_BYTES, &old, &now, flow->sw_bytes);
    e->hw_flows = flow->hw_flows
                  && (entry->had_hw_flows || old.ifindex != now.ifindex);
    entry->had_hw_flows = flow->hw_flows;
    entry->flows = now;
}

/* The representor's own counter is no count of the slow path: that of most
 * drivers, mlx5's among them, is the counter of the port, which packets in
 * hardware cross too. */
static void
count_slow_path(struct entry *entry, const struct vdpad_dev *dev,
                struct vdpad_evidence *e)
{
    const struct vdpad_flow *flow = dev->flow;
    bool has_hit = flow && flow->has_cpu_hit;
    enum counter counter = has_hit ? SLOW_PACKETS : RX_PACKETS;
    struct source now = { dev->rep->ifindex, has_hit }, old = entry->slow;
    uint64_t value = dev->rep->rx_packets, gained;

    /* The same counter, read at two times. */
    if (flow && flow->rx_packets > value) {
        value = flow->rx_packets;
    }
    if (has_hit) {
        value = flow->cpu_hit_packets;
    }
    gained = count(entry, counter, &old, &now, value);
    /* What it has counted before it was first seen is no evidence of what
     * passes now. */
    if (!old.ifindex) {
        gained = 0;
    }
    e->slow = has_hit ? gained : 0;
    e->rx = has_hit ? 0 : gained;
    entry->slow = now;
    entry->has_slow = has_hit;
}

/* Why the device is not ready, or NULL. */
static const char *
blocked(const struct vdpad_dev *dev, char text[VDPAD_VERDICT_REASON])
{
    /* A foreign device works without us. */
    if (dev->state == VDPAD_STATE_READY || dev->state == VDPAD_STATE_FOREIGN) {
        return NULL;
    }
    vdpad_text(text, VDPAD_VERDICT_REASON, "the device is %s%s%s",
               vdpad_state_name(dev->state), dev->reason[0] ? ": " : "",
               dev->reason);
    return text;
}

void
vdpad_looks_take(struct vdpad_looks *looks, const struct vdpad_world *world,
                 int64_t now_ns, vdpad_verdict_cb *cb, void *aux)
{
    const struct vdpad_observed_class *flows;
    char text[VDPAD_VERDICT_REASON];
    bool fresh, seen;

    flows = &world->observed->class_[VDPAD_FLOW];
    fresh = flows->known && flows->at_ns != looks->flows_at_ns;
    seen = flows->known && !flows->error;
    looks->flows_at_ns = flows->known ? flows->at_ns : 0;
    looks->now_ns = now_ns;
    for (size_t i = 0; i < world->n_devs; i++) {
        const struct vdpad_dev *dev = &world->devs[i];
        struct entry *entry = find(looks, key_of(dev));
        struct vdpad_evidence e = { .hw = 0 };

        if (!entry) {
            entry = insert(looks, key_of(dev));
        }
        entry->seen_ns = now_ns;
        if (dev->flow) {
            count_flows(entry, dev->flow, &e);
        }
        /* What the representor received says nothing alone. */
        if (dev->rep && seen) {
            count_slow_path(entry, dev, &e);
        }
        if (dev->flow || (dev->rep && seen)) {
            vdpad_judge_add(&entry->judge, &e, now_ns);
        }

        enum vdpad_verdict old = entry->judge.verdict;

        if (vdpad_judge_look(&entry->judge, blocked(dev, text), fresh, now_ns)
            && cb) {
            cb(aux, dev->name, old, entry->judge.verdict, entry->judge.reason);
        }
    }
    forget(looks);
}

int64_t
vdpad_looks_next_ns(const struct vdpad_looks *looks)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < looks->n; i++) {
        const struct entry *entry = &looks->entries[i];
        int64_t at = vdpad_judge_next_ns(&entry->judge);

        /* Devices that are gone cannot be looked at. */
        if (entry->seen_ns == looks->now_ns && at < next) {
            next = at;
        }
    }
    return next;
}

void
vdpad_looks_get(const struct vdpad_looks *looks,
                const struct vdpad_world *world, const struct vdpad_dev *dev,
                struct vdpad_offload *ret)
{
    const struct vdpad_observed_class *flows =
        &world->observed->class_[VDPAD_FLOW];
    const struct entry *entry = find(looks, key_of(dev));
    const struct vdpad_kflow *kflow = NULL;
    struct vdpad_judge none;

    memset(ret, 0, sizeof *ret);
    vdpad_judge_init(&none, 0);

    const struct vdpad_judge *judge = entry ? &entry->judge : &none;

    ret->verdict = judge->verdict;
    ret->settled = judge->settled;
    if (judge->verdict == VDPAD_VERDICT_BLOCKED || !flows->error) {
        vdpad_text(ret->reason, sizeof ret->reason, "%s", judge->reason);
    } else if (flows->known) {
        vdpad_text(ret->reason, sizeof ret->reason,
                   "filters cannot be observed (%.100s), this is of %lld s "
                   "ago: %s",
                   flows->why.text,
                   (long long) ((looks->now_ns - flows->at_ns)
                                / VDPAD_LOOK_NS),
                   judge->reason);
    } else {
        vdpad_text(ret->reason, sizeof ret->reason,
                   "filters cannot be observed: %.200s", flows->why.text);
    }
    ret->flows_known = flows->known;
    ret->kernel_known = world->observed->class_[VDPAD_KFLOW].known;
    ret->slow_path_known = entry && entry->has_slow;
    if (dev->flow) {
        ret->hw_flows = dev->flow->hw_flows;
        ret->sw_flows = dev->flow->sw_flows;
    }
    if (dev->rep) {
        kflow = vdpad_find_kflow(world->observed, dev->rep->ifindex);
    }
    if (kflow) {
        ret->kernel_flows = kflow->flows;
    }
    if (entry) {
        ret->hw_packets = entry->total[HW_PACKETS];
        ret->hw_bytes = entry->total[HW_BYTES];
        ret->sw_packets = entry->total[SW_PACKETS];
        ret->sw_bytes = entry->total[SW_BYTES];
        ret->slow_path_packets = entry->total[SLOW_PACKETS];
    }
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
    vdpad_json_set(object, "verdict_reason", vdpad_json_text(o->reason));
    vdpad_json_set(object, "hw_flows", known(flows, o->hw_flows));
    vdpad_json_set(object, "sw_flows", known(flows, o->sw_flows));
    vdpad_json_set(object, "kernel_flows",
                   known(o->kernel_known, o->kernel_flows));
    vdpad_json_set(object, "hw_packets", known(flows, o->hw_packets));
    vdpad_json_set(object, "hw_bytes", known(flows, o->hw_bytes));
    vdpad_json_set(object, "sw_packets", known(flows, o->sw_packets));
    vdpad_json_set(object, "sw_bytes", known(flows, o->sw_bytes));
    vdpad_json_set(object, "slow_path_packets",
                   known(o->slow_path_known, o->slow_path_packets));
    return object;
}
