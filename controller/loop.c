/* SPDX-License-Identifier: Apache-2.0 */

/* The loop over libev: the only file that knows libev.
 *
 * A turn runs in an ev_prepare watcher, that is, after libev has dispatched
 * all events and before it sleeps again.  The watchers of the poll source are
 * stopped at the beginning of each turn and initialised anew at its end even
 * when nothing changed: Open vSwitch closes and opens sockets in its run
 * functions, the kernel gives the same number out again, and only an ev_io_set
 * makes libev tell epoll about the new file behind the old number. */

#include <vdpad/loop.h>

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NSEC_PER_SEC INT64_C(1000000000)

enum {
    MAX_SIGNALS = 8,
    MAX_WAKES = 64,
};

struct vdpad_loop_fd {
    ev_io io;
    struct vdpad_loop *loop;
    struct vdpad_loop_fd *prev;
    struct vdpad_loop_fd *next;
    vdpad_loop_fd_cb *cb;
    void *aux;
    const char *where;
};

struct source_io {
    ev_io io;
    const char *where;
};

struct signal_slot {
    ev_signal watcher;
    vdpad_loop_signal_cb *cb; /* NULL: the slot is free. */
    void *aux;
};

struct vdpad_loop {
    struct ev_loop *ev;
    ev_prepare prepare;
    ev_timer timer;

    vdpad_loop_turn_cb *turn;
    void *turn_aux;

    struct vdpad_poll_source source;
    bool has_source;
    struct source_io *source_ios;
    size_t n_source_ios; /* Active ones. */
    size_t allocated_source_ios;

    struct vdpad_loop_fd *fds; /* Doubly linked list. */
    struct signal_slot signals[MAX_SIGNALS];

    int64_t deadline_ns; /* Asked for in this turn. */
    const char *deadline_where;
    const char *timer_where; /* Of the deadline being waited for. */

    int64_t busy_since_ns; /* End of the last wait. */
    int64_t cpu_since_ns;  /* Processor time then. */
    bool turn_open;        /* A turn ran since then. */
    struct vdpad_loop_stats stats;

    struct vdpad_loop_wake wakes[MAX_WAKES + 1]; /* Last: "other". */
    size_t n_wakes;
};

/* Memory is not recoverable here: libopenvswitch aborts on its own failed
 * allocations, so a caller could not survive either. */
static void *
must(void *p)
{
    if (!p) {
        abort();
    }
    return p;
}

int64_t
vdpad_loop_clock_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t) ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static int64_t
cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (int64_t) ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static void
set_name(struct vdpad_loop_wake *wake, const char *name)
{
    size_t n = strnlen(name, sizeof wake->where - 1);

    memcpy(wake->where, name, n);
    wake->where[n] = '\0';
}

/* Counts a wake-up for 'where', of which a copy is kept. */
static void
count_wake(struct vdpad_loop *loop, const char *where)
{
    const char *name = where ? where : "unnamed";

    for (size_t i = 0; i < loop->n_wakes; i++) {
        if (!strncmp(loop->wakes[i].where, name,
                     sizeof loop->wakes[i].where - 1)) {
            loop->wakes[i].count++;
            return;
        }
    }
    if (loop->n_wakes < MAX_WAKES) {
        set_name(&loop->wakes[loop->n_wakes], name);
        loop->wakes[loop->n_wakes].count = 1;
        loop->n_wakes++;
    } else {
        set_name(&loop->wakes[MAX_WAKES], "other");
        loop->wakes[MAX_WAKES].count++;
    }
}

static int
to_ev_events(unsigned int events)
{
    return (events & VDPAD_LOOP_READ ? EV_READ : 0)
           | (events & VDPAD_LOOP_WRITE ? EV_WRITE : 0);
}

static void
on_fd(struct ev_loop *ev, ev_io *io, int revents)
{
    struct vdpad_loop_fd *handle = io->data;
    unsigned int events = 0;

    (void) ev;
    if (revents & EV_READ) {
        events |= VDPAD_LOOP_READ;
    }
    if (revents & EV_WRITE) {
        events |= VDPAD_LOOP_WRITE;
    }
    count_wake(handle->loop, handle->where);
    /* The callback may free 'handle'. */
    handle->cb(handle->loop, io->fd, events, handle->aux);
}

