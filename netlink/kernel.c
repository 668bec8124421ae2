/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel-private.h"
#include "rows.h"

#define SECOND_NS INT64_C(1000000000)

static struct vdpad_netlink *
netlink_cast(struct vdpad_kernel *kernel)
{
    return (struct vdpad_netlink *) kernel;
}

static const struct vdpad_netlink *
netlink_cast_const(const struct vdpad_kernel *kernel)
{
    return (const struct vdpad_netlink *) kernel;
}

static void
netlink_enqueue(struct vdpad_netlink *netlink, struct vdpad_job *job)
{
    vdpad_queue_add(&netlink->queues[vdpad_job_lane(job)], job);
    vdpad_workers_start_jobs(netlink);
}

static int
netlink_observe(struct vdpad_kernel *kernel, enum vdpad_class class_,
                vdpad_observed_cb *cb, void *aux)
{
    struct vdpad_netlink *netlink = netlink_cast(kernel);
    struct vdpad_job *job;

    if ((unsigned int) class_ >= VDPAD_N_CLASSES) {
        return -EINVAL;
    }
    if (netlink->asked & 1u << class_) {
        return -EBUSY;
    }
    netlink->asked |= 1u << class_;
    job = vdpad_nl_calloc(1, sizeof *job);
    job->kind = VDPAD_JOB_OBSERVE;
    job->class_ = class_;
    job->observed = cb;
    job->aux = aux;
    netlink_enqueue(netlink, job);
    return 0;
}

static int
netlink_submit(struct vdpad_kernel *kernel, const struct vdpad_act *acts,
               size_t n, vdpad_done_cb *cb, void *aux)
{
    struct vdpad_netlink *netlink = netlink_cast(kernel);
    struct vdpad_job *job;

    for (size_t i = 0; i < n; i++) {
        const struct vdpad_act *act = &acts[i];

        if (act->kind < 0 || act->kind >= VDPAD_ACT_N
            || !memchr(act->object, '\0', sizeof act->object)
            || !memchr(act->word, '\0', sizeof act->word)
            || !memchr(act->from, '\0', sizeof act->from)) {
            return -EINVAL;
        }
    }
    if (!n) {
        return 0;
    }
    job = vdpad_nl_calloc(1, sizeof *job);
    job->kind = VDPAD_JOB_STEPS;
    job->done = cb;
    job->aux = aux;
    job->n_acts = n;
    job->acts = vdpad_nl_calloc(n, sizeof *job->acts);
    memcpy(job->acts, acts, n * sizeof *acts);
    netlink_enqueue(netlink, job);
    return 0;
}

static int
netlink_query(struct vdpad_kernel *kernel,
              const struct vdpad_flow_query *query, vdpad_flow_query_cb *cb,
              void *aux)
{
    struct vdpad_netlink *netlink = netlink_cast(kernel);
    struct vdpad_job *job;

    if ((unsigned int) query->kind > VDPAD_QUERY_PROBE
        || (query->kind == VDPAD_QUERY_PROBE && !query->has_at)) {
        return -EINVAL;
    }
    job = vdpad_nl_calloc(1, sizeof *job);
    job->kind = VDPAD_JOB_QUERY;
    job->query = *query;
    job->queried = cb;
    job->aux = aux;
    netlink_enqueue(netlink, job);
    return 0;
}

static void
netlink_subscribe(struct vdpad_kernel *kernel, vdpad_invalidated_cb *cb,
                  void *aux)
{
    struct vdpad_netlink *netlink = netlink_cast(kernel);

    netlink->invalidated = cb;
    netlink->invalidated_aux = aux;
}

static void
netlink_run(struct vdpad_kernel *kernel)
{
    struct vdpad_netlink *netlink = netlink_cast(kernel);
    unsigned int changed, lost;

    vdpad_events_run(netlink);
    vdpad_former_run(netlink);
    vdpad_workers_run(netlink);
    changed = netlink->changed & ~netlink->lost;
    lost = netlink->lost;
    netlink->changed = netlink->lost = 0;
    /* Pictures first: what changed may have changed after they were taken. */
    vdpad_completions_deliver(netlink);
    if (netlink->invalidated && changed) {
        netlink->invalidated(netlink->invalidated_aux, changed, false);
    }
    if (netlink->invalidated && lost) {
        netlink->invalidated(netlink->invalidated_aux, lost, true);
    }
}

