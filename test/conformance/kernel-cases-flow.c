/* SPDX-License-Identifier: Apache-2.0 */
/* Queries for single flows. */
#include "kernel-cases.h"

#include <errno.h>
#include <string.h>

#define INGRESS 0xfffffff2u

struct queried {
    bool done, more;
    int error;
    size_t n;
    char text[VDPAD_ERROR_TEXT];
};

static void
on_queried(void *queried_, int error, const struct vdpad_flow_detail *flows,
           size_t n, bool more, const struct vdpad_error *why)
{
    struct queried *queried = queried_;

    assert_false(queried->done);
    queried->done = true;
    queried->error = error;
    queried->n = n;
    queried->more = more;
    assert_true(!n || flows);
    if (error) {
        memcpy(queried->text, why->text, sizeof queried->text);
        assert_true(queried->text[0]);
    }
}

static bool
is_queried(void *queried)
{
    return ((struct queried *) queried)->done;
}

static struct queried
ask(const struct vdpad_flow_query *query)
{
    struct queried queried = { .done = false };

    assert_int_equal(kc_env->kernel->ops->query(kc_env->kernel, query,
                                                on_queried, &queried),
                     0);
    assert_false(queried.done);
    if (!kc_env->ops->pump(kc_env, is_queried, &queried)) {
        fail_msg("a query does not end");
    }
    return queried;
}

static void
queries(void **state)
{
    struct vdpad_flow_query query;
    struct vdpad_dlport port;
    struct queried q;

    (void) state;
    kc_make_vfs(1);
    kc_representor(0, &port);
    /* A netdev without a qdisc, with an empty one, and one that is not
     * there. */
    for (int i = 0; i < 3; i++) {
        memset(&query, 0, sizeof query);
        query.kind = VDPAD_QUERY_TC;
        query.ifindex = i < 2 ? port.ifindex : INT32_MAX;
        q = ask(&query);
        assert_int_equal(q.error, 0);
        assert_int_equal(q.n, 0);
        assert_false(q.more);
        if (!i) {
            kc_env->ops->add_qdisc(kc_env, port.ifname);
        }
    }
    query.kind = VDPAD_QUERY_DATAPATH;
    q = ask(&query);
    assert_int_equal(q.error, 0);
    assert_int_equal(q.n, 0);

    memset(&query, 0, sizeof query);
    query.kind = VDPAD_QUERY_PROBE;
    assert_int_equal(kc_env->kernel->ops->query(kc_env->kernel, &query,
                                                on_queried, &q),
                     -EINVAL);
    query.has_at = true;
    query.at.ifindex = port.ifindex;
    query.at.parent = INGRESS;
    query.at.prio = 2;
    query.at.protocol = 0x0800;
    query.at.handle = 1;
    q = ask(&query);
    assert_int_equal(q.error, -ENOENT);
    query.kind = 99;
    assert_int_equal(kc_env->kernel->ops->query(kc_env->kernel, &query,
                                                on_queried, &q),
                     -EINVAL);
}

/* Several at once wait for each other. */
static void
queries_at_once(void **state)
{
    const struct vdpad_flow_query query = { .kind = VDPAD_QUERY_TC };
    struct queried q[3];

    (void) state;
    memset(q, 0, sizeof q);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(kc_env->kernel->ops->query(kc_env->kernel, &query,
                                                    on_queried, &q[i]),
                         0);
    }
    for (int i = 0; i < 3; i++) {
        if (!kc_env->ops->pump(kc_env, is_queried, &q[i])) {
            fail_msg("a query does not end");
        }
        assert_int_equal(q[i].error, 0);
    }
}

const struct CMUnitTest kc_flow_cases[] = {
    KC_CASE(queries),
    KC_CASE(queries_at_once),
};
const size_t kc_n_flow_cases = sizeof kc_flow_cases / sizeof kc_flow_cases[0];
