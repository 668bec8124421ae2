/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's side of the kernel adapter.
 *
 *   observe(), submit(), query()
 *      → job → queue → worker → completion → callback
 *
 * A job is one observation, one query or one batch.  It waits in the queue of
 * its lane (observations, queries) or of the pool (batches) until a worker
 * takes it.  What ends is put on a list of completions, delivered by
 * run(). */
#ifndef VDPAD_NETLINK_KERNEL_PRIVATE_H
#define VDPAD_NETLINK_KERNEL_PRIVATE_H 1

#include <vdpad/kernel.h>
#include <vdpad/loop.h>
#include <vdpad/netlink-kernel.h>

#include "child.h"
#include "protocol.h"

/* Steps that run side by side. */
#define VDPAD_POOL_SIZE 8

/* Idle workers of the pool that are kept. */
#define VDPAD_POOL_SPARE 2

/* Processes that hang in the kernel; with more, nothing new is started that
 * would need another process. */
#define VDPAD_MAX_STUCK 32

/* Observations that can block each other share a lane: one process, one at a
 * time.  If one hangs, the others of its lane would too. */
enum vdpad_lane {
    VDPAD_LANE_GENL,
    VDPAD_LANE_ROUTE,
    VDPAD_LANE_SYSFS,
    VDPAD_LANE_TRACK, /* Flower filters, in the tracker. */
    VDPAD_N_LANES,
    VDPAD_LANE_POOL = VDPAD_N_LANES, /* Steps. */
    VDPAD_LANE_WATCH,                /* The watcher of devlink. */
};

enum vdpad_job_kind {
    VDPAD_JOB_OBSERVE,
    VDPAD_JOB_STEPS,
    VDPAD_JOB_SUSPECT,
    VDPAD_JOB_QUERY
};

struct vdpad_job {
    struct vdpad_job *next;
    enum vdpad_job_kind kind;
    enum vdpad_class class_; /* OBSERVE. */
    vdpad_observed_cb *observed;
    vdpad_done_cb *done;          /* STEPS. */
    vdpad_flow_query_cb *queried; /* QUERY; NULL: nobody waits. */
    struct vdpad_flow_query query;
    void *aux;
    size_t n_acts, act; /* 'act': the step being done. */
    struct vdpad_act *acts;
};

struct vdpad_completion {
    struct vdpad_completion *next;
    vdpad_observed_cb *observed; /* One of these three, or none. */
    vdpad_done_cb *done;
    vdpad_flow_query_cb *queried;
    void *aux;
    enum vdpad_class class_;
    struct vdpad_act act;
    struct vdpad_picture picture;
    struct vdpad_flow_detail *flows;
    size_t n_flows;
    bool more;
    int error;
    struct vdpad_error why;
};

struct vdpad_queue {
    struct vdpad_job *first, **last;
};

/* A helper process that serves us. */
struct vdpad_worker {
    struct vdpad_worker *next;
    struct vdpad_netlink *netlink;
    enum vdpad_lane lane;
    struct vdpad_child child;
    struct vdpad_loop_fd *handle;  /* Of child.fd. */
    bool is_ready;                 /* Something came in. */
    struct vdpad_job *job;         /* NULL: idle. */
    int64_t since_ns, deadline_ns; /* Of the request under way. */

    struct vdpad_wire_reply reply; /* Being received. */
    size_t received;               /* Bytes of it and of the rows. */
    char *rows;
};

/* A helper process that we no longer speak with, until it has ended. */
struct vdpad_leaver {
    struct vdpad_leaver *next;
    struct vdpad_netlink *netlink;
    struct vdpad_child child;
    struct vdpad_loop_fd *handle; /* Of child.pid_fd. */
    bool has_ended;
    bool is_stuck;
    bool has_probed;      /* It was given up in a probe. */
    enum vdpad_lane lane; /* If stuck: what it blocks. */
    struct vdpad_stuck stuck;
};

struct vdpad_event_socket {
    struct vdpad_netlink *netlink;
    int fd; /* -1: not open. */
    struct vdpad_loop_fd *handle;
    bool is_ready;
};

struct vdpad_netlink {
    struct vdpad_kernel up;
    struct vdpad_loop *loop;
    struct vdpad_netlink_options options;
    struct vdpad_kernel_stats stats;

    vdpad_invalidated_cb *invalidated;
    void *invalidated_aux;
    unsigned int changed, lost; /* Masks not told yet. */

    struct vdpad_queue queues[VDPAD_N_LANES + 1];
    struct vdpad_worker *workers; /* All of them. */
    struct vdpad_leaver *leavers;
    size_t n_stuck;
    unsigned int asked; /* Classes with a request. */
    struct vdpad_completion *first, **last;

    /* While the lane of generic netlink hangs. */
    int64_t genl_since; /* time(); 0: it does not. */
    char suspect[VDPAD_ERROR_TEXT];
    int64_t suspect_ns; /* When it was asked for; 0: never. */

    int lock_fd; /* For the helpers that do steps; -1: none. */
    bool has_former;
    int64_t former_since_ns, former_ns; /* Seen since, next look. */

