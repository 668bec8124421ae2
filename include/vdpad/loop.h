/* SPDX-License-Identifier: Apache-2.0 */

/* The event loop.
 *
 * One thread, one loop.  It alternates between waiting and *turns*.  A turn
 * begins after whatever ended the wait has been dispatched (callbacks of
 * descriptors and signals) and consists of three steps:
 *
 *   1. the poll source's 'run' (the OVSDB session and the status socket read
 *      what has arrived and serve it),
 *   2. the turn callback (look at what changed, plan, submit, publish),
 *   3. the poll source's 'wait' (what to wait for besides our descriptors).
 *
 * Nothing else runs policy: callbacks of descriptors and signals only take
 * bytes in or set a flag, since a turn follows them anyway.  Nothing called
 * from the loop may block.
 *
 * Descriptors stay watched until they are removed.  Deadlines do not: each
 * turn begins with none, and whoever needs one asks for it in every turn.  So
 * nobody has to cancel anything, and the earliest request wins.
 *
 * Neither libev's nor Open vSwitch's types appear here: the first live in
 * controller/loop.c alone, the second in ovsdb/.
 */

#ifndef VDPAD_LOOP_H
#define VDPAD_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vdpad_loop;
struct vdpad_loop_fd;

/* Events of a descriptor, for watching and as reported. */
#define VDPAD_LOOP_READ (1u << 0)
#define VDPAD_LOOP_WRITE (1u << 1)

/* "file:line" of the caller: names the reason when the loop is woken. */
#define VDPAD_LOOP_STR_(X) #X
#define VDPAD_LOOP_STR__(X) VDPAD_LOOP_STR_(X)
#define VDPAD_LOOP_HERE __FILE__ ":" VDPAD_LOOP_STR__(__LINE__)

/* A deadline that never comes. */
#define VDPAD_LOOP_NEVER INT64_MAX

typedef void vdpad_loop_fd_cb(struct vdpad_loop *, int fd, unsigned int events,
                              void *aux);
typedef void vdpad_loop_signal_cb(struct vdpad_loop *, int signo, void *aux);
typedef void vdpad_loop_turn_cb(struct vdpad_loop *, void *aux);

/* Something with descriptors and a deadline of its own that change in every
 * turn: Open vSwitch's poll loop, see <vdpad/poll-bridge.h>. */

struct vdpad_pollfd {
    int fd;
    unsigned int events; /* VDPAD_LOOP_READ, VDPAD_LOOP_WRITE. */
    const char *where;   /* Names a wake-up by it, or NULL. */
};

struct vdpad_pollset {
    const struct vdpad_pollfd *fds;
    size_t n_fds;
    int64_t deadline_ns; /* CLOCK_MONOTONIC; may be in the past. */
    const char *where;   /* Names a wake-up by it, or NULL. */
};

struct vdpad_poll_source {
    void *aux; /* Passed to each function. */

    /* Does all work that is due.  May close descriptors that the last 'wait'
     * reported: they are no longer watched when this is called. */
    void (*run)(void *aux);

    /* Fills '*ret_set' with what to wait for; all that it points to stays as
     * it is until the next 'run'. */
    void (*wait)(void *aux, struct vdpad_pollset *ret_set);

    /* Called immediately before and after the thread sleeps; each may be
     * NULL. */
    void (*block_begin)(void *aux);
    void (*block_end)(void *aux);
};

/* Longest name of a reason for waking, with its NUL; longer ones are cut. */
#define VDPAD_LOOP_WHERE_SIZE 48

/* How often the loop was woken for one reason. */
struct vdpad_loop_wake {
    char where[VDPAD_LOOP_WHERE_SIZE];
    uint64_t count;
};

struct vdpad_loop_stats {
    uint64_t turns;          /* Turns begun. */
    uint64_t slow_turns;     /* Those of 50 ms and more. */
    int64_t longest_turn_ns; /* All the time between two waits. */
    int64_t last_turn_ns;
    int64_t longest_cpu_ns; /* Most processor time that one took: what is
                             * above that, the host was busy otherwise. */
    size_t n_fds;           /* Descriptors added and not deleted. */
};

/* A turn that takes as long as this is counted as slow. */
#define VDPAD_LOOP_SLOW_NS INT64_C(50000000)

