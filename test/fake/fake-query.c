/* SPDX-License-Identifier: Apache-2.0 */
/* Queries for single flows: behind helper processes and deadlines, like
 * observations. */
#include "fake-private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int
fake_query(struct vdpad_kernel *kernel, const struct vdpad_flow_query *query,
           vdpad_flow_query_cb *cb, void *aux)
{
    struct fake_kernel *k = fake_kernel_cast(kernel);
    struct fake_query *q, **end = &k->queries;

    if (query->kind < 0 || query->kind > VDPAD_QUERY_PROBE
        || (query->kind == VDPAD_QUERY_PROBE && !query->has_at)) {
        return -EINVAL;
    }
    q = calloc(1, sizeof *q);
    assert(q);
    q->query = *query;
    q->cb = cb;
    q->aux = aux;
    q->begun_ns = fake_now_ns(k);
    while (*end) {
        end = &(*end)->next;
    }
    *end = q;
    k->stats.requests++;
    return 0;
}

static bool
is_frozen(const struct fake_kernel *k, const struct fake_query *q)
{
    return q->query.kind == VDPAD_QUERY_DATAPATH && sim_is_frozen(k->sim);
}

static void
answer(struct fake_kernel *k, const struct fake_query *q)
{
    struct vdpad_flow_detail *flows;
    struct vdpad_error why = { .code = 0 };
    size_t n;
    bool more;

    if (q->query.kind == VDPAD_QUERY_PROBE) {
        int error = sim_probe(k->sim, &q->query.at, &why);

        q->cb(q->aux, error, NULL, 0, false, &why);
        return;
    }
    sim_list_flows(k->sim, &q->query, &flows, &n, &more);
    q->cb(q->aux, 0, flows, n, more, &why);
    free(flows);
}

void
fake_queries_run(struct fake_kernel *k, int64_t now)
{
    struct fake_query *q = k->queries;

    /* One at a time; what a callback asks for is for the next run. */
    if (!q) {
        return;
    }
    if (now >= q->begun_ns + k->knobs.step_deadline_ns) {
        struct vdpad_error why;

        k->queries = q->next;
        k->stats.timeouts++;
        (void) vdpad_error_set(&why, -ETIMEDOUT, "query: still in the kernel");
        q->cb(q->aux, -ETIMEDOUT, NULL, 0, false, &why);
        free(q);
    } else if (!is_frozen(k, q)
               && now >= q->begun_ns + k->knobs.query_delay_ns) {
        k->queries = q->next;
        answer(k, q);
        free(q);
    }
}

int64_t
fake_queries_next_ns(const struct fake_kernel *k)
{
    const struct fake_query *q = k->queries;

    return !q                ? INT64_MAX
           : is_frozen(k, q) ? q->begun_ns + k->knobs.step_deadline_ns
                             : q->begun_ns + k->knobs.query_delay_ns;
}

void
fake_queries_clear(struct fake_kernel *k)
{
    while (k->queries) {
        struct fake_query *q = k->queries;

        k->queries = q->next;
        free(q);
    }
}
