/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "attrs.h"
#include "kernel-private.h"
#include "rows.h"

/* Pause before the watcher is started again, and between two looks for what
 * makes generic netlink hang. */
#define WATCH_RETRY_NS INT64_C(5000000000)
#define SUSPECT_RETRY_NS INT64_C(10000000000)

/* How long destroy() waits for helpers that have nothing to do. */
#define DESTROY_WAIT_NS INT64_C(1000000000)

static const char *
lane_role(enum vdpad_lane lane)
{
    switch (lane) {
    case VDPAD_LANE_GENL:
        return "genl";
    case VDPAD_LANE_ROUTE:
        return "route";
    case VDPAD_LANE_SYSFS:
        return "sysfs";
    case VDPAD_LANE_TRACK:
        return VDPAD_WORKER_TRACK;
    case VDPAD_LANE_WATCH:
        return VDPAD_WORKER_WATCH;
    case VDPAD_LANE_POOL:
    default:
        return VDPAD_WORKER_STEP;
    }
}

static void
on_socket(struct vdpad_loop *loop, int fd, unsigned int events, void *worker)
{
    (void) loop;
    (void) fd;
    (void) events;
    ((struct vdpad_worker *) worker)->is_ready = true;
}

static void
on_end(struct vdpad_loop *loop, int fd, unsigned int events, void *leaver_)
{
    struct vdpad_leaver *leaver = leaver_;

    (void) loop;
    (void) fd;
    (void) events;
    leaver->has_ended = true;
}

/* What a request that is not even sent ends with. */
static int
refusal(bool is_step)
{
    return is_step ? -ECOMM : -ETIMEDOUT;
}

/* Starts a worker of 'lane' in '*ret_worker'.  Returns 0 or a negative errno
 * with 'why'. */
static int
worker_start(struct vdpad_netlink *netlink, enum vdpad_lane lane,
             struct vdpad_worker **ret_worker, struct vdpad_error *why)
{
    struct vdpad_worker *worker;
    struct vdpad_child child;
    int error;

    if (netlink->n_stuck >= VDPAD_MAX_STUCK) {
        return vdpad_error_set(why, refusal(lane == VDPAD_LANE_POOL),
                               "%zu helper processes hang in the kernel: no "
                               "more are started",
                               netlink->n_stuck);
    }
    error = vdpad_child_start(&child, lane_role(lane),
                              lane == VDPAD_LANE_POOL ? netlink->lock_fd : -1,
                              why);
    if (error) {
        return error;
    }
    worker = vdpad_nl_calloc(1, sizeof *worker);
    worker->netlink = netlink;
    worker->lane = lane;
    worker->child = child;
    worker->handle = vdpad_loop_add_fd(netlink->loop, child.fd,
                                       VDPAD_LOOP_READ, on_socket, worker);
    worker->next = netlink->workers;
    netlink->workers = worker;
    *ret_worker = worker;
    return 0;
}

/* Lets go of 'worker', which is freed, and waits for its process to end.  Its
 * job must have been dealt with. */
static void
worker_leave(struct vdpad_worker *worker, const struct vdpad_stuck *stuck)
{
    struct vdpad_netlink *netlink = worker->netlink;
    struct vdpad_leaver *leaver = vdpad_nl_calloc(1, sizeof *leaver);
    struct vdpad_worker **p = &netlink->workers;

    vdpad_loop_del_fd(worker->handle);
    vdpad_child_leave(&worker->child, stuck != NULL);
    leaver->netlink = netlink;
    leaver->child = worker->child;
    leaver->lane = worker->lane;
    leaver->is_stuck = stuck != NULL;
    if (stuck) {
        leaver->stuck = *stuck;
        netlink->n_stuck++;
    }
    leaver->handle = vdpad_loop_add_fd(netlink->loop, leaver->child.pid_fd,
                                       VDPAD_LOOP_READ, on_end, leaver);
    leaver->next = netlink->leavers;
    netlink->leavers = leaver;

    while (*p != worker) {
        p = &(*p)->next;
    }
    *p = worker->next;
    free(worker->rows);
    free(worker);
}

static bool
lane_is_stuck(const struct vdpad_netlink *netlink, enum vdpad_lane lane)
{
    for (const struct vdpad_leaver *l = netlink->leavers; l; l = l->next) {
        if (l->is_stuck && l->lane == lane) {
            return true;
        }
    }
    return false;
}