static void
netlink_wait(struct vdpad_kernel *kernel)
{
    struct vdpad_netlink *netlink = netlink_cast(kernel);
    int64_t deadline = vdpad_workers_deadline_ns(netlink);

    if (netlink->first || netlink->route_events.is_ready
        || netlink->uevents.is_ready) {
        vdpad_loop_wake_now(netlink->loop);
    } else if (deadline != VDPAD_LOOP_NEVER) {
        vdpad_loop_wake_at(netlink->loop, deadline);
    }
    if (netlink->has_former) {
        vdpad_loop_wake_at(netlink->loop, netlink->former_ns);
    }
}

static size_t
netlink_stuck(const struct vdpad_kernel *kernel, struct vdpad_stuck *stuck,
              size_t max)
{
    const struct vdpad_netlink *netlink = netlink_cast_const(kernel);
    struct vdpad_stuck former;
    size_t n = 0;

    if (vdpad_former_is_stuck(netlink, &former)) {
        if (n < max) {
            stuck[n] = former;
        }
        n++;
    }
    for (const struct vdpad_leaver *l = netlink->leavers; l; l = l->next) {
        if (l->is_stuck) {
            if (n < max) {
                stuck[n] = l->stuck;
            }
            n++;
        }
    }
    return n;
}

static void
netlink_stats(const struct vdpad_kernel *kernel,
              struct vdpad_kernel_stats *stats)
{
    const struct vdpad_netlink *netlink = netlink_cast_const(kernel);

    *stats = netlink->stats;
    stats->workers = 0;
    for (const struct vdpad_worker *w = netlink->workers; w; w = w->next) {
        stats->workers++;
    }
    for (const struct vdpad_leaver *l = netlink->leavers; l; l = l->next) {
        stats->workers++;
    }
}

static void
netlink_destroy(struct vdpad_kernel *kernel)
{
    struct vdpad_netlink *netlink = netlink_cast(kernel);
    struct vdpad_completion *c;

    vdpad_events_destroy(netlink);
    vdpad_workers_destroy(netlink);
    vdpad_former_close(netlink);
    for (int i = 0; i <= VDPAD_N_LANES; i++) {
        struct vdpad_job *job;

        while ((job = vdpad_queue_take(&netlink->queues[i]))) {
            vdpad_job_free(job);
        }
    }
    while ((c = netlink->first)) {
        netlink->first = c->next;
        vdpad_picture_clear(&c->picture);
        free(c->flows);
        free(c);
    }
    free(netlink);
}

static const struct vdpad_kernel_ops netlink_ops = {
    .observe = netlink_observe,
    .submit = netlink_submit,
    .query = netlink_query,
    .subscribe = netlink_subscribe,
    .run = netlink_run,
    .wait = netlink_wait,
    .stuck = netlink_stuck,
    .stats = netlink_stats,
    .destroy = netlink_destroy,
};

int
vdpad_netlink_kernel_new(struct vdpad_loop *loop,
                         const struct vdpad_netlink_options *options,
                         struct vdpad_kernel **ret_kernel,
                         struct vdpad_error *why)
{
    struct vdpad_netlink *netlink = vdpad_nl_calloc(1, sizeof *netlink);
    struct vdpad_netlink_options *o = &netlink->options;
    bool has_earlier;
    int error;

    netlink->up.ops = &netlink_ops;
    netlink->loop = loop;
    if (options) {
        *o = *options;
    }
    o->read_deadline_ns = o->read_deadline_ns ? o->read_deadline_ns
                                              : 10 * SECOND_NS;
    o->step_deadline_ns = o->step_deadline_ns ? o->step_deadline_ns
                                              : 30 * SECOND_NS;
    o->slow_deadline_ns = o->slow_deadline_ns ? o->slow_deadline_ns
                                              : 180 * SECOND_NS;
    for (int i = 0; i <= VDPAD_N_LANES; i++) {
        vdpad_queue_init(&netlink->queues[i]);
    }
    netlink->last = &netlink->first;
    netlink->is_watch_wanted = true;
    /* Its helpers may have been killed while they probed. */
    has_earlier = o->lock_path != NULL;
    error = vdpad_former_open(netlink, why);
    o->lock_path = NULL;
    if (!error) {
        error = vdpad_events_open(netlink, why);
    }
    if (error) {
        vdpad_former_close(netlink);
        free(netlink);
        return error;
    }
    if (has_earlier) {
        vdpad_workers_sweep(netlink);
    }
    *ret_kernel = &netlink->up;
    return 0;
}
