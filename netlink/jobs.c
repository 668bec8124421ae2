/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel-private.h"
#include "rows.h"
#include "step.h"

/* A hundred thousand filters take longer than anything else that is read, and
 * may have to be dumped several times. */
#define TRACK_FACTOR 6

void
vdpad_queue_init(struct vdpad_queue *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
}

void
vdpad_queue_add(struct vdpad_queue *queue, struct vdpad_job *job)
{
    job->next = NULL;
    *queue->last = job;
    queue->last = &job->next;
}

void
vdpad_queue_put_back(struct vdpad_queue *queue, struct vdpad_job *job)
{
    job->next = queue->first;
    queue->first = job;
    if (!job->next) {
        queue->last = &job->next;
    }
}

struct vdpad_job *
vdpad_queue_take(struct vdpad_queue *queue)
{
    struct vdpad_job *job = queue->first;

    if (job) {
        queue->first = job->next;
        if (!queue->first) {
            queue->last = &queue->first;
        }
        job->next = NULL;
    }
    return job;
}

void
vdpad_job_free(struct vdpad_job *job)
{
    if (job) {
        free(job->acts);
        free(job);
    }
}

enum vdpad_lane
vdpad_job_lane(const struct vdpad_job *job)
{
    static const enum vdpad_lane lanes[VDPAD_N_CLASSES] = {
        [VDPAD_MODULE] = VDPAD_LANE_SYSFS, [VDPAD_PCI] = VDPAD_LANE_SYSFS,
        [VDPAD_LINK] = VDPAD_LANE_ROUTE,   [VDPAD_ESWITCH] = VDPAD_LANE_GENL,
        [VDPAD_DLPORT] = VDPAD_LANE_GENL,  [VDPAD_MGMTDEV] = VDPAD_LANE_GENL,
        [VDPAD_VDPA] = VDPAD_LANE_GENL,    [VDPAD_VBUS] = VDPAD_LANE_SYSFS,
        [VDPAD_FEATURE] = VDPAD_LANE_GENL, [VDPAD_HOLDER] = VDPAD_LANE_SYSFS,
        [VDPAD_QDISC] = VDPAD_LANE_ROUTE,  [VDPAD_FLOW] = VDPAD_LANE_TRACK,
        [VDPAD_KFLOW] = VDPAD_LANE_GENL,   [VDPAD_HOST] = VDPAD_LANE_ROUTE,
        [VDPAD_TCPRIO] = VDPAD_LANE_ROUTE,
    };

    if (job->kind == VDPAD_JOB_QUERY) {
        return job->query.kind == VDPAD_QUERY_DATAPATH ? VDPAD_LANE_GENL
                                                       : VDPAD_LANE_ROUTE;
    }
    return job->kind == VDPAD_JOB_OBSERVE ? lanes[job->class_]
           : job->kind == VDPAD_JOB_STEPS ? VDPAD_LANE_POOL
                                          : VDPAD_LANE_SYSFS;
}

static const struct vdpad_act *
current_act(const struct vdpad_job *job)
{
    return &job->acts[job->act];
}

bool
vdpad_job_is_genl(const struct vdpad_job *job)
{
    return job->kind == VDPAD_JOB_STEPS
               ? vdpad_step_is_genl(
                   (enum vdpad_act_kind) current_act(job)->kind)
               : vdpad_job_lane(job) == VDPAD_LANE_GENL;
}

int64_t
vdpad_job_deadline_ns(const struct vdpad_netlink *netlink,
                      const struct vdpad_job *job)
{
    if (job->kind == VDPAD_JOB_QUERY
        && job->query.kind != VDPAD_QUERY_DATAPATH) {
        /* More is read than for sums, and a probe changes something.  Generic
         * netlink may hang for reasons that are not ours. */
        return netlink->options.step_deadline_ns;
    }
    if (job->kind != VDPAD_JOB_STEPS) {
        return netlink->options.read_deadline_ns
               * (vdpad_job_lane(job) == VDPAD_LANE_TRACK ? TRACK_FACTOR : 1);
    }
    return vdpad_step_is_slow((enum vdpad_act_kind) current_act(job)->kind)
               ? netlink->options.slow_deadline_ns
               : netlink->options.step_deadline_ns;
}

