/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the packets of one device: a verdict from the flower filters
 * on its representor and from what its representor itself receives. */
#ifndef VDPAD_OFFLOAD_H
#define VDPAD_OFFLOAD_H 1

#include "json.h"
#include "world.h"

enum vdpad_verdict {
    VDPAD_VERDICT_OFFLOADED, /* All filters are in hardware and count. */
    VDPAD_VERDICT_PARTIAL,   /* Some are not, or those in hardware count
                                 * nothing while the slow path does. */
    VDPAD_VERDICT_SOFTWARE,  /* Filters, none of them in hardware. */
    VDPAD_VERDICT_KERNEL,    /* No filters, but packets. */
    VDPAD_VERDICT_IDLE,      /* Nothing to judge by. */
    VDPAD_VERDICT_BLOCKED,   /* The device is not ready. */
    VDPAD_VERDICT_N
};
const char *vdpad_verdict_name(enum vdpad_verdict verdict);

/* The two newest readings of the receive counters of all links, by which one
 * sees whether they move. */
struct vdpad_look {
    int32_t ifindex;
    bool moved;          /* The two differ. */
    uint64_t rx_packets; /* The newer one. */
};
struct vdpad_looks {
    int64_t at_ns; /* When the newer one was taken. */
    size_t n;
    struct vdpad_look *looks; /* Sorted by ifindex. */
};

/* Takes the present picture of the links into 'looks' (zeroed at first),
 * unless it is there already. */
void vdpad_looks_take(struct vdpad_looks *looks,
                      const struct vdpad_observed *observed);
void vdpad_looks_clear(struct vdpad_looks *looks);
bool vdpad_looks_moved(const struct vdpad_looks *looks, int32_t ifindex);

struct vdpad_offload {
    enum vdpad_verdict verdict;
    bool flows_known; /* The next six are valid. */
    uint64_t hw_flows, sw_flows;
    uint64_t hw_packets, hw_bytes, sw_packets, sw_bytes;
    bool slow_path_known;
    uint64_t slow_path_packets; /* Received by the representor. */
};

/* Judges 'dev'.  'flows_known': its world has a picture of the filters, so
 * that a device without a row has none.  'rx_moved': its representor received
 * something between two looks.  Pure. */
void vdpad_offload_judge(const struct vdpad_dev *dev, bool flows_known,
                         bool rx_moved, struct vdpad_offload *ret);

/* The object that device/list shows. */
json_t *vdpad_offload_json(const struct vdpad_offload *offload);

#endif
