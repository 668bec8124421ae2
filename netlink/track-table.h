/* SPDX-License-Identifier: Apache-2.0 */
/* Every flower filter at the ingress of a netdev or in a shared block, kept
 * current from what rtnetlink announces and from dumps.  Without I/O or
 * clock: who reads the sockets (track.h) tells it what came, in order.
 *
 * A *scope* is what one dump shows: the ingress of a netdev, or a shared
 * block.  Events keep the table right; dumps bring counters, and put right
 * what events missed:
 *
 * - Events that were announced before the kernel wrote a piece of a dump are
 *   told before its filters are.
 * - A filter that an event named while a dump of its scope was under way is
 *   there if the last event says so, whatever the dump had seen before.
 * - Any other filter is there if the dump has it.  It is removed when a dump
 *   that came to its end did not have it and no classifier went away
 *   meanwhile: the kernel counts them to find its place again
 *   (tcf_chain_dump(), net/sched/cls_api.c), and then steps over some.  Where
 *   classifiers go away all the time, when three dumps running did not.
 * - After a loss nothing is removed or believed removed: all scopes are
 *   dumped anew. */
#ifndef VDPAD_NETLINK_TRACK_TABLE_H
#define VDPAD_NETLINK_TRACK_TABLE_H 1

#include <vdpad/model.h>

#include "rows.h"
#include "stats-codec.h"
#include "tc-codec.h"

struct vdpad_track;

/* Filters that are kept one by one; of more only the sums of each dump. */
#define VDPAD_TRACK_MAX 1000000u

/* A new table for up to 'max' filters (at most VDPAD_TRACK_MAX), whose rows
 * begin with epoch 'epoch'. */
struct vdpad_track *vdpad_track_new(uint32_t epoch, uint32_t max);
void vdpad_track_free(struct vdpad_track *);

/* What was announced.  A qdisc: ingress and clsact only. */
void vdpad_track_event_qdisc(struct vdpad_track *,
                             const struct vdpad_qdisc *row, bool is_there);
void vdpad_track_event_filter(struct vdpad_track *,
                              const struct vdpad_filter *filter,
                              bool is_there);
/* 'chain': ifindex, parent and chain are used. */
void vdpad_track_event_chain_gone(struct vdpad_track *,
                                  const struct vdpad_filter *chain);
void vdpad_track_event_link_gone(struct vdpad_track *, int32_t ifindex);
/* Some events were lost, or not understood. */
void vdpad_track_lost(struct vdpad_track *);

/* Which classes changed since the last call: bits 1u << VDPAD_QDISC and
 * 1u << VDPAD_FLOW. */
unsigned int vdpad_track_take_changed(struct vdpad_track *);

/* A dump of all qdiscs: begin, each ingress and clsact qdisc, end.  'complete'
 * if it came to its end and all events up to then have been told. */
bool vdpad_track_wants_qdiscs(const struct vdpad_track *);
void vdpad_track_qdiscs_begin(struct vdpad_track *);
void vdpad_track_qdiscs_row(struct vdpad_track *,
                            const struct vdpad_qdisc *row);
void vdpad_track_qdiscs_end(struct vdpad_track *, bool complete);

/* What to dump: the ingress of 'ifindex', or 'block' when that is 0. */
struct vdpad_track_target {
    int32_t ifindex;
    uint32_t block;
};

/* Asks for dumps of all scopes that have filters or may have, or with 'all' of
 * all scopes. */
void vdpad_track_refresh(struct vdpad_track *, bool all);

/* Begins to go through the scopes of which dumps are asked for.
 * vdpad_track_next() tells them one by one until it returns false. */
void vdpad_track_restart(struct vdpad_track *);
bool vdpad_track_next(struct vdpad_track *, struct vdpad_track_target *);

/* A dump of one scope: begin, each flower filter, end.  The scope may go
 * meanwhile.  'complete' as above. */
void vdpad_track_dump_begin(struct vdpad_track *,
                            const struct vdpad_track_target *target);
void vdpad_track_dump_row(struct vdpad_track *,
                          const struct vdpad_filter *filter);
void vdpad_track_dump_end(struct vdpad_track *, bool complete);

/* A dump of the counters of all netdevs. */
void vdpad_track_stats_begin(struct vdpad_track *);
void vdpad_track_stats_row(struct vdpad_track *,
                           const struct vdpad_link_stats *stats);
void vdpad_track_stats_end(struct vdpad_track *, bool complete);

/* Whether the table is known to be what the kernel had when it was last looked
 * at, events since included. */
bool vdpad_track_is_complete(const struct vdpad_track *);

/* Whether there is anything that counts. */
bool vdpad_track_is_empty(const struct vdpad_track *);

/* Appends the rows of VDPAD_FLOW, unsorted. */
void vdpad_track_rows(const struct vdpad_track *, struct vdpad_rows *rows);

struct vdpad_track_totals {
    uint32_t flows;     /* That are kept. */
    uint32_t untracked; /* Past the limit, as the last dumps had them. */
    uint64_t repaired;  /* Differences that dumps found, no event having told
                         * of them, but for the first dump of a scope. */
    size_t bytes;       /* Memory in use. */
};
void vdpad_track_totals(const struct vdpad_track *,
                        struct vdpad_track_totals *totals);

#endif