void
vdpad_job_describe(const struct vdpad_job *job, char *text, size_t size)
{
    if (job->kind == VDPAD_JOB_STEPS) {
        const struct vdpad_act *act = current_act(job);

        (void) snprintf(text, size, "%s %s",
                        vdpad_act_name((enum vdpad_act_kind) act->kind),
                        act->object);
    } else if (job->kind == VDPAD_JOB_OBSERVE) {
        (void) snprintf(text, size, "observe %s",
                        vdpad_class_name(job->class_));
    } else if (job->kind == VDPAD_JOB_QUERY) {
        (void) snprintf(text, size, "%s",
                        job->query.kind == VDPAD_QUERY_PROBE ? "probe filter"
                        : job->query.kind == VDPAD_QUERY_TC
                            ? "list filters"
                            : "list kernel flows");
    } else {
        (void) snprintf(text, size, "look for holders");
    }
}

static struct vdpad_completion *
add_completion(struct vdpad_netlink *netlink, const struct vdpad_job *job,
               int error, const struct vdpad_error *why)
{
    struct vdpad_completion *c = vdpad_nl_calloc(1, sizeof *c);

    c->observed = job->observed;
    c->done = job->done;
    c->queried = job->queried;
    c->aux = job->aux;
    c->class_ = job->class_;
    c->error = error;
    if (error && why) {
        c->why = *why;
    }
    *netlink->last = c;
    netlink->last = &c->next;
    return c;
}

void
vdpad_job_observed(struct vdpad_netlink *netlink, const struct vdpad_job *job,
                   int error, struct vdpad_picture *picture,
                   const struct vdpad_error *why)
{
    struct vdpad_completion *c = add_completion(netlink, job, error, why);

    if (picture) {
        c->picture = *picture;
    }
}

void
vdpad_job_stepped(struct vdpad_netlink *netlink, struct vdpad_job *job,
                  int error, const struct vdpad_error *why)
{
    struct vdpad_completion *c = add_completion(netlink, job, error, why);

    c->act = *current_act(job);
    job->act++;
}

void
vdpad_job_queried(struct vdpad_netlink *netlink, const struct vdpad_job *job,
                  int error, struct vdpad_flow_detail *flows, size_t n,
                  bool more, const struct vdpad_error *why)
{
    struct vdpad_completion *c = add_completion(netlink, job, error, why);

    c->flows = flows;
    c->n_flows = n;
    c->more = more;
}

bool
vdpad_job_fail(struct vdpad_netlink *netlink, struct vdpad_job *job, int error,
               const struct vdpad_error *why, int rest)
{
    if (job->kind == VDPAD_JOB_STEPS) {
        vdpad_job_stepped(netlink, job, error, why);
        while (rest && job->act < job->n_acts) {
            struct vdpad_error unstarted;

            vdpad_error_set(&unstarted, rest,
                            "not started: the step before "
                            "it has not come back from the kernel");
            vdpad_job_stepped(netlink, job, rest, &unstarted);
        }
        if (job->act < job->n_acts) {
            return false;
        }
    } else if (job->kind == VDPAD_JOB_OBSERVE) {
        vdpad_job_observed(netlink, job, error, NULL, why);
    } else if (job->kind == VDPAD_JOB_QUERY) {
        vdpad_job_queried(netlink, job, error, NULL, 0, false, why);
    }
    vdpad_job_free(job);
    return true;
}

void
vdpad_completions_deliver(struct vdpad_netlink *netlink)
{
    struct vdpad_completion *c = netlink->first, *next;

    /* What callbacks bring about is for the next run. */
    netlink->first = NULL;
    netlink->last = &netlink->first;
    for (; c; c = next) {
        next = c->next;
        if (c->observed) {
            netlink->asked &= ~(1u << c->class_);
            c->observed(c->aux, c->class_, c->error,
                        c->error ? NULL : &c->picture, &c->why);
        } else if (c->done) {
            c->done(c->aux, &c->act, c->error, &c->why);
        } else if (c->queried) {
            c->queried(c->aux, c->error, c->flows, c->n_flows, c->more,
                       &c->why);
        }
        vdpad_picture_clear(&c->picture);
        free(c->flows);
        free(c);
    }
}
