/* SPDX-License-Identifier: Apache-2.0 */
/* The tracker's table under a stream of messages.  The input is a sequence of
 * records: a byte that says what comes, a byte with its length in units of 4,
 * and that many bytes.
 *
 *   0 announced, 1 dumped: the type of the message (see types[]) and
 *                          3 bytes that are not used, then its payload
 *   2 begin a dump of filters (ifindex, block)   3 end it   4 end it early
 *   5 begin a dump of qdiscs   6 end it   7 end it early
 *   8 begin a dump of counters   9 end it
 *  10 events were lost   11 refresh */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netlink/attrs.h"
#include "netlink/track-feed.h"
#include "netlink/track-private.h"
#include "netlink/uapi.h"
#include "fuzz.h"

static const uint16_t types[] = {
    RTM_NEWTFILTER, RTM_DELTFILTER, RTM_DELCHAIN, RTM_NEWQDISC,
    RTM_DELQDISC,   RTM_DELLINK,    RTM_NEWSTATS, RTM_NEWCHAIN,
};

static void
check(bool ok)
{
    if (!ok) {
        abort();
    }
}

static uint32_t
check_group(const struct vdpad_track *t, uint32_t id,
            struct track_counts *counts)
{
    const struct track_group *group = &t->groups[id];
    uint32_t n = 0, n_live = 0, prev = NONE;

    for (uint32_t i = group->first; i != NONE; i = track_flow(t, i)->next) {
        const struct track_flow *flow = track_flow(t, i);

        check(flow->group == id && flow->prev == prev && i < t->n_flows);
        check(track_flow_find(t, id, flow->handle) == i);
        if (!flow->is_dead) {
            counts->hw += flow->in_hw;
            counts->sw += !flow->in_hw;
            counts->foreign += flow->is_foreign;
            n_live++;
        }
        n++;
        prev = i;
    }
    check(n == group->n_all && n_live == group->n_live);
    check(n || group->is_killed);
    return n;
}

/* All numbers agree with what is there. */
static void
check_table(const struct vdpad_track *t)
{
    uint32_t n_flows = 0;

    for (uint32_t i = 0; i < t->n_scopes; i++) {
        const struct track_scope *scope = &t->scopes[i];
        struct track_counts counts = { 0, 0, 0 };
        uint32_t n = 0;

        if (!scope->is_used) {
            continue;
        }
        check(scope->refs);
        for (uint32_t g = scope->first; g != NONE; g = t->groups[g].next) {
            check(t->groups[g].scope == i);
            n += check_group(t, g, &counts);
        }
        check(n == scope->n_all);
        check(!memcmp(&counts, &scope->counts, sizeof counts));
        n_flows += n;
    }
    check(n_flows == t->n_flows && n_flows == t->flow_index.used);
    check(n_flows <= t->max);
}

static void
feed(struct vdpad_track *t, bool is_dump, const uint8_t *data, size_t len)
{
    void *payload;
    uint16_t type;
    int error;

    if (len < 4) {
        return;
    }
    type = types[data[0] % (sizeof types / sizeof types[0])];
    /* Exactly as long as it is, and aligned. */
    payload = malloc(len - 4 ? len - 4 : 1);
    check(payload != NULL);
    memcpy(payload, data + 4, len - 4);
    error = is_dump ? vdpad_track_dumped(t, type, payload, len - 4)
                    : vdpad_track_announced(t, type, payload, len - 4);
    check(!error || error == VDPAD_CODEC_SKIP || error == -EBADMSG);
    free(payload);
}

static void
begin_dump(struct vdpad_track *t, const uint8_t *data, size_t len)
{
    struct vdpad_track_target target = { .ifindex = 0 };

    if (t->dump.is_running) {
        vdpad_track_dump_end(t, false);
    }
    if (len >= 8) {
        memcpy(&target.ifindex, data, 4);
        memcpy(&target.block, data + 4, 4);
        vdpad_track_dump_begin(t, &target);
    } else if (vdpad_track_next(t, &target)) {
        vdpad_track_dump_begin(t, &target);
    }
}

static void
act(struct vdpad_track *t, uint8_t what, const uint8_t *data, size_t len)
{
    switch (what % 12) {
    case 0:
    case 1:
        feed(t, what % 12, data, len);
        break;
    case 2:
        begin_dump(t, data, len);
        break;
    case 3:
    case 4:
        if (t->dump.is_running) {
            vdpad_track_dump_end(t, what % 12 == 3);
        }
        break;
    case 5:
        vdpad_track_qdiscs_begin(t);
        break;
    case 6:
    case 7:
        vdpad_track_qdiscs_end(t, what % 12 == 6);
        break;
    case 8:
        vdpad_track_stats_begin(t);
        break;
    case 9:
        vdpad_track_stats_end(t, true);
        break;
    case 10:
        vdpad_track_lost(t);
        break;
    default:
        vdpad_track_refresh(t, len > 0);
        vdpad_track_restart(t);
        break;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A limit that inputs can reach. */
    struct vdpad_track *t = vdpad_track_new(1, 24);
    struct vdpad_rows rows;

    while (size >= 2) {
        size_t len = (size_t) data[1] * 4;

        len = len > size - 2 ? size - 2 : len;
        act(t, data[0], data + 2, len);
        data += 2 + len;
        size -= 2 + len;
    }
    check_table(t);
    vdpad_rows_init(&rows, VDPAD_FLOW);
    vdpad_track_rows(t, &rows);
    check(!vdpad_picture_sort(&rows.picture));
    vdpad_rows_clear(&rows);
    vdpad_track_free(t);
    return 0;
}