/* Creates a loop in '*ret_loop', owned by the caller.  Create it, and ask for
 * its signals, before the first call into libopenvswitch, which claims
 * SIGTERM, SIGINT and SIGHUP unless they have an owner by then, and after
 * daemonize(), since a fork() would separate the loop from its kernel state.
 *
 * Returns 0, or -ENOMEM when the kernel gives no epoll instance. */
int vdpad_loop_new(struct vdpad_loop **ret_loop);

/* Frees 'loop' with all that is registered in it; descriptors stay open.  Not
 * to be called from a callback.  NULL is allowed. */
void vdpad_loop_free(struct vdpad_loop *loop);

/* Takes turns until vdpad_loop_stop(). */
void vdpad_loop_run(struct vdpad_loop *loop);

/* Ends vdpad_loop_run() when the present callback or turn has returned.  The
 * loop can be run again afterwards. */
void vdpad_loop_stop(struct vdpad_loop *loop);

/* Sets the callback of each turn; NULL for none. */
void vdpad_loop_set_turn(struct vdpad_loop *loop, vdpad_loop_turn_cb *cb,
                         void *aux);

/* Sets the poll source, copied; 'source' NULL for none.  The functions stay
 * in use until another one is set or the loop freed.  Not to be called from a
 * callback. */
void vdpad_loop_set_source(struct vdpad_loop *loop,
                           const struct vdpad_poll_source *source);

/* Watches 'fd' for 'events' (0 is allowed: watched for nothing until
 * vdpad_loop_mod_fd()) and calls 'cb' with those that occurred; an error or
 * hang-up counts as all the events asked for.  'fd' stays the caller's.
 * Delete the handle before closing it.
 *
 * Returns the handle, owned by the loop until vdpad_loop_del_fd(). */
#define vdpad_loop_add_fd(LOOP, FD, EVENTS, CB, AUX) \
    vdpad_loop_add_fd_at(LOOP, FD, EVENTS, CB, AUX, VDPAD_LOOP_HERE)
struct vdpad_loop_fd *vdpad_loop_add_fd_at(struct vdpad_loop *loop, int fd,
                                           unsigned int events,
                                           vdpad_loop_fd_cb *cb, void *aux,
                                           const char *where);

/* Changes the events that 'handle' is watched for. */
void vdpad_loop_mod_fd(struct vdpad_loop_fd *handle, unsigned int events);

/* Stops watching and frees 'handle' (NULL is allowed); its callback is never
 * called again, also when this is called from within a callback. */
void vdpad_loop_del_fd(struct vdpad_loop_fd *handle);

/* Makes the next turn begin at 'deadline_ns' (CLOCK_MONOTONIC) at the latest.
 * Forgotten when that turn begins: see the top of this file. */
#define vdpad_loop_wake_at(LOOP, DEADLINE_NS) \
    vdpad_loop_wake_by(LOOP, DEADLINE_NS, VDPAD_LOOP_HERE)
void vdpad_loop_wake_by(struct vdpad_loop *loop, int64_t deadline_ns,
                        const char *where);

/* Makes another turn follow this one without waiting. */
#define vdpad_loop_wake_now(LOOP) \
    vdpad_loop_wake_by(LOOP, INT64_MIN, VDPAD_LOOP_HERE)

/* Calls 'cb' from the loop (not from a signal handler) after the process has
 * received 'signo'.  At most one callback for each signal: a second call
 * replaces the first, 'cb' NULL restores the default action.
 *
 * Returns 0, -EINVAL if 'signo' is none that can be caught, -ENOSPC if more
 * than 8 signals are asked for. */
int vdpad_loop_on_signal(struct vdpad_loop *loop, int signo,
                         vdpad_loop_signal_cb *cb, void *aux);

/* The present time of CLOCK_MONOTONIC in nanoseconds. */
int64_t vdpad_loop_clock_ns(void);

/* Copies the figures of 'loop'. */
void vdpad_loop_get_stats(const struct vdpad_loop *loop,
                          struct vdpad_loop_stats *ret_stats);

/* Begins the longest turn, and the most processor time, anew. */
void vdpad_loop_forget_longest(struct vdpad_loop *loop);

/* Copies up to 'n' wake reasons to 'wakes', most frequent first, and returns
 * how many there are in all.  Reasons beyond the 64th that occurred are
 * counted together as "other". */
size_t vdpad_loop_get_wakes(const struct vdpad_loop *loop,
                            struct vdpad_loop_wake *wakes, size_t n);

#endif /* VDPAD_LOOP_H */