    struct vdpad_event_socket route_events, uevents;
    bool is_watch_wanted;
    int64_t watch_ns; /* When to start the watcher. */
};

/* jobs.c */
void vdpad_queue_init(struct vdpad_queue *queue);
void vdpad_queue_add(struct vdpad_queue *queue, struct vdpad_job *job);
void vdpad_queue_put_back(struct vdpad_queue *queue, struct vdpad_job *job);
struct vdpad_job *vdpad_queue_take(struct vdpad_queue *queue);
void vdpad_job_free(struct vdpad_job *job);
enum vdpad_lane vdpad_job_lane(const struct vdpad_job *job);
bool vdpad_job_is_genl(const struct vdpad_job *job);
int64_t vdpad_job_deadline_ns(const struct vdpad_netlink *,
                              const struct vdpad_job *job);
/* Writes "vdpa-del NAME", "observe vdpa". */
void vdpad_job_describe(const struct vdpad_job *job, char *text, size_t size);
/* Put what has ended on the list of completions: an observation ('picture' is
 * taken over), or the present step of a batch. */
void vdpad_job_observed(struct vdpad_netlink *, const struct vdpad_job *job,
                        int error, struct vdpad_picture *picture,
                        const struct vdpad_error *why);
void vdpad_job_stepped(struct vdpad_netlink *, struct vdpad_job *job,
                       int error, const struct vdpad_error *why);
/* Likewise of a query; 'flows' (from malloc) are taken over. */
void vdpad_job_queried(struct vdpad_netlink *, const struct vdpad_job *job,
                       int error, struct vdpad_flow_detail *flows, size_t n,
                       bool more, const struct vdpad_error *why);
/* Ends what 'job' is at with 'error'; the rest of a batch with 'rest', unless
 * that is 0.  Frees 'job' if nothing of it is left and returns true. */
bool vdpad_job_fail(struct vdpad_netlink *, struct vdpad_job *job, int error,
                    const struct vdpad_error *why, int rest);
/* Calls the callbacks of what has ended. */
void vdpad_completions_deliver(struct vdpad_netlink *);

/* workers.c */
/* Hands jobs to workers, as far as there are any to be had. */
void vdpad_workers_start_jobs(struct vdpad_netlink *);
/* Has a helper look for copies of filters that ended probes have left behind,
 * and remove them (see query-probe.c). */
void vdpad_workers_sweep(struct vdpad_netlink *);
/* Takes in what workers have sent, gives up those past their deadline, reaps
 * those that have ended. */
void vdpad_workers_run(struct vdpad_netlink *);
/* The next deadline (CLOCK_MONOTONIC), or VDPAD_LOOP_NEVER. */
int64_t vdpad_workers_deadline_ns(const struct vdpad_netlink *);
void vdpad_workers_destroy(struct vdpad_netlink *);
/* Whether the step that 'job' is at needs generic netlink, which hangs. */
bool vdpad_job_is_refused(const struct vdpad_netlink *,
                          const struct vdpad_job *job);
/* Says in 'why' that 'lane' hangs, which 'job' needs; returns the error that
 * this ends it with. */
int vdpad_lane_refuse(struct vdpad_netlink *, enum vdpad_lane lane,
                      const struct vdpad_job *job, struct vdpad_error *why);
/* Sends what 'worker->job' is at.  Returns false when the worker has died. */
bool vdpad_worker_send(struct vdpad_worker *worker);
/* 'worker' has no job any more: keeps it or lets it go. */
void vdpad_worker_rest(struct vdpad_worker *worker);
/* 'worker' has died or talks nonsense: ends what it is at, and it. */
void vdpad_worker_failed(struct vdpad_worker *worker);

/* former.c */
/* Opens options.lock_path.  Returns 0 or a negative errno with 'why'. */
int vdpad_former_open(struct vdpad_netlink *, struct vdpad_error *why);
/* Looks whether helpers of earlier daemons have ended. */
void vdpad_former_run(struct vdpad_netlink *);
/* Whether there are any; then fills 'stuck'. */
bool vdpad_former_is_stuck(const struct vdpad_netlink *,
                           struct vdpad_stuck *stuck);
void vdpad_former_close(struct vdpad_netlink *);

/* replies.c */
/* Which classes devlink tells of. */
#define VDPAD_DEVLINK_CLASSES (1u << VDPAD_ESWITCH | 1u << VDPAD_DLPORT)
/* Of what the tracker does. */
#define VDPAD_TRACK_CLASSES (1u << VDPAD_QDISC | 1u << VDPAD_FLOW)
#define VDPAD_ALL_CLASSES ((1u << VDPAD_N_CLASSES) - 1)
/* Takes in what 'worker' has sent; it may be gone afterwards. */
void vdpad_worker_receive(struct vdpad_worker *worker);

/* events.c */
int vdpad_events_open(struct vdpad_netlink *, struct vdpad_error *why);
void vdpad_events_run(struct vdpad_netlink *);
void vdpad_events_destroy(struct vdpad_netlink *);

#endif
