/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the packets of one device: a verdict from the flower filters
 * on its representor and from what its representor itself receives. */
#ifndef VDPAD_OFFLOAD_H
#define VDPAD_OFFLOAD_H 1

#include "json.h"
#include "world.h"

/* So many packets in hardware for each one in software, 90 %, is "offloaded":
 * a flow's first packets always take the slow path, and now and then one
 * comes that hardware cannot handle. */
#define VDPAD_OFFLOADED_RATIO 9

/* Fewer packets than these between two looks are no evidence. */
#define VDPAD_GAIN_MIN 10

enum vdpad_verdict {
    VDPAD_VERDICT_OFFLOADED, /* Hardware carries (nearly) all packets. */
    VDPAD_VERDICT_PARTIAL,   /* Hardware carries less than that, or there are
                              * filters in hardware that count nothing while
                              * packets come. */
    VDPAD_VERDICT_SOFTWARE,  /* All filters are in software, and count. */
    VDPAD_VERDICT_KERNEL,    /* No filter counts, but packets come. */
    VDPAD_VERDICT_IDLE,      /* Nothing to judge by. */
    VDPAD_VERDICT_BLOCKED,   /* The device is not ready. */
    VDPAD_VERDICT_N
};
const char *vdpad_verdict_name(enum vdpad_verdict verdict);

/* One reading of the counters of one netdev.  Of a link: packets received.  Of
 * its filters: packets in hardware, packets in software. */
struct vdpad_look {
    int32_t ifindex;
    uint64_t count[2];
    uint64_t gained[2]; /* Since the reading before; 0 if that is unknown. */
};
struct vdpad_look_series {
    int64_t at_ns; /* When the newest was taken. */
    size_t n;
    struct vdpad_look *looks; /* Sorted by ifindex. */
};

/* The newest readings of all netdevs, by which one sees what counts now. */
struct vdpad_looks {
    struct vdpad_look_series links, flows;
};

/* Packets of one netdev between the two newest readings. */
struct vdpad_gain {
    uint64_t rx_packets; /* Received by the netdev. */
    uint64_t hw_packets; /* Counted by its filters in hardware. */
    uint64_t sw_packets; /* And in software. */
};

/* Takes the present pictures of links and filters into 'looks' (zeroed at
 * first), unless they are there already. */
void vdpad_looks_take(struct vdpad_looks *looks,
                      const struct vdpad_observed *observed);
void vdpad_looks_clear(struct vdpad_looks *looks);
struct vdpad_gain vdpad_looks_gain(const struct vdpad_looks *looks,
                                   int32_t ifindex);

struct vdpad_offload {
    enum vdpad_verdict verdict;
    bool flows_known; /* The next six are valid. */
    uint64_t hw_flows, sw_flows;
    uint64_t hw_packets, hw_bytes, sw_packets, sw_bytes;
    bool slow_path_known;
    uint64_t slow_path_packets; /* Received by the representor. */
};

/* Judges 'dev'.  'flows_known': its world has a picture of the filters, so
 * that a device without a row has none.  'gain': what its representor counted
 * lately; by this the verdict goes where it is enough to judge by, else by the
 * totals.  Pure. */
void vdpad_offload_judge(const struct vdpad_dev *dev, bool flows_known,
                         const struct vdpad_gain *gain,
                         struct vdpad_offload *ret);

/* The object that device/list shows. */
json_t *vdpad_offload_json(const struct vdpad_offload *offload);

#endif
