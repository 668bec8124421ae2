/* SPDX-License-Identifier: Apache-2.0 */
/* Single flows of the simulated host.  Those that sums tell of
 * (sim_set_flow(), sim_set_kflow()) are made up when somebody asks: all alike
 * but for their destination.  Others are added one by one. */
#include "fake-sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INGRESS 0xfffffff2u
#define SKIP_SW 2u
#define IN_HW 4u
#define NOT_IN_HW 8u

/* Where the made up ones and the others are in the order of flows. */
#define SUMS_PRIO 2
#define ADDED_PRIO 3
#define ADDED_UFID 0xff

static void
put32(uint8_t *to, uint32_t number)
{
    for (int i = 0; i < 4; i++) {
        to[i] = (uint8_t) (number >> (24 - 8 * i));
    }
}

int
sim_set_kflow(struct sim *sim, const char *ifname,
              const struct vdpad_kflow *kflow)
{
    struct sim_netdev *dev = sim_find_netdev(sim, ifname);

    if (!dev) {
        return -ENODEV;
    }
    dev->kflow = *kflow;
    return 0;
}

int
sim_add_flow(struct sim *sim, const char *ifname,
             const struct vdpad_flow_detail *detail, int probe_error,
             const char *probe_text)
{
    const struct sim_netdev *dev = sim_find_netdev(sim, ifname);

    if (!dev) {
        return -ENODEV;
    }
    for (int i = 0; i < SIM_FLOWS; i++) {
        struct sim_flow *f = &sim->flows[i];
        struct vdpad_flow_pos *pos = &f->detail.pos;

        if (f->used) {
            continue;
        }
        memset(f, 0, sizeof *f);
        f->used = true;
        f->detail = *detail;
        f->detail.ifindex = dev->link.ifindex;
        memset(pos, 0, sizeof *pos);
        if (detail->where == VDPAD_FLOW_IN_KERNEL) {
            memset(pos->ufid, ADDED_UFID, sizeof pos->ufid);
            put32(pos->ufid + 12, (uint32_t) i);
        } else {
            f->detail.tc_flags = detail->where == VDPAD_FLOW_IN_HW ? IN_HW
                                                                   : NOT_IN_HW;
            f->detail.in_hw_count = detail->where == VDPAD_FLOW_IN_HW;
            pos->ifindex = dev->link.ifindex;
            pos->parent = INGRESS;
            pos->prio = ADDED_PRIO;
            pos->protocol = 0x0800;
            pos->handle = (uint32_t) i + 1;
        }
        if (!f->detail.has_ufid) {
            f->detail.has_ufid = true;
            memset(f->detail.ufid, ADDED_UFID, sizeof f->detail.ufid);
            put32(f->detail.ufid + 12, (uint32_t) i);
        }
        f->probe_error = probe_error;
        sim_text(f->probe_text, sizeof f->probe_text, "%s", probe_text);
        return 0;
    }
    return -ENOSPC;
}

void
sim_count_flows(const struct sim *sim, struct vdpad_flow *flow)
{
    for (int i = 0; i < SIM_FLOWS; i++) {
        const struct vdpad_flow_detail *d = &sim->flows[i].detail;

        if (!sim->flows[i].used || d->ifindex != flow->ifindex) {
            continue;
        }
        if (d->where == VDPAD_FLOW_IN_HW) {
            flow->hw_flows++;
        } else if (d->where == VDPAD_FLOW_IN_TC) {
            flow->sw_flows++;
        }
        if (d->where != VDPAD_FLOW_IN_KERNEL) {
            flow->hw_packets += d->hw_packets;
            flow->hw_bytes += d->hw_bytes;
            flow->sw_packets += d->sw_packets;
            flow->sw_bytes += d->sw_bytes;
        }
    }
}

void
sim_count_kflows(const struct sim *sim, struct vdpad_kflow *kflow)
{
    for (int i = 0; i < SIM_FLOWS; i++) {
        const struct vdpad_flow_detail *d = &sim->flows[i].detail;

        if (sim->flows[i].used && d->ifindex == kflow->ifindex
            && d->where == VDPAD_FLOW_IN_KERNEL) {
            kflow->flows++;
            kflow->packets += d->sw_packets;
            kflow->bytes += d->sw_bytes;
        }
    }
}

