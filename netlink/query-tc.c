/* SPDX-License-Identifier: Apache-2.0 */
/* Flower filters, page by page. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "query.h"
#include "uapi.h"

#define INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)

static int
order_scopes(const void *a, const void *b)
{
    return vdpad_flow_pos_order(a, b);
}

/* Adds a qdisc's hook: its own filters or those of its shared block. */
static size_t
add_scope(struct vdpad_flow_pos *scopes, size_t n, int32_t ifindex,
          uint32_t block, uint32_t parent, uint32_t only_block)
{
    struct vdpad_flow_pos *scope = &scopes[n];

    if (only_block && block != only_block) {
        return n;
    }
    memset(scope, 0, sizeof *scope);
    if (block) {
        scope->block = block;
    } else {
        scope->ifindex = ifindex;
        scope->parent = parent;
    }
    for (size_t i = 0; block && i < n; i++) {
        if (scopes[i].block == block) {
            return n;
        }
    }
    return n + 1;
}

int
vdpad_query_scopes(struct vdpad_observer *observer, int32_t ifindex,
                   uint32_t block, struct vdpad_flow_pos **ret_scopes,
                   size_t *ret_n, struct vdpad_error *why)
{
    const struct vdpad_qdisc *qdiscs;
    struct vdpad_flow_pos *scopes;
    struct vdpad_rows rows;
    size_t n = 0;
    int error;

    vdpad_rows_init(&rows, VDPAD_QDISC);
    error = vdpad_observe_qdisc(observer, &rows, why);
    if (error) {
        vdpad_rows_clear(&rows);
        return error;
    }
    qdiscs = rows.picture.rows;
    scopes = vdpad_nl_calloc(2 * rows.picture.n + 1, sizeof *scopes);
    for (size_t i = 0; i < rows.picture.n; i++) {
        const struct vdpad_qdisc *q = &qdiscs[i];

        if (ifindex && q->ifindex != ifindex) {
            continue;
        }
        n = add_scope(scopes, n, q->ifindex, q->ingress_block, INGRESS, block);
        if (q->clsact) {
            n = add_scope(scopes, n, q->ifindex, q->egress_block, EGRESS,
                          block);
        }
    }
    vdpad_rows_clear(&rows);
    if (n) {
        qsort(scopes, n, sizeof *scopes, order_scopes);
    }
    *ret_scopes = scopes;
    *ret_n = n;
    return 0;
}

struct dump {
    struct vdpad_page *page;
    struct vdpad_netdev_names names;
};

static bool
is_asked_for(const struct vdpad_flow_query *query,
             const struct vdpad_flower_id *id)
{
    enum vdpad_flow_where where = id->flags & TCA_CLS_FLAGS_IN_HW
                                      ? VDPAD_FLOW_IN_HW
                                      : VDPAD_FLOW_IN_TC;

    return (!query->where || query->where & 1u << where)
           && (!query->has_ufid
               || (id->cookie.len == sizeof query->ufid
                   && !memcmp(id->cookie.bytes, query->ufid,
                              sizeof query->ufid)));
}

static int
on_filter(void *dump_, uint16_t type, const void *payload, size_t len)
{
    struct dump *dump = dump_;
    struct vdpad_flower_id id;
    int error;

    if (type != RTM_NEWTFILTER) {
        return 0;
    }
    error = vdpad_flower_decode_id(payload, len, &id);
    if (error || !is_asked_for(dump->page->query, &id)
        || !vdpad_page_wants(dump->page, &id.pos)) {
        return error;
    }
    error = vdpad_flower_decode(payload, len, &dump->names,
                                vdpad_page_row(dump->page));
    if (!error) {
        vdpad_page_keep(dump->page);
    }
    return error;
}

/* All filters of 'scope' come before 'at'. */
static bool
is_behind(const struct vdpad_flow_pos *scope, const struct vdpad_flow_pos *at)
{
    struct vdpad_flow_pos hook = {
        .ifindex = at->ifindex,
        .block = at->block,
        .parent = at->parent,
    };

    return vdpad_flow_pos_order(scope, &hook) < 0;
}

static int
dump_scope(struct vdpad_observer *observer, const struct vdpad_flow_pos *scope,
           struct dump *dump, struct vdpad_error *why)
{
    struct nl_msg *msg;
    struct vdpad_nl *nl;
    int error = vdpad_observer_route(observer, &nl, why);

    if (error) {
        return error;
    }
    msg = vdpad_nl_msg(RTM_GETTFILTER, NLM_F_DUMP);
    error = vdpad_flower_encode_dump(msg, scope);
    error = vdpad_nl_call(nl, msg, error, on_filter, dump, why,
                          "filter dump of %s %ld",
                          scope->block ? "block" : "ifindex",
                          scope->block ? (long) scope->block
                                       : (long) scope->ifindex);
    /* The netdev or block has gone since the qdiscs were read: its filters
     * too. */
    return error == -ENODEV || (error == -EINVAL && scope->block) ? 0 : error;
}

int
vdpad_query_tc(struct vdpad_observer *observer, struct vdpad_page *page,
               struct vdpad_error *why)
{
    const struct vdpad_flow_query *query = page->query;
    struct vdpad_name_cache *cache = vdpad_nl_calloc(1, sizeof *cache);
    struct dump dump = {
        .page = page,
        .names = { .cb = vdpad_name_cached, .aux = cache },
    };
    struct vdpad_flow_pos *scopes = NULL;
    size_t n = 0;
    int error = vdpad_query_scopes(observer, query->ifindex, query->block,
                                   &scopes, &n, why);

    for (size_t i = 0; i < n && !error && !vdpad_page_is_done(page); i++) {
        if (!query->has_at || !is_behind(&scopes[i], &query->at)) {
            error = dump_scope(observer, &scopes[i], &dump, why);
        }
    }
    free(scopes);
    free(cache);
    return error;
}
