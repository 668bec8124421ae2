/* SPDX-License-Identifier: Apache-2.0 */
#include "track.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <netlink/msg.h>

#include "attrs.h"
#include "stats-codec.h"
#include "tc-codec.h"
#include "track-feed.h"
#include "track-socket.h"
#include "track-table.h"
#include "uapi.h"
#include "watch.h"

#define MS_NS INT64_C(1000000)
#define SECOND_NS (1000 * MS_NS)
#define NEVER INT64_MAX

/* Counters that are younger are not renewed for a request. */
#define YOUNG_NS SECOND_NS

/* What is announced is read at most that often: waking up for each filter
 * would slow down who inserts them, and the socket's buffer is large. */
#define READ_NS (100 * MS_NS)

/* Pause between two messages that nobody asked for. */
#define TELL_NS SECOND_NS

/* Counters are renewed unasked at this interval (each time is work for the
 * daemon too, which is to sleep while traffic is steady), but never so often
 * that dumping takes more than a fiftieth of the time.  What may have gone
 * wrong is put right sooner. */
#define REFRESH_NS (10 * SECOND_NS)
#define REFRESH_SHARE 50
#define REPAIR_NS SECOND_NS

/* A dump of everything, whether something seems to be there or not. */
#define FULL_NS (60 * SECOND_NS)

/* Dumps that are interrupted are begun anew that often. */
#define ATTEMPTS 4

/* Batches of announcements after which the end of them is not awaited. */
#define MAX_BATCHES 4096

struct tracker {
    struct vdpad_track *table;
    int events, dumps; /* Sockets; -1: not open. */
    bool is_all_read;  /* All that had been announced. */
    bool was_lost;     /* Something of it, since a dump began. */
    int64_t read_ns;   /* When it is read next. */
    int64_t refreshed_ns, cost_ns, full_ns, told_ns;
    unsigned int changed; /* Classes not told yet. */
    unsigned int lost;    /* Of these, by loss. */
    uint64_t interrupted, malformed, overruns;
    struct vdpad_error why; /* Of the last failure. */
};

static int64_t
now_ns(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * SECOND_NS + now.tv_nsec;
}

static int
on_announced(void *tracker, uint16_t type, const void *payload, size_t len)
{
    return vdpad_track_announced(((struct tracker *) tracker)->table, type,
                                 payload, len);
}

/* Takes in what has been announced, as far as 'max' batches. */
static void
read_events(struct tracker *k, int max)
{
    int got = 1;

    for (int i = 0; i < max && got; i++) {
        got = vdpad_track_receive(k->events, on_announced, k);
        if (got && !i) {
            k->read_ns = now_ns() + READ_NS;
        }
        if (got < 0) {
            k->malformed += got == -EBADMSG;
            k->overruns += got != -EBADMSG;
            k->was_lost = true;
            k->lost |= 1u << VDPAD_FLOW | 1u << VDPAD_QDISC;
            vdpad_track_lost(k->table);
        }
    }
    k->is_all_read = !got;
    k->changed |= vdpad_track_take_changed(k->table);
}

/* So that the events that a piece of a dump may reflect are known before it:
 * what it shows is never newer. */
static void
on_piece(void *tracker_)
{
    struct tracker *k = tracker_;

    read_events(k, MAX_BATCHES);
    k->was_lost |= !k->is_all_read;
}

static int
on_dumped(void *tracker, uint16_t type, const void *payload, size_t len)
{
    return vdpad_track_dumped(((struct tracker *) tracker)->table, type,
                              payload, len);
}

/* Sends the request 'msg', reads the answer and all that was announced until
 * then.  Returns 0 if both are complete, or a negative errno. */
static int
dump(struct tracker *k, struct nl_msg *msg, int build_error,
     vdpad_nl_message_cb *cb, const char *what)
{
    bool is_broken;
    int error;

    if (k->dumps < 0) {
        k->dumps = vdpad_track_open_dumps(&k->why);
    }
    if (k->dumps < 0) {
        nlmsg_free(msg);
        return k->dumps;
    }
    k->was_lost = false;
    error = vdpad_track_dump(k->dumps, msg, build_error, cb, k, on_piece,
                             &is_broken, what, &k->why);
    k->interrupted += error == -EINTR;
    k->malformed += error == -EBADMSG;
    k->overruns += error == -ENOBUFS;
    if (is_broken) {
        (void) close(k->dumps);
        k->dumps = -1;
    }
    on_piece(k);
    if (!error && k->was_lost) {
        error = vdpad_error_set(&k->why, -ENOBUFS,
                                "%s: announcements were lost meanwhile", what);
    }
    return error;
}