/* A page being filled, in the order of flows. */
struct page {
    const struct vdpad_flow_query *query;
    struct vdpad_flow_detail *flows;
    size_t n, limit;
    bool more;
};

static int
order(const struct vdpad_flow_pos *a, const struct vdpad_flow_pos *b)
{
#define ORDER(MEMBER)                          \
    if (a->MEMBER != b->MEMBER) {              \
        return a->MEMBER < b->MEMBER ? -1 : 1; \
    }
    ORDER(ifindex)
    ORDER(block)
    ORDER(parent)
    ORDER(chain)
    ORDER(prio)
    ORDER(protocol)
    ORDER(handle)
#undef ORDER
    return memcmp(a->ufid, b->ufid, sizeof a->ufid);
}

static bool
is_wanted(const struct page *page, int32_t where, int32_t ifindex,
          const struct vdpad_flow_pos *pos, const uint8_t ufid[16])
{
    const struct vdpad_flow_query *q = page->query;

    return (where == VDPAD_FLOW_IN_KERNEL) == (q->kind == VDPAD_QUERY_DATAPATH)
           && (!q->where || q->where & 1u << where || q->kind)
           && (!q->ifindex || q->ifindex == ifindex) && !q->block
           && (!q->has_ufid || !memcmp(q->ufid, ufid, sizeof q->ufid))
           && (!q->has_at || order(pos, &q->at) > 0);
}

/* The row for one more flow, or NULL when the page is full. */
static struct vdpad_flow_detail *
add(struct page *page)
{
    if (page->n == page->limit) {
        page->more = true;
        return NULL;
    }
    memset(&page->flows[page->n], 0, sizeof *page->flows);
    return &page->flows[page->n++];
}

static void
add_made_up(struct page *page, const struct sim_netdev *dev, uint32_t i)
{
    bool is_kernel = page->query->kind == VDPAD_QUERY_DATAPATH;
    const struct vdpad_flow *sum = &dev->flow;
    struct vdpad_flow_pos pos;
    struct vdpad_flow_detail *d;
    int32_t where = is_kernel           ? VDPAD_FLOW_IN_KERNEL
                    : i < sum->hw_flows ? VDPAD_FLOW_IN_HW
                                        : VDPAD_FLOW_IN_TC;
    uint8_t ufid[16] = { 0 };

    memset(&pos, 0, sizeof pos);
    put32(ufid, (uint32_t) dev->link.ifindex);
    put32(ufid + 8, (uint32_t) where);
    put32(ufid + 12, i);
    if (is_kernel) {
        memcpy(pos.ufid, ufid, sizeof ufid);
    } else {
        pos.ifindex = dev->link.ifindex;
        pos.parent = INGRESS;
        pos.prio = SUMS_PRIO;
        pos.protocol = 0x0800;
        pos.handle = i + 1;
    }
    if (!is_wanted(page, where, dev->link.ifindex, &pos, ufid)) {
        return;
    }
    d = add(page);
    if (!d) {
        return;
    }
    d->where = where;
    d->pos = pos;
    d->ifindex = dev->link.ifindex;
    d->has_ufid = true;
    memcpy(d->ufid, ufid, sizeof ufid);
    d->tc_flags = where == VDPAD_FLOW_IN_HW   ? IN_HW
                  : where == VDPAD_FLOW_IN_TC ? NOT_IN_HW
                                              : 0;
    d->in_hw_count = where == VDPAD_FLOW_IN_HW;
    /* The first one has all that was counted. */
    if (where == VDPAD_FLOW_IN_HW && !i) {
        d->hw_packets = sum->hw_packets;
        d->hw_bytes = sum->hw_bytes;
    } else if (where == VDPAD_FLOW_IN_TC && i == sum->hw_flows) {
        d->sw_packets = sum->sw_packets;
        d->sw_bytes = sum->sw_bytes;
    } else if (is_kernel && !i) {
        d->sw_packets = dev->kflow.packets;
        d->sw_bytes = dev->kflow.bytes;
    }
    d->used_ms = d->hw_packets || d->sw_packets ? 100 : -1;
    d->age_ms = is_kernel ? -1 : 1000;
    sim_text(d->match, sizeof d->match,
             "recirc_id(0),in_port(%s),eth(dst=02:00:%02x:%02x:%02x:%02x),"
             "eth_type(0x0800),ipv4(frag=no)",
             dev->link.name, i >> 24, i >> 16 & 0xff, i >> 8 & 0xff, i & 0xff);
    sim_text(d->actions, sizeof d->actions, "drop");
}

