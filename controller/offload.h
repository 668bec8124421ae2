/* SPDX-License-Identifier: Apache-2.0 */
/* Offload of all devices: what was counted of each since the daemon began, and
 * the verdict on it. */
#ifndef VDPAD_OFFLOAD_H
#define VDPAD_OFFLOAD_H 1

#include "json.h"
#include "judge.h"
#include "world.h"

/* A device that is not there any more is forgotten after this; one that a
 * reset of the card takes away is back long before. */
#define VDPAD_FORGET_NS (3600 * VDPAD_LOOK_NS)

/* What is known of all devices by looking at them. */
struct vdpad_looks;

struct vdpad_looks *vdpad_looks_new(void);
void vdpad_looks_free(struct vdpad_looks *);

/* Called with a verdict that has changed. */
typedef void vdpad_verdict_cb(void *aux, const char *device,
                              enum vdpad_verdict old, enum vdpad_verdict new_,
                              const char *reason);

/* Takes a look at 'world', whose devices have their states.  Keeps nothing of
 * it.  'cb' may be NULL. */
void vdpad_looks_take(struct vdpad_looks *, const struct vdpad_world *world,
                      int64_t now_ns, vdpad_verdict_cb *cb, void *aux);

/* When filters should be observed anew for the sake of verdicts; INT64_MAX:
 * need not be. */
int64_t vdpad_looks_next_ns(const struct vdpad_looks *);

struct vdpad_offload {
    enum vdpad_verdict verdict;
    bool settled; /* See struct vdpad_judge. */
    char reason[VDPAD_VERDICT_REASON];
    bool flows_known;            /* The next six are valid. */
    uint64_t hw_flows, sw_flows; /* Now. */
    /* Never go down while the daemon runs: flows that go, counting that
     * begins anew and a representor that is made anew do not take any
     * away. */
    uint64_t hw_packets, hw_bytes, sw_packets, sw_bytes;
    bool kernel_known;
    uint64_t kernel_flows;      /* In the kernel datapath, at its last dump. */
    bool slow_path_known;       /* The representor's driver counts it. */
    uint64_t slow_path_packets; /* That hardware left to the host. */
};

/* What is known of 'dev', a device of 'world'. */
void vdpad_looks_get(const struct vdpad_looks *,
                     const struct vdpad_world *world,
                     const struct vdpad_dev *dev, struct vdpad_offload *ret);

/* The object that device/list shows. */
json_t *vdpad_offload_json(const struct vdpad_offload *offload);

#endif