static void
dump_qdiscs(struct tracker *k)
{
    struct nl_msg *msg = vdpad_nl_msg(RTM_GETQDISC, NLM_F_DUMP);
    int error = vdpad_tc_encode_qdisc_dump(msg);

    vdpad_track_qdiscs_begin(k->table);
    error = dump(k, msg, error, on_dumped, "qdisc dump");
    vdpad_track_qdiscs_end(k->table, !error);
}

static int
dump_scope(struct tracker *k, const struct vdpad_track_target *target,
           bool terse)
{
    struct nl_msg *msg = vdpad_nl_msg(RTM_GETTFILTER, NLM_F_DUMP);
    int error = vdpad_tc_encode_filter_dump(msg, target->ifindex,
                                            target->block, terse);

    vdpad_track_dump_begin(k->table, target);
    error = dump(k, msg, error, on_dumped, "filter dump");
    vdpad_track_dump_end(k->table, !error);
    return error;
}

static void
dump_filters(struct tracker *k, const struct vdpad_track_target *target)
{
    if (dump_scope(k, target, true) == -EMSGSIZE) {
        /* There are filters of another kind. */
        (void) dump_scope(k, target, false);
    }
}

static void
dump_stats(struct tracker *k)
{
    struct nl_msg *msg = vdpad_nl_msg(RTM_GETSTATS, NLM_F_DUMP);
    int error = vdpad_stats_encode_dump(msg);

    vdpad_track_stats_begin(k->table);
    error = dump(k, msg, error, on_dumped, "dump of counters");
    vdpad_track_stats_end(k->table, !error);
}

/* Renews all counters, and repairs what is not certain. */
static void
refresh(struct tracker *k)
{
    int64_t begin = now_ns();
    bool is_full = begin >= k->full_ns;

    read_events(k, MAX_BATCHES);
    vdpad_track_refresh(k->table, is_full);
    for (int i = 0; i < ATTEMPTS; i++) {
        struct vdpad_track_target target;

        if (vdpad_track_wants_qdiscs(k->table) || (is_full && !i)) {
            dump_qdiscs(k);
        }
        vdpad_track_restart(k->table);
        while (vdpad_track_next(k->table, &target)) {
            dump_filters(k, &target);
        }
        if (vdpad_track_is_complete(k->table)) {
            k->full_ns = is_full ? begin + FULL_NS : k->full_ns;
            break;
        }
    }
    dump_stats(k);
    k->changed |= vdpad_track_take_changed(k->table);
    k->refreshed_ns = now_ns();
    k->cost_ns = k->refreshed_ns - begin;
}

/* The daemon. */

static void
put_counts(struct tracker *k, struct vdpad_wire_reply *reply)
{
    struct vdpad_track_totals totals;

    vdpad_track_totals(k->table, &totals);
    reply->flows = totals.flows;
    reply->untracked = totals.untracked;
    reply->repaired = totals.repaired;
    reply->interrupted = k->interrupted;
    reply->malformed = k->malformed;
    reply->overruns = k->overruns;
    k->interrupted = k->malformed = k->overruns = 0;
}

static int
observe(struct tracker *k, struct vdpad_rows *rows, struct vdpad_error *why)
{
    read_events(k, MAX_BATCHES);
    if (now_ns() - k->refreshed_ns >= YOUNG_NS
        || !vdpad_track_is_complete(k->table)) {
        refresh(k);
    }
    if (!vdpad_track_is_complete(k->table)) {
        return vdpad_error_set(why, -EAGAIN, "flower filters: %s",
                               k->why.text[0] ? k->why.text
                                              : "they changed meanwhile");
    }
    vdpad_track_rows(k->table, rows);
    if (vdpad_picture_sort(&rows->picture)) {
        return vdpad_error_set(why, -EAGAIN,
                               "flower filters: one netdev twice");
    }
    /* The daemon is about to know. */
    k->changed &= ~(1u << VDPAD_FLOW);
    k->lost &= ~(1u << VDPAD_FLOW);
    return 0;
}

