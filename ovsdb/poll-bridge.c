/* SPDX-License-Identifier: Apache-2.0 */

/* The bridge between libopenvswitch's poll loop and a foreign one.
 *
 * poll_block() does three things: it sleeps in time_poll(), it forgets what
 * was asked to be waited for, and it calls seq_woke(), which forgets the
 * thread's registrations for sequence numbers.  Here it is called at the end
 * of a turn with the sleeping left out, so:
 *
 * - time_poll() is replaced by a function that records its arguments;
 * - seq_woke() is replaced by one that does nothing, and the real one is
 *   called after the sleep.  Without this no seq_wait() would ever wake;
 * - what the real time_poll() does besides sleeping is done here: RCU
 *   quiescence around the sleep and the turn-over of the coverage counters.
 *
 * Both replacements fall through to the real functions in other threads and
 * outside of the capture, so that everything in libopenvswitch that blocks by
 * itself goes on working.
 *
 * The replacement of the poll_*_at() functions has no part in this; it only
 * notes who asked, so that a wake-up can be named.
 *
 * With a static libopenvswitch the linker's --wrap does the replacing.  With
 * a shared one, our definitions take precedence over the library's; whether
 * its own calls go that way is tested in vdpad_poll_bridge_new().
 *
 * Checked against Open vSwitch 3.1.0: lib/poll-loop.c, lib/timeval.c,
 * lib/seq.c. */

#include <vdpad/poll-bridge.h>

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <openvswitch/poll-loop.h>
#include <openvswitch/util.h>
#include <ovs/seq.h>
#include <ovs/timeval.h>

#ifdef VDPAD_OVS_SHARED
#include <dlfcn.h>
#endif

/* Their own headers include atomics that need Open vSwitch's config.h. */
void ovsrcu_quiesce_start(void);
void ovsrcu_quiesce_end(void);
void coverage_clear(void);
void coverage_run(void);

#define NSEC_PER_MSEC INT64_C(1000000)

enum {
    MAX_MEMBERS = 8,
    /* Descriptors whose origin is kept; more are waited for all the same. */
    MAX_ORIGINS = 64,
};

struct member {
    vdpad_poll_member_cb *run;
    vdpad_poll_member_cb *wait;
    void *aux;
};

struct origin {
    int fd;
    char where[VDPAD_LOOP_WHERE_SIZE];
};

struct vdpad_poll_bridge {
    struct vdpad_poll_source source;
    struct member members[MAX_MEMBERS];
    size_t n_members;

    struct vdpad_pollfd *fds;
    size_t n_fds;
    size_t allocated_fds;
    long long int timeout_when; /* As for time_poll(). */
    bool captured;

    struct origin origins[MAX_ORIGINS];
    size_t n_origins;
    long long int origin_when; /* Earliest deadline seen. */
    char origin_when_where[VDPAD_LOOP_WHERE_SIZE];
    char deadline_where[VDPAD_LOOP_WHERE_SIZE]; /* Of 'timeout_when'. */
};

/* The bridge of this thread, if any: it alone takes notes. */
static _Thread_local struct vdpad_poll_bridge *here;

/* Set while poll_block() is called for its arguments only. */
static _Thread_local bool capturing;

static bool exists;

#ifdef VDPAD_OVS_SHARED
#define REPLACEMENT(NAME) NAME

/* Returns the library's own definition of 'name'.  Cannot fail unless the
 * library changed incompatibly, and then nothing can go on. */
static void *
real_symbol(const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);

    if (!symbol) {
        ovs_abort(0, "libopenvswitch has no %s", name);
    }
    return symbol;
}

/* dlsym() returns an object pointer: POSIX requires that it can be copied
 * into a function pointer, ISO C does not let one cast it. */
