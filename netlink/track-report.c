/* SPDX-License-Identifier: Apache-2.0 */
/* What the table says. */
#include "track-private.h"

bool
vdpad_track_is_complete(const struct vdpad_track *t)
{
    for (uint32_t i = 0; i < t->n_scopes; i++) {
        if (t->scopes[i].is_used && !t->scopes[i].is_synced) {
            return false;
        }
    }
    return !t->wants_qdiscs;
}

bool
vdpad_track_is_empty(const struct vdpad_track *t)
{
    return !t->netdevs_used;
}

void
vdpad_track_rows(const struct vdpad_track *t, struct vdpad_rows *rows)
{
    for (uint32_t i = 0; i < t->n_netdevs; i++) {
        const struct track_netdev *netdev = &t->netdevs[i];
        struct track_sums sums = netdev->before;
        struct vdpad_flow *row;

        if (!netdev->is_used
            || (netdev->scope == NONE && !netdev->has_cpu_hit)) {
            continue;
        }
        row = vdpad_rows_add(rows);
        row->ifindex = netdev->ifindex;
        row->epoch = netdev->epoch;
        row->rx_packets = netdev->rx_packets;
        row->cpu_hit_packets = netdev->cpu_hit_packets;
        row->has_cpu_hit = netdev->has_cpu_hit;
        if (netdev->scope != NONE) {
            const struct track_scope *scope = &t->scopes[netdev->scope];
            const struct track_counts *over = &scope->over.counts;

            row->block = netdev->ingress_block;
            row->hw_flows = scope->counts.hw + over->hw;
            row->sw_flows = scope->counts.sw + over->sw;
            row->foreign_flows = scope->counts.foreign + over->foreign;
            track_sums_add(&sums, &scope->sums);
        }
        row->hw_packets = sums.hw_packets;
        row->hw_bytes = sums.hw_bytes;
        row->sw_packets = sums.sw_packets;
        row->sw_bytes = sums.sw_bytes;
    }
}

unsigned int
vdpad_track_take_changed(struct vdpad_track *t)
{
    unsigned int changed = t->changed;

    t->changed = 0;
    return changed;
}

void
vdpad_track_totals(const struct vdpad_track *t,
                   struct vdpad_track_totals *totals)
{
    *totals = (struct vdpad_track_totals){
        .flows = t->n_flows,
        .repaired = t->repaired,
        .bytes = sizeof *t + t->chunks_capacity * sizeof *t->chunks
                 + (size_t) t->n_chunks * TRACK_CHUNK * sizeof **t->chunks
                 + t->groups_capacity * sizeof *t->groups
                 + t->n_scopes * sizeof *t->scopes
                 + t->n_netdevs * sizeof *t->netdevs
                 + ((size_t) t->flow_index.n_slots + t->group_index.n_slots
                    + t->scope_index.n_slots + t->netdev_index.n_slots)
                       * sizeof(uint32_t),
    };
    for (uint32_t i = 0; i < t->n_scopes; i++) {
        if (t->scopes[i].is_used) {
            totals->untracked += t->scopes[i].over.n;
        }
    }
}
