/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel's ingress qdiscs and flower filters, as far as rtnetlink shows
 * them: what happens is random, announced in a queue that can overflow, and
 * dumped in pieces while it goes on happening.  What it does otherwise than
 * one would think is in docs/kernel-behaviours.md ("TC and netlink"). */
#ifndef TEST_TC_SIM_H
#define TEST_TC_SIM_H 1

#include <stdbool.h>
#include <stdint.h>

#include "netlink/tc-codec.h"
#include "netlink/track-table.h"

enum { TC_SIM_NETDEVS = 6, TC_SIM_SCOPES = TC_SIM_NETDEVS + 2 };
enum { TC_SIM_QUEUE = 256, TC_SIM_FILTERS = 4096, TC_SIM_PIECES = 64 };

enum tc_sim_kind {
    TC_SIM_FILTER_NEW,
    TC_SIM_FILTER_DEL,
    TC_SIM_CHAIN_DEL,
    TC_SIM_QDISC_NEW,
    TC_SIM_QDISC_DEL,
    TC_SIM_LINK_DEL,
};

struct tc_sim_event {
    enum tc_sim_kind kind;
    struct vdpad_filter filter; /* Also of a chain. */
    struct vdpad_qdisc qdisc;   /* Of a link its ifindex. */
};

/* The first of them are those of the netdevs, then the blocks. */
struct tc_sim_scope {
    bool is_there;
    int32_t ifindex;
    uint32_t block;
    uint64_t hw_packets; /* That came in since it is there, in hardware, */
    uint64_t sw_packets; /* and in software. */
};

struct tc_sim {
    uint64_t random;

    /* What goes wrong, each once in so many times; 0: never. */
    unsigned int loss, swap_same, interrupt;

    struct vdpad_qdisc qdiscs[TC_SIM_NETDEVS]; /* ifindex 0: none. */
    struct tc_sim_scope scopes[TC_SIM_SCOPES];

    /* By scope, chain, prio, handle. */
    struct {
        int scope;
        struct vdpad_filter filter;
    } filters[TC_SIM_FILTERS];
    int n_filters;

    struct tc_sim_event queue[TC_SIM_QUEUE];
    int head, n_queued;
    bool is_overrun;
    bool is_pure; /* Nothing was lost, or announced in a wrong order. */
    uint64_t n_events;

    /* The dump that is under way. */
    int dump_scope; /* -1: of what is not there. */
    int dump_index; /* Classifiers before the one it is at. */
    uint32_t dump_handle;
    bool dump_is_interrupted;
    int dump_qdisc;
};

/* Begins with nothing there. */
void tc_sim_init(struct tc_sim *sim, uint64_t seed);

uint32_t tc_sim_random(struct tc_sim *sim, uint32_t below);

/* Something happens. */
void tc_sim_act(struct tc_sim *sim);

/* Takes the next announcement.  Returns 1, 0 when there is none, or -1 when
 * some were lost. */
int tc_sim_receive(struct tc_sim *sim, struct tc_sim_event *event);

/* A dump of filters: begin, and pieces of up to TC_SIM_PIECES filters.
 * Returns how many; 0 at the end. */
void tc_sim_dump_begin(struct tc_sim *sim,
                       const struct vdpad_track_target *target);
int tc_sim_dump_piece(struct tc_sim *sim,
                      struct vdpad_filter piece[TC_SIM_PIECES]);

/* A dump of qdiscs, likewise. */
void tc_sim_qdiscs_begin(struct tc_sim *sim);
int tc_sim_qdiscs_piece(struct tc_sim *sim, struct vdpad_qdisc *piece,
                        int max);

#endif