/* Events of the source need no dispatch: its 'run' finds out in the turn. */
static void
on_source_fd(struct ev_loop *ev, ev_io *io, int revents)
{
    struct source_io *sio = io->data;

    (void) revents;
    count_wake((struct vdpad_loop *) ev_userdata(ev), sio->where);
}

static void
on_timer(struct ev_loop *ev, ev_timer *timer, int revents)
{
    struct vdpad_loop *loop = ev_userdata(ev);

    (void) timer;
    (void) revents;
    count_wake(loop, loop->timer_where);
}

static void
on_signal(struct ev_loop *ev, ev_signal *watcher, int revents)
{
    struct vdpad_loop *loop = ev_userdata(ev);
    struct signal_slot *slot = watcher->data;

    (void) revents;
    count_wake(loop, "signal");
    slot->cb(loop, watcher->signum, slot->aux);
}

static void
stop_source(struct vdpad_loop *loop)
{
    for (size_t i = 0; i < loop->n_source_ios; i++) {
        ev_io_stop(loop->ev, &loop->source_ios[i].io);
    }
    loop->n_source_ios = 0;
}

/* Makes room for 'n' watchers; none may be active. */
static void
reserve_source_ios(struct vdpad_loop *loop, size_t n)
{
    if (n > loop->allocated_source_ios) {
        size_t want = n + n / 2 + 8;

        free(loop->source_ios);
        loop->source_ios = must(calloc(want, sizeof *loop->source_ios));
        loop->allocated_source_ios = want;
    }
}

static void
start_source(struct vdpad_loop *loop, const struct vdpad_pollset *set)
{
    reserve_source_ios(loop, set->n_fds);
    for (size_t i = 0; i < set->n_fds; i++) {
        const struct vdpad_pollfd *pfd = &set->fds[i];
        int events = to_ev_events(pfd->events);
        struct source_io *sio = &loop->source_ios[loop->n_source_ios];

        if (pfd->fd < 0 || !events) {
            continue;
        }
        sio->where = pfd->where;
        ev_io_init(&sio->io, on_source_fd, pfd->fd, events);
        sio->io.data = sio;
        ev_io_start(loop->ev, &sio->io);
        loop->n_source_ios++;
    }
}

static void
start_timer(struct vdpad_loop *loop, int64_t deadline_ns, const char *where)
{
    int64_t now_ns = vdpad_loop_clock_ns();
    double after = 0.0;

    if (deadline_ns == VDPAD_LOOP_NEVER) {
        return;
    }
    if (deadline_ns > now_ns) {
        after = (double) (deadline_ns - now_ns) / (double) NSEC_PER_SEC;
    }
    loop->timer_where = where;
    /* libev counts from its idea of now, which is older than the turn. */
    ev_now_update(loop->ev);
    ev_timer_set(&loop->timer, after, 0.0);
    ev_timer_start(loop->ev, &loop->timer);
}

static void
on_prepare(struct ev_loop *ev, ev_prepare *prepare, int revents)
{
    struct vdpad_loop *loop = ev_userdata(ev);
    struct vdpad_pollset set = { .deadline_ns = VDPAD_LOOP_NEVER };

    (void) prepare;
    (void) revents;
    loop->stats.turns++;
    loop->turn_open = true;
    loop->deadline_ns = VDPAD_LOOP_NEVER;
    loop->deadline_where = NULL;
    ev_timer_stop(ev, &loop->timer);
    stop_source(loop);

    if (loop->has_source) {
        loop->source.run(loop->source.aux);
    }
    if (loop->turn) {
        loop->turn(loop, loop->turn_aux);
    }
    if (loop->has_source) {
        loop->source.wait(loop->source.aux, &set);
        start_source(loop, &set);
    }
    if (loop->deadline_ns < set.deadline_ns) {
        start_timer(loop, loop->deadline_ns, loop->deadline_where);
    } else {
        start_timer(loop, set.deadline_ns, set.where);
    }
}

