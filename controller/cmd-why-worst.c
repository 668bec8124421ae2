/* SPDX-License-Identifier: Apache-2.0 */
/* What the checks of single flows need of them, taken from page after page:
 * of each netdev and shared block how many there are, and the worst. */
#include <stdlib.h>
#include <string.h>

#include "cmd-why.h"
#include "util.h"

/* Pages of one kind.  Each costs a dump: of TC's filters only of the netdevs
 * that it covers, of the kernel datapath of all. */
#define TC_PAGES 100
#define DATAPATH_PAGES 8

void
vdpad_why_flows_clear(struct vdpad_why_flows *flows)
{
    for (size_t i = 0; i < flows->n; i++) {
        free(flows->sources[i].worst);
    }
    free(flows->sources);
    flows->sources = NULL;
    flows->n = flows->capacity = 0;
}

static struct vdpad_why_source *
find_source(struct vdpad_why_flows *flows, int32_t ifindex, uint32_t block)
{
    struct vdpad_why_source *source;

    /* Filters come netdev by netdev: it is the newest one mostly. */
    for (size_t i = flows->n; i > 0; i--) {
        source = &flows->sources[i - 1];
        if (source->ifindex == ifindex && source->block == block) {
            return source;
        }
    }
    flows->sources = vdpad_grow(flows->sources, flows->n, &flows->capacity,
                                sizeof *source);
    source = &flows->sources[flows->n++];
    *source = (struct vdpad_why_source){ .ifindex = ifindex, .block = block };
    return source;
}

/* The place behind all filters of the netdev or block that 'pos' is of. */
static struct vdpad_flow_pos
behind_source(const struct vdpad_flow_pos *pos)
{
    struct vdpad_flow_pos end = { .ifindex = pos->ifindex,
                                  .block = pos->block };

    end.parent = end.chain = end.handle = UINT32_MAX;
    end.prio = end.protocol = UINT16_MAX;
    memset(end.ufid, UINT8_MAX, sizeof end.ufid);
    return end;
}

bool
vdpad_why_take_page(struct vdpad_why_flows *into,
                    struct vdpad_flow_query *query,
                    const struct vdpad_flow_detail *flows, size_t n, bool more)
{
    bool is_tc = query->kind == VDPAD_QUERY_TC;
    const struct vdpad_flow_detail *last = n ? &flows[n - 1] : NULL;

    for (size_t i = 0; i < n; i++) {
        struct vdpad_why_source *source = find_source(into, flows[i].ifindex,
                                                      flows[i].pos.block);

        source->n++;
        if (!source->worst) {
            source->worst = vdpad_xcalloc(1, sizeof *source->worst);
            *source->worst = flows[i];
        } else if (flows[i].sw_packets > source->worst->sw_packets) {
            *source->worst = flows[i];
        }
    }
    into->n_pages++;
    if (!more || !last) {
        into->is_cut = more;
        return false;
    }
    query->has_at = true;
    query->at = last->pos;
    /* A page of one netdev alone tells enough of it, however many there are:
     * the next one must not starve for it. */
    if (is_tc && flows->pos.ifindex == last->pos.ifindex
        && flows->pos.block == last->pos.block) {
        find_source(into, last->ifindex, last->pos.block)->is_cut = true;
        query->at = behind_source(&last->pos);
    }
    into->is_cut = into->n_pages >= (is_tc ? TC_PAGES : DATAPATH_PAGES);
    return !into->is_cut;
}

static bool
is_of(const struct vdpad_why_source *source, const struct vdpad_dev *dev)
{
    return source->ifindex == dev->rep->ifindex
           || (source->block && dev->flow
               && dev->flow->block == source->block);
}

const struct vdpad_flow_detail *
vdpad_why_worst(const struct vdpad_why_flows *flows,
                const struct vdpad_dev *dev, size_t *n, bool *is_cut)
{
    const struct vdpad_flow_detail *worst = NULL;

    *n = 0;
    *is_cut = flows->is_cut;
    for (size_t i = 0; dev->rep && i < flows->n; i++) {
        const struct vdpad_why_source *source = &flows->sources[i];

        if (is_of(source, dev)) {
            *n += source->n;
            *is_cut |= source->is_cut;
            if (!worst || source->worst->sw_packets > worst->sw_packets) {
                worst = source->worst;
            }
        }
    }
    return worst;
}