#define CALL_REAL(NAME, ...)                                    \
    ({                                                          \
        static __typeof__(&(NAME)) real_##NAME;                 \
        if (!real_##NAME) {                                     \
            void *symbol_ = real_symbol(#NAME);                 \
            memcpy(&real_##NAME, &symbol_, sizeof real_##NAME); \
        }                                                       \
        real_##NAME(__VA_ARGS__);                               \
    })
#else
#define REPLACEMENT(NAME) __wrap_##NAME
#define CALL_REAL(NAME, ...) __real_##NAME(__VA_ARGS__)

/* The names are the linker's.
 * NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
__typeof__(time_poll) __wrap_time_poll, __real_time_poll;
__typeof__(seq_woke) __wrap_seq_woke, __real_seq_woke;
__typeof__(poll_fd_wait_at) __wrap_poll_fd_wait_at, __real_poll_fd_wait_at;
__typeof__(poll_timer_wait_at) __wrap_poll_timer_wait_at,
    __real_poll_timer_wait_at;
__typeof__(poll_timer_wait_until_at) __wrap_poll_timer_wait_until_at,
    __real_poll_timer_wait_until_at;
__typeof__(poll_immediate_wake_at) __wrap_poll_immediate_wake_at,
    __real_poll_immediate_wake_at;
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
#endif

/* Copies 'where' to 'dst'.  Nearly always it is a "file:line" that lives for
 * ever, but jsonrpc_wait() passes the name of a connection: that is freed with
 * the connection, and each one has another. */
static void
copy_where(char dst[VDPAD_LOOP_WHERE_SIZE], const char *where)
{
    if (!strstr(where, ".c:") && !strstr(where, ".h:")) {
        where = "libopenvswitch";
    }
    ovs_strlcpy(dst, where, VDPAD_LOOP_WHERE_SIZE);
}

static void
note_deadline(long long int when, const char *where)
{
    if (here && when < here->origin_when) {
        here->origin_when = when;
        copy_where(here->origin_when_where, where);
    }
}

void
REPLACEMENT(poll_fd_wait_at)(int fd, short int events, const char *where)
{
    if (here && here->n_origins < MAX_ORIGINS) {
        struct origin *origin = &here->origins[here->n_origins++];

        origin->fd = fd;
        copy_where(origin->where, where);
    }
    CALL_REAL(poll_fd_wait_at, fd, events, where);
}

void
REPLACEMENT(poll_timer_wait_at)(long long int msec, const char *where)
{
    /* As the real one: up to 0 is at once, the sum saturates. */
    if (msec <= 0) {
        note_deadline(LLONG_MIN, where);
    } else {
        long long int now = time_msec();

        note_deadline(msec > LLONG_MAX - now ? LLONG_MAX : now + msec, where);
    }
    CALL_REAL(poll_timer_wait_at, msec, where);
}

void
REPLACEMENT(poll_timer_wait_until_at)(long long int msec, const char *where)
{
    note_deadline(msec, where);
    CALL_REAL(poll_timer_wait_until_at, msec, where);
}

void
REPLACEMENT(poll_immediate_wake_at)(const char *where)
{
    note_deadline(LLONG_MIN, where);
    CALL_REAL(poll_immediate_wake_at, where);
}

void
REPLACEMENT(seq_woke)(void)
{
    if (!capturing) {
        CALL_REAL(seq_woke);
    }
}

static const char *
find_origin(const struct vdpad_poll_bridge *bridge, int fd)
{
    for (size_t i = 0; i < bridge->n_origins; i++) {
        if (bridge->origins[i].fd == fd) {
            return bridge->origins[i].where;
        }
    }
    return NULL;
}

static void
capture(struct vdpad_poll_bridge *bridge, const struct pollfd *pollfds,
        size_t n, long long int timeout_when)
{
    if (n > bridge->allocated_fds) {
        bridge->allocated_fds = n + n / 2;
        free(bridge->fds);
        bridge->fds = xcalloc(bridge->allocated_fds, sizeof *bridge->fds);
    }
    for (size_t i = 0; i < n; i++) {
        unsigned int events = 0;

        if (pollfds[i].events & POLLIN) {
            events |= VDPAD_LOOP_READ;
        }
        if (pollfds[i].events & POLLOUT) {
            events |= VDPAD_LOOP_WRITE;
        }
        bridge->fds[i].fd = pollfds[i].fd;
        bridge->fds[i].events = events;
        bridge->fds[i].where = find_origin(bridge, pollfds[i].fd);
    }
    bridge->n_fds = n;
    bridge->timeout_when = timeout_when;
    bridge->captured = true;
}

int
REPLACEMENT(time_poll)(struct pollfd *pollfds, int n_pollfds, HANDLE *handles,
                       long long int timeout_when, int *elapsed)
{
    if (!capturing) {
        return CALL_REAL(time_poll, pollfds, n_pollfds, handles, timeout_when,
                         elapsed);
    }
    capture(here, pollfds, (size_t) n_pollfds, timeout_when);
    *elapsed = 0;
    /* 0 would be logged as a time-out that was due; with a positive number
     * poll_block() looks for descriptors that are ready, and finds none. */
    for (int i = 0; i < n_pollfds; i++) {
        pollfds[i].revents = 0;
    }
    return 1;
}

/* Empties Open vSwitch's poll loop into 'bridge'. */
static void
collect(struct vdpad_poll_bridge *bridge)
{
    bridge->captured = false;
    capturing = true;
    poll_block();
    capturing = false;
    ovs_strlcpy(bridge->deadline_where, bridge->origin_when_where,
                sizeof bridge->deadline_where);
    bridge->n_origins = 0;
    bridge->origin_when = LLONG_MAX;
    bridge->origin_when_where[0] = '\0';
}

static int64_t
msec_to_ns(long long int msec)
{
    if (msec == LLONG_MAX || msec > INT64_MAX / NSEC_PER_MSEC) {
        return VDPAD_LOOP_NEVER;
    }
    if (msec < 0) {
        return 0;
    }
    return (int64_t) msec * NSEC_PER_MSEC;
}

static void
source_run(void *bridge_)
{
    struct vdpad_poll_bridge *bridge = bridge_;

    for (size_t i = 0; i < bridge->n_members; i++) {
        if (bridge->members[i].run) {
            bridge->members[i].run(bridge->members[i].aux);
        }
    }
}

static void
source_wait(void *bridge_, struct vdpad_pollset *ret_set)
{
    struct vdpad_poll_bridge *bridge = bridge_;

    for (size_t i = 0; i < bridge->n_members; i++) {
        if (bridge->members[i].wait) {
            bridge->members[i].wait(bridge->members[i].aux);
        }
    }
    coverage_clear();
    coverage_run();
    collect(bridge);

    ret_set->fds = bridge->fds;
    ret_set->n_fds = bridge->n_fds;
    ret_set->deadline_ns = msec_to_ns(bridge->timeout_when);
    ret_set->where = bridge->deadline_where;
}

static void
source_block_begin(void *bridge)
{
    (void) bridge;
    ovsrcu_quiesce_start();
}

static void
source_block_end(void *bridge)
{
    (void) bridge;
    ovsrcu_quiesce_end();
    CALL_REAL(seq_woke);
}

int
vdpad_poll_bridge_new(struct vdpad_poll_bridge **ret_bridge)
{
    struct vdpad_poll_bridge *bridge;

    if (exists) {
        return -EBUSY;
    }
    bridge = xzalloc(sizeof *bridge);
    bridge->origin_when = LLONG_MAX;
    bridge->source.aux = bridge;
    bridge->source.run = source_run;
    bridge->source.wait = source_wait;
    bridge->source.block_begin = source_block_begin;
    bridge->source.block_end = source_block_end;
    here = bridge;

    /* Should our time_poll() not be the one that is called, the immediate
     * wake-up keeps this from sleeping. */
    poll_immediate_wake();
    collect(bridge);
    if (!bridge->captured) {
        here = NULL;
        free(bridge);
        return -ENOTSUP;
    }
    exists = true;
    *ret_bridge = bridge;
    return 0;
}

void
vdpad_poll_bridge_free(struct vdpad_poll_bridge *bridge)
{
    if (!bridge) {
        return;
    }
    assert(here == bridge);
    here = NULL;
    exists = false;
    free(bridge->fds);
    free(bridge);
}

const struct vdpad_poll_source *
vdpad_poll_bridge_source(const struct vdpad_poll_bridge *bridge)
{
    return &bridge->source;
}

int
vdpad_poll_bridge_add(struct vdpad_poll_bridge *bridge,
                      vdpad_poll_member_cb *run, vdpad_poll_member_cb *wait,
                      void *aux)
{
    struct member *member;

    if (bridge->n_members >= MAX_MEMBERS) {
        return -ENOSPC;
    }
    member = &bridge->members[bridge->n_members++];
    member->run = run;
    member->wait = wait;
    member->aux = aux;
    return 0;
}

void
vdpad_poll_bridge_remove(struct vdpad_poll_bridge *bridge, void *aux)
{
    size_t kept = 0;

    for (size_t i = 0; i < bridge->n_members; i++) {
        if (bridge->members[i].aux != aux) {
            bridge->members[kept++] = bridge->members[i];
        }
    }
    bridge->n_members = kept;
}
