/* SPDX-License-Identifier: Apache-2.0 */
/* Single flows, asked of the kernel by blocking calls: for helper processes
 * only. */
#ifndef VDPAD_NETLINK_QUERY_H
#define VDPAD_NETLINK_QUERY_H 1

#include <vdpad/flow-query.h>

#include "flower-codec.h"
#include "observe.h"

/* The most flows of one answer, whatever 'limit' asks for. */
#define VDPAD_QUERY_MAX 10000

/* The first flows behind a position: of all that are offered the smallest are
 * kept, so that memory is bounded by the limit. */
struct vdpad_page {
    const struct vdpad_flow_query *query;
    size_t limit, n, capacity; /* 'capacity': rows, one more than can be kept
                                * at present. */
    struct vdpad_flow_detail *flows;
    uint32_t *heap; /* Rows in use, the largest first. */
    uint32_t spare; /* The row that is not. */
    bool more;
};

/* Makes 'page' empty for 'query', which is borrowed. */
void vdpad_page_init(struct vdpad_page *page,
                     const struct vdpad_flow_query *query);
void vdpad_page_clear(struct vdpad_page *page);

/* Whether a flow at 'pos' would be kept; if not since the page is full,
 * remembers that there are more. */
bool vdpad_page_wants(struct vdpad_page *page,
                      const struct vdpad_flow_pos *pos);

/* The row to fill for a flow that is wanted, and to keep it then. */
struct vdpad_flow_detail *vdpad_page_row(struct vdpad_page *page);
void vdpad_page_keep(struct vdpad_page *page);

/* No flow with a larger position can change anything. */
bool vdpad_page_is_done(const struct vdpad_page *page);

/* Sorts the rows and drops those that came twice. */
void vdpad_page_finish(struct vdpad_page *page);

/* Names of netdevs, looked up once each. */
struct vdpad_name_cache {
    struct vdpad_cached_name {
        int32_t ifindex; /* 0: free. */
        char name[32];
    } names[1024];
};
void vdpad_name_cached(void *cache, int32_t ifindex, char name[32]);

/* Answers 'query' into 'page', which is initialised here and cleared by the
 * caller in any case.  Returns 0 or a negative errno with 'why', as
 * <vdpad/flow-query.h> has them. */
int vdpad_query(struct vdpad_observer *observer,
                const struct vdpad_flow_query *query, struct vdpad_page *page,
                struct vdpad_error *why);

/* One attempt, by kind. */
int vdpad_query_tc(struct vdpad_observer *observer, struct vdpad_page *page,
                   struct vdpad_error *why);
int vdpad_query_datapath(struct vdpad_observer *observer,
                         struct vdpad_page *page, struct vdpad_error *why);
int vdpad_query_probe(struct vdpad_observer *observer,
                      const struct vdpad_flow_query *query,
                      struct vdpad_error *why);

/* Where flower filters can be: '*ret_scopes' (from malloc, sorted) has the
 * members ifindex, block and parent set.  'ifindex' and 'block' as in a
 * query. */
int vdpad_query_scopes(struct vdpad_observer *observer, int32_t ifindex,
                       uint32_t block, struct vdpad_flow_pos **ret_scopes,
                       size_t *ret_n, struct vdpad_error *why);

#endif
