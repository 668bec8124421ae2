/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the packets of one device, as a verdict that does not
 * flutter.
 *
 * The judge is fed what was counted (add) and asked to look at it now and
 * then (look).  A look with too few packets is no evidence; one with enough
 * has a candidate.  A candidate that differs from the verdict becomes it once
 * further looks have not contradicted it, and the limits of a verdict lie
 * apart: it takes less to keep one than to get it.  Pure: the clock is passed
 * in. */
#ifndef VDPAD_JUDGE_H
#define VDPAD_JUDGE_H 1

#include <stdbool.h>
#include <stdint.h>

/* Two looks are at least this far apart: counters of hardware are read by
 * drivers about once in a second, those of the slow path count at once. */
#define VDPAD_LOOK_NS INT64_C(1000000000)

/* Fewer packets than these are no evidence: a flow's first packet always takes
 * the slow path, and so do neighbour discovery and the like. */
#define VDPAD_EVIDENCE_MIN 10

/* A device with fewer packets than those in this time is idle.  Longer than
 * the 10 s for which Open vSwitch keeps an unused flow, and than what guests
 * usually leave between keep-alives. */
#define VDPAD_IDLE_NS (60 * VDPAD_LOOK_NS)

/* So many looks in a row have to agree on a new verdict.  An idle device has
 * none to protect. */
#define VDPAD_AGREE_IDLE 2
#define VDPAD_AGREE 3

/* Shares in percent: to get a verdict, and to keep it. */
#define VDPAD_OFFLOADED_GET 90 /* Of all packets, those in hardware. */
#define VDPAD_OFFLOADED_KEEP 80
#define VDPAD_NO_HW_GET 5 /* Likewise: fewer is none in hardware. */
#define VDPAD_NO_HW_KEEP 15
#define VDPAD_SOFTWARE_GET 60 /* Of those in software, those in TC. */
#define VDPAD_SOFTWARE_KEEP 40

enum vdpad_verdict {
    VDPAD_VERDICT_OFFLOADED, /* Hardware carries (nearly) all packets. */
    VDPAD_VERDICT_PARTIAL,   /* Hardware carries less than that, or has flows
                              * that count nothing while packets come. */
    VDPAD_VERDICT_SOFTWARE,  /* Nothing is in hardware, TC carries most. */
    VDPAD_VERDICT_KERNEL,    /* Nor that: Open vSwitch's kernel datapath. */
    VDPAD_VERDICT_IDLE,      /* Too few packets to judge by. */
    VDPAD_VERDICT_BLOCKED,   /* The device is not ready. */
    VDPAD_VERDICT_N
};
const char *vdpad_verdict_name(enum vdpad_verdict verdict);

/* Packets that were counted since the last ones. */
struct vdpad_evidence {
    uint64_t hw;   /* By filters in hardware. */
    uint64_t sw;   /* By filters in software. */
    uint64_t slow; /* That came to the host: those of 'sw' and those that no
                    * filter counted. */
    uint64_t rx;   /* Where the driver does not count those, 'slow' is 0, and
                    * these are all that the representor received.  Drivers
                    * differ on whether those in hardware are among them. */
    bool hw_flows; /* There were flows in hardware all the time. */
};

#define VDPAD_VERDICT_REASON 240

struct vdpad_judge {
    enum vdpad_verdict verdict;
    char reason[VDPAD_VERDICT_REASON]; /* One line, never "". */
    bool settled; /* False: "idle" only because nothing is known yet. */

    /* Private. */
    struct vdpad_evidence window; /* Not judged yet. */
    bool has_window;
    enum vdpad_verdict candidate; /* _N: none. */
    int agreed;                   /* Looks that agree on it. */
    char candidate_reason[VDPAD_VERDICT_REASON];
    int64_t look_ns;    /* The last look. */
    int64_t evident_ns; /* The last one with evidence. */
};

void vdpad_judge_init(struct vdpad_judge *judge, int64_t now_ns);

void vdpad_judge_add(struct vdpad_judge *judge,
                     const struct vdpad_evidence *evidence, int64_t now_ns);

/* 'blocked': why the device is not ready, or NULL.  'fresh': all that was
 * counted up to about now was added.  Returns whether the verdict changed. */
bool vdpad_judge_look(struct vdpad_judge *judge, const char *blocked,
                      bool fresh, int64_t now_ns);

/* When a fresh look is worth while though nothing is counted; INT64_MAX: not
 * at all. */
int64_t vdpad_judge_next_ns(const struct vdpad_judge *judge);

#endif
