/* SPDX-License-Identifier: Apache-2.0 */
/* What helper processes send. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "attrs.h"
#include "kernel-private.h"
#include "rows.h"

/* Bytes taken from one worker in one run. */
#define RECEIVE_MAX (4u << 20)

static void
take_watch_reply(struct vdpad_netlink *netlink,
                 const struct vdpad_wire_reply *reply)
{
    netlink->stats.overruns += reply->overruns;
    if (reply->error == -ENOENT) {
        /* This kernel has no devlink. */
        netlink->is_watch_wanted = false;
    } else if (reply->overruns || reply->malformed) {
        netlink->lost |= reply->classes & VDPAD_ALL_CLASSES;
    } else {
        netlink->changed |= reply->classes & VDPAD_ALL_CLASSES;
    }
}

static void
take_picture(struct vdpad_worker *worker, const struct vdpad_error *why)
{
    struct vdpad_netlink *netlink = worker->netlink;
    size_t row_size = vdpad_row_size(worker->job->class_);
    struct vdpad_picture picture = {
        .class_ = worker->job->class_,
        .n = worker->reply.size / row_size,
        .row_size = row_size,
        .rows = worker->rows,
    };

    if (worker->reply.error) {
        vdpad_job_observed(netlink, worker->job, worker->reply.error, NULL,
                           why);
    } else {
        vdpad_job_observed(netlink, worker->job, 0, &picture, NULL);
        worker->rows = NULL;
    }
}

static void
take_flows(struct vdpad_worker *worker, const struct vdpad_error *why)
{
    const struct vdpad_wire_reply *reply = &worker->reply;
    struct vdpad_flow_detail *flows = (void *) worker->rows;

    worker->rows = NULL;
    vdpad_job_queried(worker->netlink, worker->job, reply->error, flows,
                      reply->size / sizeof *flows, reply->more, why);
}

/* What the tracker says beside an answer, or instead of one. */
static void
take_track_reply(struct vdpad_netlink *netlink,
                 const struct vdpad_wire_reply *reply)
{
    netlink->stats.overruns += reply->overruns;
    netlink->stats.flows = reply->flows;
    netlink->stats.untracked = reply->untracked;
    netlink->stats.repaired = reply->repaired;
    if (reply->is_unasked) {
        netlink->changed |= reply->classes & VDPAD_TRACK_CLASSES;
        netlink->lost |= reply->lost & VDPAD_TRACK_CLASSES;
    }
}

/* Takes a whole reply.  Returns false when the worker is gone. */
static bool
take_reply(struct vdpad_worker *worker)
{
    struct vdpad_netlink *netlink = worker->netlink;
    const struct vdpad_wire_reply *reply = &worker->reply;
    struct vdpad_job *job = worker->job;
    struct vdpad_error why = { .code = reply->error };

    netlink->stats.interrupted += reply->interrupted;
    netlink->stats.malformed += reply->malformed;
    if (worker->lane == VDPAD_LANE_WATCH) {
        take_watch_reply(netlink, reply);
        return true;
    }
    if (worker->lane == VDPAD_LANE_TRACK) {
        take_track_reply(netlink, reply);
        if (reply->is_unasked) {
            return true;
        }
    }
    if (!job) {
        vdpad_worker_failed(worker);
        return false;
    }
    memcpy(why.text, reply->text, sizeof why.text);
    if (job->kind == VDPAD_JOB_STEPS) {
        vdpad_job_stepped(netlink, job, reply->error, &why);
        while (job->act < job->n_acts && vdpad_job_is_refused(netlink, job)) {
            int error = vdpad_lane_refuse(netlink, VDPAD_LANE_GENL, job, &why);

            vdpad_job_stepped(netlink, job, error, &why);
        }
        if (job->act < job->n_acts) {
            if (!vdpad_worker_send(worker)) {
                vdpad_worker_failed(worker);
                return false;
            }
            return true;
        }
    } else if (job->kind == VDPAD_JOB_OBSERVE) {
        take_picture(worker, &why);
    } else if (job->kind == VDPAD_JOB_QUERY) {
        take_flows(worker, &why);
    } else {
        vdpad_text_copy(netlink->suspect, sizeof netlink->suspect, why.text);
    }
    worker->job = NULL;
    vdpad_job_free(job);
    return true;
}

/* Checks the beginning of a reply and makes room for what follows. */
static bool
check_reply(struct vdpad_worker *worker)
{
    struct vdpad_wire_reply *reply = &worker->reply;
    size_t row_size = 0; /* 0: there can be none. */

    if (worker->job && !reply->error
        && !(worker->lane == VDPAD_LANE_TRACK && reply->is_unasked)) {
        row_size = worker->job->kind == VDPAD_JOB_OBSERVE
                       ? vdpad_row_size(worker->job->class_)
                   : worker->job->kind == VDPAD_JOB_QUERY
                       ? sizeof(struct vdpad_flow_detail)
                       : 0;
    }

    reply->text[sizeof reply->text - 1] = '\0';
    if (reply->size > VDPAD_WIRE_MAX_SIZE
        || (reply->size && (!row_size || reply->size % row_size))) {
        return false;
    }
    if (reply->size) {
        worker->rows = vdpad_nl_calloc(1, reply->size);
    }
    return true;
}

void
vdpad_worker_receive(struct vdpad_worker *worker)
{
    const size_t head = sizeof worker->reply;
    size_t total = 0;

    worker->is_ready = false;
    while (total < RECEIVE_MAX) {
        bool is_head = worker->received < head;
        size_t want = is_head ? head - worker->received
                              : worker->reply.size + head - worker->received;
        char *to = is_head ? (char *) &worker->reply + worker->received
                           : worker->rows + (worker->received - head);
        ssize_t n = want ? recv(worker->child.fd, to, want, MSG_DONTWAIT) : 0;

        if (want && n < 0 && errno == EINTR) {
            continue;
        } else if (want && n < 0 && errno == EAGAIN) {
            return;
        } else if (want && n <= 0) {
            vdpad_worker_failed(worker);
            return;
        }
        worker->received += (size_t) n;
        total += (size_t) n;
        if (worker->received == head && is_head && !check_reply(worker)) {
            worker->netlink->stats.malformed++;
            vdpad_worker_failed(worker);
            return;
        }
        if (worker->received == head + worker->reply.size) {
            worker->received = 0;
            if (!take_reply(worker)) {
                return;
            }
            free(worker->rows);
            worker->rows = NULL;
            if (!worker->job && worker->lane != VDPAD_LANE_WATCH
                && worker->lane != VDPAD_LANE_TRACK) {
                vdpad_worker_rest(worker);
                return;
            }
        }
    }
    /* The loop calls again: the rest is still there. */
}
