/* SPDX-License-Identifier: Apache-2.0 */
#include "query.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"

#define DEFAULT_LIMIT 1000
#define FIRST_CAPACITY 64
#define MAX_ATTEMPTS 4

void
vdpad_page_init(struct vdpad_page *page, const struct vdpad_flow_query *query)
{
    memset(page, 0, sizeof *page);
    page->query = query;
    page->limit = query->limit ? query->limit : DEFAULT_LIMIT;
    if (page->limit > VDPAD_QUERY_MAX) {
        page->limit = VDPAD_QUERY_MAX;
    }
}

void
vdpad_page_clear(struct vdpad_page *page)
{
    free(page->flows);
    free(page->heap);
    page->flows = NULL;
    page->heap = NULL;
    page->n = page->capacity = 0;
}

static int
order_rows(const struct vdpad_page *page, uint32_t a, uint32_t b)
{
    return vdpad_flow_pos_order(&page->flows[a].pos, &page->flows[b].pos);
}

bool
vdpad_page_wants(struct vdpad_page *page, const struct vdpad_flow_pos *pos)
{
    if (page->query->has_at
        && vdpad_flow_pos_order(pos, &page->query->at) <= 0) {
        return false;
    }
    if (page->n == page->limit) {
        int order = vdpad_flow_pos_order(pos, &page->flows[page->heap[0]].pos);

        page->more |= order > 0;
        return order < 0;
    }
    return true;
}

struct vdpad_flow_detail *
vdpad_page_row(struct vdpad_page *page)
{
    if (page->n + 1 > page->capacity) {
        size_t want = page->capacity ? page->capacity * 2 : FIRST_CAPACITY;

        if (want > page->limit + 1) {
            want = page->limit + 1;
        }
        page->flows = vdpad_nl_realloc(page->flows, want, sizeof *page->flows);
        page->heap = vdpad_nl_realloc(page->heap, want, sizeof *page->heap);
        page->capacity = want;
    }
    if (page->n < page->limit) {
        page->spare = (uint32_t) page->n;
    }
    return &page->flows[page->spare];
}

/* Moves the row at the heap's root to where it belongs. */
static void
sift_down(struct vdpad_page *page)
{
    uint32_t *heap = page->heap, row = heap[0];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child + 1 < page->n
            && order_rows(page, heap[child + 1], heap[child]) > 0) {
            child++;
        }
        if (child >= page->n || order_rows(page, heap[child], row) <= 0) {
            break;
        }
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = row;
}

void
vdpad_page_keep(struct vdpad_page *page)
{
    uint32_t row = page->spare;
    size_t i = page->n;

    if (page->n == page->limit) {
        /* The largest makes room. */
        page->spare = page->heap[0];
        page->heap[0] = row;
        page->more = true;
        sift_down(page);
        return;
    }
    while (i && order_rows(page, row, page->heap[(i - 1) / 2]) > 0) {
        page->heap[i] = page->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    page->heap[i] = row;
    page->n++;
    if (page->n == page->limit) {
        page->spare = (uint32_t) page->n;
    }
}

bool
vdpad_page_is_done(const struct vdpad_page *page)
{
    return page->n == page->limit && page->more;
}

static int
compare_flows(const void *a_, const void *b_)
{
    const struct vdpad_flow_detail *a = a_, *b = b_;

    return vdpad_flow_pos_order(&a->pos, &b->pos);
}

void
vdpad_page_finish(struct vdpad_page *page)
{
    struct vdpad_flow_detail *flows = page->flows;
    size_t n = 0;

    if (page->n == page->limit && page->spare != page->n) {
        /* All rows in use side by side. */
        flows[page->spare] = flows[page->n];
    }
    if (page->n) {
        qsort(flows, page->n, sizeof *flows, compare_flows);
    }
    for (size_t i = 0; i < page->n; i++) {
        if (!i || compare_flows(&flows[i], &flows[n - 1])) {
            if (n != i) {
                flows[n] = flows[i];
            }
            n++;
        }
    }
    page->n = n;
}

void
vdpad_name_cached(void *cache_, int32_t ifindex, char name[32])
{
    struct vdpad_name_cache *cache = cache_;
    const size_t size = sizeof cache->names / sizeof cache->names[0];
    size_t at = (uint32_t) ifindex % size;
    struct vdpad_cached_name *slot = &cache->names[at];

    if (ifindex <= 0 || slot->ifindex != ifindex) {
        char raw[IF_NAMESIZE];

        if (ifindex > 0 && if_indextoname((unsigned int) ifindex, raw)) {
            (void) snprintf(slot->name, sizeof slot->name, "%s", raw);
        } else {
            (void) snprintf(slot->name, sizeof slot->name, "ifindex %d",
                            ifindex);
        }
        slot->ifindex = ifindex;
        for (char *p = slot->name; *p; p++) {
            if (*p < ' ' || *p > '~') {
                *p = '?';
            }
        }
    }
    memcpy(name, slot->name, sizeof slot->name);
}

static int
query_once(struct vdpad_observer *observer,
           const struct vdpad_flow_query *query, struct vdpad_page *page,
           struct vdpad_error *why)
{
    switch ((enum vdpad_flow_query_kind) query->kind) {
    case VDPAD_QUERY_TC:
        return vdpad_query_tc(observer, page, why);
    case VDPAD_QUERY_DATAPATH:
        return vdpad_query_datapath(observer, page, why);
    case VDPAD_QUERY_PROBE:
        return vdpad_query_probe(observer, query, why);
    default:
        return vdpad_error_set(why, -EINVAL, "query %d: unknown",
                               (int) query->kind);
    }
}

int
vdpad_query(struct vdpad_observer *observer,
            const struct vdpad_flow_query *query, struct vdpad_page *page,
            struct vdpad_error *why)
{
    int error = -EINTR;

    for (int i = 0; i < MAX_ATTEMPTS && error == -EINTR; i++) {
        if (i) {
            vdpad_page_clear(page);
        }
        vdpad_page_init(page, query);
        error = query_once(observer, query, page, why);
        observer->interrupted += error == -EINTR;
        observer->malformed += error == -EBADMSG;
    }
    if (error) {
        vdpad_page_clear(page);
    } else {
        vdpad_page_finish(page);
    }
    if (error == -EINTR || error == -ENOBUFS) {
        error = -EAGAIN;
        if (why) {
            why->code = error;
        }
    }
    return error;
}