/* Has the SYSFS lane look for what makes generic netlink hang. */
static void
ask_suspect(struct vdpad_netlink *netlink)
{
    int64_t now = vdpad_loop_clock_ns();
    struct vdpad_job *job;

    if (netlink->suspect_ns && now - netlink->suspect_ns < SUSPECT_RETRY_NS) {
        return;
    }
    netlink->suspect_ns = now;
    job = vdpad_nl_calloc(1, sizeof *job);
    job->kind = VDPAD_JOB_SUSPECT;
    vdpad_queue_add(&netlink->queues[VDPAD_LANE_SYSFS], job);
}

int
vdpad_lane_refuse(struct vdpad_netlink *netlink, enum vdpad_lane lane,
                  const struct vdpad_job *job, struct vdpad_error *why)
{
    int error = refusal(job->kind == VDPAD_JOB_STEPS);
    struct tm tm;
    char since[32] = "";

    netlink->stats.timeouts++;
    if (lane != VDPAD_LANE_GENL) {
        return vdpad_error_set(why, error,
                               "an earlier request (%s) has "
                               "not come back from the kernel",
                               lane_role(lane));
    }
    ask_suspect(netlink);
    if (gmtime_r(&(time_t){ netlink->genl_since }, &tm)) {
        (void) strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    return vdpad_error_set(why, error,
                           "generic netlink has not answered "
                           "since %s%s%s",
                           since, netlink->suspect[0] ? ": " : "",
                           netlink->suspect);
}

bool
vdpad_worker_send(struct vdpad_worker *worker)
{
    struct vdpad_netlink *netlink = worker->netlink;
    const struct vdpad_job *job = worker->job;
    struct vdpad_wire_request request;
    ssize_t n;

    memset(&request, 0, sizeof request);
    request.class_ = (int32_t) job->class_;
    switch (job->kind) {
    case VDPAD_JOB_OBSERVE:
        request.kind = VDPAD_REQUEST_OBSERVE;
        break;
    case VDPAD_JOB_STEPS:
        request.kind = VDPAD_REQUEST_STEP;
        request.act = job->acts[job->act];
        break;
    case VDPAD_JOB_SUSPECT:
        request.kind = VDPAD_REQUEST_SUSPECT;
        break;
    case VDPAD_JOB_QUERY:
        request.kind = VDPAD_REQUEST_QUERY;
        request.query = job->query;
        break;
    default:
        abort();
    }
    netlink->stats.requests++;
    worker->since_ns = vdpad_loop_clock_ns();
    worker->deadline_ns = worker->since_ns
                          + vdpad_job_deadline_ns(netlink, job);
    /* An idle worker has read all before, so there is room. */
    n = send(worker->child.fd, &request, sizeof request,
             MSG_NOSIGNAL | MSG_DONTWAIT);
    return n == (ssize_t) sizeof request;
}

/* Gives 'job' to 'worker', which is idle. */
static void
worker_take(struct vdpad_worker *worker, struct vdpad_job *job, bool is_fresh)
{
    struct vdpad_netlink *netlink = worker->netlink;
    struct vdpad_queue *queue = &netlink->queues[vdpad_job_lane(job)];

    worker->job = job;
    if (vdpad_worker_send(worker)) {
        return;
    }
    worker->job = NULL;
    worker_leave(worker, NULL);
    if (is_fresh) {
        struct vdpad_error why;
        int error = vdpad_error_set(&why, -EIO,
                                    "helper process: ended at "
                                    "once");

        if (vdpad_job_fail(netlink, job, error, &why, 0)) {
            return;
        }
    }
    vdpad_queue_put_back(queue, job);
}

static void
start_lane(struct vdpad_netlink *netlink, enum vdpad_lane lane)
{
    struct vdpad_queue *queue = &netlink->queues[lane];

    while (queue->first) {
        struct vdpad_worker *worker = netlink->workers;
        struct vdpad_error why;
        bool is_fresh = false;
        int error = 0;

        while (worker && worker->lane != lane) {
            worker = worker->next;
        }
        if (worker && worker->job) {
            return;
        }
        if (lane_is_stuck(netlink, lane)) {
            error = vdpad_lane_refuse(netlink, lane, queue->first, &why);
        } else if (!worker) {
            error = worker_start(netlink, lane, &worker, &why);
            is_fresh = true;
        }
        if (worker && !error) {
            worker_take(worker, vdpad_queue_take(queue), is_fresh);
        } else {
            (void) vdpad_job_fail(netlink, vdpad_queue_take(queue), error,
                                  &why, 0);
        }
    }
}

bool
vdpad_job_is_refused(const struct vdpad_netlink *netlink,
                     const struct vdpad_job *job)
{
    return vdpad_job_is_genl(job) && lane_is_stuck(netlink, VDPAD_LANE_GENL);
}

static void
start_pool(struct vdpad_netlink *netlink)
{
    struct vdpad_queue *queue = &netlink->queues[VDPAD_LANE_POOL];

    while (queue->first) {
        struct vdpad_worker *worker = NULL;
        struct vdpad_job *job = queue->first;
        struct vdpad_error why;
        bool is_fresh = false;
        int error = 0;
        size_t n = 0;

        if (vdpad_job_is_refused(netlink, job)) {
            error = vdpad_lane_refuse(netlink, VDPAD_LANE_GENL, job, &why);
        } else {
            for (struct vdpad_worker *w = netlink->workers; w; w = w->next) {
                n += w->lane == VDPAD_LANE_POOL;
                if (w->lane == VDPAD_LANE_POOL && !w->job) {
                    worker = w;
                }
            }
            if (!worker && n >= VDPAD_POOL_SIZE) {
                return;
            }
            if (!worker) {
                error = worker_start(netlink, VDPAD_LANE_POOL, &worker, &why);
                is_fresh = true;
            }
        }
        job = vdpad_queue_take(queue);
        if (worker && !error) {
            worker_take(worker, job, is_fresh);
        } else if (!vdpad_job_fail(netlink, job, error, &why, 0)) {
            vdpad_queue_put_back(queue, job);
        }
    }
}

void
vdpad_workers_start_jobs(struct vdpad_netlink *netlink)
{
    /* Steps first: a refused one may have the SYSFS lane look for why. */
    start_pool(netlink);
    for (int lane = 0; lane < VDPAD_N_LANES; lane++) {
        start_lane(netlink, (enum vdpad_lane) lane);
    }
}

void
vdpad_worker_rest(struct vdpad_worker *worker)
{
    size_t n_idle = 0;

    for (const struct vdpad_worker *w = worker->netlink->workers; w;
         w = w->next) {
        n_idle += w->lane == VDPAD_LANE_POOL && !w->job;
    }
    if (worker->lane == VDPAD_LANE_POOL && n_idle > VDPAD_POOL_SPARE) {
        worker_leave(worker, NULL);
    }
}

static bool
is_probe(const struct vdpad_job *job)
{
    return job->kind == VDPAD_JOB_QUERY && job->query.kind == VDPAD_QUERY_PROBE
           && job->query.has_at;
}

void
vdpad_workers_sweep(struct vdpad_netlink *netlink)
{
    struct vdpad_job *job = vdpad_nl_calloc(1, sizeof *job);

    /* A probe without a filter only looks. */
    job->kind = VDPAD_JOB_QUERY;
    job->query.kind = VDPAD_QUERY_PROBE;
    vdpad_queue_add(&netlink->queues[VDPAD_LANE_ROUTE], job);
}

void
vdpad_worker_failed(struct vdpad_worker *worker)
{
    struct vdpad_netlink *netlink = worker->netlink;
    struct vdpad_job *job = worker->job;
    enum vdpad_lane lane = worker->lane;
    struct vdpad_error why;
    int error = vdpad_error_set(&why, -EIO,
                                "helper process %d ended without "
                                "an answer",
                                (int) worker->child.pid);

    worker->job = NULL;
    worker_leave(worker, NULL);
    if (lane == VDPAD_LANE_WATCH) {
        netlink->watch_ns = vdpad_loop_clock_ns() + WATCH_RETRY_NS;
        if (netlink->is_watch_wanted) {
            netlink->lost |= VDPAD_DEVLINK_CLASSES;
        }
    } else if (lane == VDPAD_LANE_TRACK) {
        /* The next request starts another one. */
        netlink->lost |= VDPAD_TRACK_CLASSES;
    }
    if (job && is_probe(job)) {
        vdpad_workers_sweep(netlink);
    }
    if (job && !vdpad_job_fail(netlink, job, error, &why, 0)) {
        vdpad_queue_put_back(&netlink->queues[VDPAD_LANE_POOL], job);
    }
}

/* Gives up what 'worker' is at; it is gone afterwards. */
static void
worker_timed_out(struct vdpad_worker *worker)
{
    struct vdpad_netlink *netlink = worker->netlink;
    struct vdpad_job *job = worker->job;
    struct vdpad_stuck stuck;
    struct vdpad_error why;
    int error;

    netlink->stats.timeouts++;
    memset(&stuck, 0, sizeof stuck);
    stuck.pid = (int32_t) worker->child.pid;
    stuck.since_ns = worker->since_ns;
    vdpad_job_describe(job, stuck.what, sizeof stuck.what);
    error = vdpad_error_set(
        &why, -ETIMEDOUT,
        "%.140s: no answer from the "
        "kernel in %lld s (helper process %d)",
        stuck.what,
        (long long) ((worker->deadline_ns - worker->since_ns) / 1000000000),
        (int) stuck.pid);
    worker->job = NULL;
    if (worker->lane == VDPAD_LANE_GENL && !netlink->genl_since) {
        netlink->genl_since = time(NULL)
                              - (vdpad_loop_clock_ns() - worker->since_ns)
                                    / 1000000000;
        netlink->suspect[0] = '\0';
        netlink->suspect_ns = 0;
        ask_suspect(netlink);
    }
    worker_leave(worker, &stuck);
    /* Its lane takes nothing before it has ended. */
    netlink->leavers->has_probed = is_probe(job);
    (void) vdpad_job_fail(netlink, job, error, &why, -ECANCELED);
}

static void
reap_leavers(struct vdpad_netlink *netlink)
{
    struct vdpad_leaver **p = &netlink->leavers;

    while (*p) {
        struct vdpad_leaver *leaver = *p;

        if (!leaver->has_ended) {
            p = &leaver->next;
            continue;
        }
        vdpad_loop_del_fd(leaver->handle);
        leaver->handle = NULL;
        if (!vdpad_child_reap(&leaver->child)) {
            vdpad_child_forget(&leaver->child);
        }
        if (leaver->is_stuck) {
            netlink->n_stuck--;
            netlink->changed |= VDPAD_ALL_CLASSES;
            if (leaver->lane == VDPAD_LANE_GENL) {
                netlink->genl_since = 0;
            }
        }
        if (leaver->has_probed) {
            vdpad_workers_sweep(netlink);
        }
        *p = leaver->next;
        free(leaver);
    }
}

static void
start_watch(struct vdpad_netlink *netlink)
{
    struct vdpad_worker *watcher;
    struct vdpad_error why;

    if (!netlink->is_watch_wanted
        || netlink->watch_ns > vdpad_loop_clock_ns()) {
        return;
    }
    for (const struct vdpad_worker *w = netlink->workers; w; w = w->next) {
        if (w->lane == VDPAD_LANE_WATCH) {
            return;
        }
    }
    if (worker_start(netlink, VDPAD_LANE_WATCH, &watcher, &why)) {
        netlink->watch_ns = vdpad_loop_clock_ns() + WATCH_RETRY_NS;
    }
}

void
vdpad_workers_run(struct vdpad_netlink *netlink)
{
    struct vdpad_worker *worker, *next;
    int64_t now;

    reap_leavers(netlink);
    /* A worker may go, but no other one goes or comes meanwhile. */
    for (worker = netlink->workers; worker; worker = next) {
        next = worker->next;
        if (worker->is_ready) {
            vdpad_worker_receive(worker);
        }
    }
    now = vdpad_loop_clock_ns();
    for (worker = netlink->workers; worker; worker = next) {
        next = worker->next;
        if (worker->job && !worker->is_ready && now >= worker->deadline_ns) {
            worker_timed_out(worker);
        }
    }
    start_watch(netlink);
    vdpad_workers_start_jobs(netlink);
}

int64_t
vdpad_workers_deadline_ns(const struct vdpad_netlink *netlink)
{
    int64_t deadline = VDPAD_LOOP_NEVER;
    bool is_watched = false;

    for (const struct vdpad_worker *w = netlink->workers; w; w = w->next) {
        is_watched |= w->lane == VDPAD_LANE_WATCH;
        if (w->job && w->deadline_ns < deadline) {
            deadline = w->deadline_ns;
        }
    }
    if (netlink->is_watch_wanted && !is_watched
        && netlink->watch_ns < deadline) {
        deadline = netlink->watch_ns;
    }
    return deadline;
}

void
vdpad_workers_destroy(struct vdpad_netlink *netlink)
{
    int64_t end = vdpad_loop_clock_ns() + DESTROY_WAIT_NS;
    struct vdpad_worker *worker, *next;
    struct vdpad_leaver *leaver;

    for (worker = netlink->workers; worker; worker = next) {
        bool is_busy = worker->job != NULL;

        next = worker->next;
        vdpad_job_free(worker->job);
        worker->job = NULL;
        worker_leave(worker, NULL);
        /* It may hang: it ends by itself. */
        netlink->leavers->is_stuck = is_busy;
    }
    while ((leaver = netlink->leavers)) {
        int64_t left = end - vdpad_loop_clock_ns();
        struct pollfd pollfd = {
            .fd = leaver->child.pid_fd,
            .events = POLLIN,
        };

        netlink->leavers = leaver->next;
        vdpad_loop_del_fd(leaver->handle);
        if (!leaver->is_stuck && left > 0) {
            (void) poll(&pollfd, 1, (int) (left / 1000000) + 1);
        }
        if (!vdpad_child_reap(&leaver->child)) {
            vdpad_child_forget(&leaver->child);
        }
        free(leaver);
    }
}