static int
order_netdevs(const void *a_, const void *b_)
{
    const struct sim_netdev *const *a = a_, *const *b = b_;

    return ((*a)->link.ifindex > (*b)->link.ifindex)
           - ((*a)->link.ifindex < (*b)->link.ifindex);
}

static void
add_added(const struct sim *sim, struct page *page, int32_t ifindex)
{
    for (int i = 0; i < SIM_FLOWS; i++) {
        const struct vdpad_flow_detail *f = &sim->flows[i].detail;
        struct vdpad_flow_detail *d;

        if (sim->flows[i].used && (!ifindex || f->ifindex == ifindex)
            && is_wanted(page, f->where, f->ifindex, &f->pos, f->ufid)) {
            d = add(page);
            if (d) {
                *d = *f;
            }
        }
    }
}

void
sim_list_flows(struct sim *sim, const struct vdpad_flow_query *query,
               struct vdpad_flow_detail **ret_flows, size_t *ret_n,
               bool *ret_more)
{
    bool is_kernel = query->kind == VDPAD_QUERY_DATAPATH;
    const struct sim_netdev **devs = calloc(SIM_NETDEVS, sizeof *devs);
    struct page page = {
        .query = query,
        .limit = !query->limit          ? 1000
                 : query->limit > 10000 ? 10000
                                        : query->limit,
    };
    size_t n_devs = 0;

    page.flows = calloc(page.limit, sizeof *page.flows);
    if (!devs || !page.flows) {
        abort();
    }
    for (int i = 0; i < SIM_NETDEVS; i++) {
        if (sim->netdevs[i].used && !sim->netdevs[i].away) {
            devs[n_devs++] = &sim->netdevs[i];
        }
    }
    qsort(devs, n_devs, sizeof *devs, order_netdevs);
    for (size_t i = 0; i < n_devs && !page.more; i++) {
        const struct sim_netdev *dev = devs[i];
        uint32_t n = is_kernel ? dev->kflow.flows
                     : !dev->has_qdisc
                         ? 0
                         : dev->flow.hw_flows + dev->flow.sw_flows;

        for (uint32_t j = 0; j < n && !page.more; j++) {
            add_made_up(&page, dev, j);
        }
        if (!is_kernel) {
            add_added(sim, &page, dev->link.ifindex);
        }
    }
    if (is_kernel) {
        add_added(sim, &page, 0);
    }
    free(devs);
    *ret_flows = page.flows;
    *ret_n = page.n;
    *ret_more = page.more;
}

int
sim_probe(const struct sim *sim, const struct vdpad_flow_pos *at,
          struct vdpad_error *why)
{
    for (int i = 0; i < SIM_FLOWS; i++) {
        const struct sim_flow *f = &sim->flows[i];

        if (!f->used || f->detail.where == VDPAD_FLOW_IN_KERNEL
            || order(&f->detail.pos, at)) {
            continue;
        }
        if (f->detail.where == VDPAD_FLOW_IN_HW) {
            return vdpad_error_set(why, -EEXIST,
                                   "the filter is in hardware already");
        }
        return f->probe_error
                   ? vdpad_error_set(why, f->probe_error, "%s: %s",
                                     strerror(-f->probe_error), f->probe_text)
                   : 0;
    }
    return vdpad_error_set(why, -ENOENT, "there is no such filter");
}