/* Serves one request.  Returns false when there is no one to tell. */
static bool
serve(struct tracker *k)
{
    struct vdpad_wire_request request;
    struct vdpad_wire_reply reply;
    struct vdpad_error why = { .code = 0 };
    struct vdpad_rows rows;
    bool is_sent;

    if (!vdpad_worker_request(&request)) {
        return false;
    }
    memset(&reply, 0, sizeof reply);
    vdpad_rows_init(&rows, VDPAD_FLOW);
    if (request.kind == VDPAD_REQUEST_OBSERVE
        && request.class_ == VDPAD_FLOW) {
        reply.error = observe(k, &rows, &why);
    } else {
        reply.error = vdpad_error_set(&why, -EPROTO, "unknown request");
    }
    if (reply.error) {
        vdpad_rows_clear(&rows);
        vdpad_text_copy(reply.text, sizeof reply.text, why.text);
    }
    put_counts(k, &reply);
    reply.size = (uint64_t) rows.picture.n * rows.picture.row_size;
    is_sent = vdpad_worker_reply(&reply, rows.picture.rows);
    vdpad_rows_clear(&rows);
    return is_sent;
}

/* Tells what has changed.  Returns false when there is no one to tell. */
static bool
tell(struct tracker *k)
{
    struct vdpad_wire_reply reply;

    memset(&reply, 0, sizeof reply);
    reply.is_unasked = 1;
    reply.classes = k->changed | k->lost;
    reply.lost = k->lost;
    put_counts(k, &reply);
    k->changed = k->lost = 0;
    k->told_ns = now_ns();
    return vdpad_worker_reply(&reply, NULL);
}

/* When counters are to be renewed unasked. */
static int64_t
refresh_ns(const struct tracker *k)
{
    int64_t pause = k->cost_ns * REFRESH_SHARE;

    if (!vdpad_track_is_complete(k->table)) {
        return k->refreshed_ns + (pause > REPAIR_NS ? pause : REPAIR_NS);
    }
    if (vdpad_track_is_empty(k->table)) {
        return NEVER;
    }
    return k->refreshed_ns + (pause > REFRESH_NS ? pause : REFRESH_NS);
}

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Sleeps until there is something to do.  Returns false when the daemon has
 * gone. */
static bool
sleep_until_due(struct tracker *k, bool *is_asked)
{
    int64_t now = now_ns(), until = refresh_ns(k);
    bool may_read = now >= k->read_ns;
    struct pollfd fds[2] = {
        { .fd = VDPAD_WORKER_FD, .events = POLLIN },
        { .fd = may_read ? k->events : -1, .events = POLLIN },
    };
    int timeout;

    until = may_read ? until : earlier(until, k->read_ns);
    if (k->changed | k->lost) {
        until = earlier(until, k->told_ns + TELL_NS);
    }
    timeout = until == NEVER            ? -1
              : until <= now            ? 0
              : until - now > SECOND_NS ? (int) ((until - now) / MS_NS)
                                        : (int) ((until - now) / MS_NS) + 1;
    if (poll(fds, 2, timeout) < 0) {
        return errno == EINTR;
    }
    *is_asked = fds[0].revents & POLLIN;
    return *is_asked || !fds[0].revents;
}

static bool
open_all(struct tracker *k)
{
    uint32_t epoch;

    if (getrandom(&epoch, sizeof epoch, GRND_NONBLOCK) != sizeof epoch) {
        epoch = (uint32_t) (now_ns() / MS_NS);
    }
    k->table = vdpad_track_new(epoch, VDPAD_TRACK_MAX);
    k->dumps = -1;
    k->events = vdpad_track_open_events(&k->why);
    return k->events >= 0;
}

/* Without events there is no tracking: says so to each request. */
static void
refuse_all(const struct tracker *k)
{
    struct vdpad_wire_request request;
    struct vdpad_wire_reply reply;

    memset(&reply, 0, sizeof reply);
    reply.error = k->why.code;
    vdpad_text_copy(reply.text, sizeof reply.text, k->why.text);
    if (vdpad_worker_request(&request)) {
        (void) vdpad_worker_reply(&reply, NULL);
    }
}

static void
run(struct tracker *k)
{
    bool is_asked = false;

    while (sleep_until_due(k, &is_asked)) {
        int64_t now;

        read_events(k, MAX_BATCHES);
        if (is_asked && !serve(k)) {
            return;
        }
        now = now_ns();
        if (now >= refresh_ns(k)) {
            refresh(k);
            now = now_ns();
        }
        if ((k->changed | k->lost) && now >= k->told_ns + TELL_NS
            && !tell(k)) {
            return;
        }
    }
}

int
vdpad_track_main(void)
{
    struct tracker tracker = { .table = NULL };

    if (open_all(&tracker)) {
        run(&tracker);
        (void) close(tracker.events);
    } else {
        refuse_all(&tracker);
    }
    if (tracker.dumps >= 0) {
        (void) close(tracker.dumps);
    }
    vdpad_track_free(tracker.table);
    return EXIT_SUCCESS;
}