/* Called by libev around its system call that sleeps. */
static void
on_release(struct ev_loop *ev) EV_NOEXCEPT
{
    struct vdpad_loop *loop = ev_userdata(ev);

    if (loop->turn_open) {
        /* In this order: a turn never takes more processor than time. */
        int64_t took_cpu_ns = cpu_ns() - loop->cpu_since_ns;
        int64_t took_ns = vdpad_loop_clock_ns() - loop->busy_since_ns;

        loop->turn_open = false;
        loop->stats.last_turn_ns = took_ns;
        if (took_ns > loop->stats.longest_turn_ns) {
            loop->stats.longest_turn_ns = took_ns;
        }
        if (took_cpu_ns > loop->stats.longest_cpu_ns) {
            loop->stats.longest_cpu_ns = took_cpu_ns;
        }
        if (took_ns >= VDPAD_LOOP_SLOW_NS) {
            loop->stats.slow_turns++;
        }
    }
    if (loop->has_source && loop->source.block_begin) {
        loop->source.block_begin(loop->source.aux);
    }
}

static void
on_acquire(struct ev_loop *ev) EV_NOEXCEPT
{
    struct vdpad_loop *loop = ev_userdata(ev);

    loop->busy_since_ns = vdpad_loop_clock_ns();
    loop->cpu_since_ns = cpu_ns();
    if (loop->has_source && loop->source.block_end) {
        loop->source.block_end(loop->source.aux);
    }
}

int
vdpad_loop_new(struct vdpad_loop **ret_loop)
{
    /* epoll by name: the environment must not choose another backend, and
     * the release callbacks are known to surround this one's wait. */
    struct ev_loop *ev = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
    struct vdpad_loop *loop;

    if (!ev) {
        return -ENOMEM;
    }
    loop = must(calloc(1, sizeof *loop));
    loop->ev = ev;
    loop->deadline_ns = VDPAD_LOOP_NEVER;
    ev_set_userdata(ev, loop);
    ev_set_loop_release_cb(ev, on_release, on_acquire);
    ev_init(&loop->timer, on_timer);
    ev_prepare_init(&loop->prepare, on_prepare);
    ev_set_priority(&loop->prepare, EV_MINPRI);
    ev_prepare_start(ev, &loop->prepare);

    *ret_loop = loop;
    return 0;
}

void
vdpad_loop_free(struct vdpad_loop *loop)
{
    struct vdpad_loop_fd *handle;
    struct vdpad_loop_fd *next;

    if (!loop) {
        return;
    }
    stop_source(loop);
    for (handle = loop->fds; handle; handle = next) {
        next = handle->next;
        ev_io_stop(loop->ev, &handle->io);
        free(handle);
    }
    for (size_t i = 0; i < MAX_SIGNALS; i++) {
        if (loop->signals[i].cb) {
            ev_signal_stop(loop->ev, &loop->signals[i].watcher);
        }
    }
    ev_timer_stop(loop->ev, &loop->timer);
    ev_prepare_stop(loop->ev, &loop->prepare);
    ev_loop_destroy(loop->ev);
    free(loop->source_ios);
    free(loop);
}

void
vdpad_loop_run(struct vdpad_loop *loop)
{
    loop->busy_since_ns = vdpad_loop_clock_ns();
    loop->cpu_since_ns = cpu_ns();
    ev_run(loop->ev, 0);
}

void
vdpad_loop_stop(struct vdpad_loop *loop)
{
    ev_break(loop->ev, EVBREAK_ONE);
}

void
vdpad_loop_set_turn(struct vdpad_loop *loop, vdpad_loop_turn_cb *cb, void *aux)
{
    loop->turn = cb;
    loop->turn_aux = aux;
}

void
vdpad_loop_set_source(struct vdpad_loop *loop,
                      const struct vdpad_poll_source *source)
{
    stop_source(loop);
    loop->has_source = source != NULL;
    if (source) {
        loop->source = *source;
    }
}

struct vdpad_loop_fd *
vdpad_loop_add_fd_at(struct vdpad_loop *loop, int fd, unsigned int events,
                     vdpad_loop_fd_cb *cb, void *aux, const char *where)
{
    struct vdpad_loop_fd *handle = must(calloc(1, sizeof *handle));

    handle->loop = loop;
    handle->cb = cb;
    handle->aux = aux;
    handle->where = where;
    handle->next = loop->fds;
    if (loop->fds) {
        loop->fds->prev = handle;
    }
    loop->fds = handle;
    loop->stats.n_fds++;

    ev_io_init(&handle->io, on_fd, fd, to_ev_events(events));
    handle->io.data = handle;
    if (to_ev_events(events)) {
        ev_io_start(loop->ev, &handle->io);
    }
    return handle;
}

void
vdpad_loop_mod_fd(struct vdpad_loop_fd *handle, unsigned int events)
{
    struct ev_loop *ev = handle->loop->ev;

    ev_io_stop(ev, &handle->io);
    ev_io_set(&handle->io, handle->io.fd, to_ev_events(events));
    if (to_ev_events(events)) {
        ev_io_start(ev, &handle->io);
    }
}

void
vdpad_loop_del_fd(struct vdpad_loop_fd *handle)
{
    struct vdpad_loop *loop;

    if (!handle) {
        return;
    }
    loop = handle->loop;
    /* Also takes back an event that is pending already. */
    ev_io_stop(loop->ev, &handle->io);
    if (handle->prev) {
        handle->prev->next = handle->next;
    } else {
        loop->fds = handle->next;
    }
    if (handle->next) {
        handle->next->prev = handle->prev;
    }
    loop->stats.n_fds--;
    free(handle);
}

void
vdpad_loop_wake_by(struct vdpad_loop *loop, int64_t deadline_ns,
                   const char *where)
{
    if (deadline_ns < loop->deadline_ns) {
        loop->deadline_ns = deadline_ns;
        loop->deadline_where = where;
    }
}

int
vdpad_loop_on_signal(struct vdpad_loop *loop, int signo,
                     vdpad_loop_signal_cb *cb, void *aux)
{
    struct signal_slot *slot = NULL;

    if (signo <= 0 || signo >= NSIG || signo == SIGKILL || signo == SIGSTOP) {
        return -EINVAL;
    }
    for (size_t i = 0; i < MAX_SIGNALS; i++) {
        struct signal_slot *s = &loop->signals[i];

        if (s->cb && s->watcher.signum == signo) {
            slot = s;
            break;
        }
        if (!s->cb && !slot) {
            slot = s;
        }
    }
    if (!slot) {
        return cb ? -ENOSPC : 0;
    }
    if (!cb) {
        if (slot->cb) {
            ev_signal_stop(loop->ev, &slot->watcher);
            slot->cb = NULL;
        }
        return 0;
    }
    if (!slot->cb) {
        ev_signal_init(&slot->watcher, on_signal, signo);
        slot->watcher.data = slot;
        ev_signal_start(loop->ev, &slot->watcher);
    }
    slot->cb = cb;
    slot->aux = aux;
    return 0;
}

void
vdpad_loop_get_stats(const struct vdpad_loop *loop,
                     struct vdpad_loop_stats *ret_stats)
{
    *ret_stats = loop->stats;
}

void
vdpad_loop_forget_longest(struct vdpad_loop *loop)
{
    loop->stats.longest_turn_ns = 0;
    loop->stats.longest_cpu_ns = 0;
}

static int
compare_wakes(const void *a_, const void *b_)
{
    const struct vdpad_loop_wake *a = a_;
    const struct vdpad_loop_wake *b = b_;

    return a->count < b->count ? 1 : a->count > b->count ? -1 : 0;
}

size_t
vdpad_loop_get_wakes(const struct vdpad_loop *loop,
                     struct vdpad_loop_wake *wakes, size_t n)
{
    struct vdpad_loop_wake all[MAX_WAKES + 1];
    size_t n_all = loop->n_wakes;

    memcpy(all, loop->wakes, sizeof all);
    if (all[MAX_WAKES].count) {
        n_all = MAX_WAKES + 1;
    }
    qsort(all, n_all, sizeof all[0], compare_wakes);
    if (n && n_all) {
        memcpy(wakes, all, (n < n_all ? n : n_all) * sizeof all[0]);
    }
    return n_all;
}
