/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's side of the kernel adapter, beside helper processes that say
 * whatever they like, and die or hang, and a kernel that announces whatever it
 * likes, and loses it.  The input is a sequence of records, one in each turn:
 * a byte that says what happens (enum what), a byte that says to whom, a byte
 * with the length, and that many bytes.
 *
 * What came of a request is whole.  Behind the input, the helpers all end, or
 * all hang, which is up to its length: then each request has ended once.  When
 * those that hang have ended too, nothing hangs any more, and the next request
 * of each kind is asked of a helper anew.
 *
 * wrap: vdpad_child_start vdpad_child_leave vdpad_child_reap
 * wrap: vdpad_child_forget vdpad_loop_clock_ns
 * wrap: socket setsockopt bind recvmsg */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <vdpad/loop.h>
#include <vdpad/netlink-kernel.h>

#include "netlink/kernel-private.h"
#include "puppets.h"
#include "fuzz.h"

#define SEC_NS INT64_C(1000000000)
enum what {
    OBSERVE, /* Of the class 'whom'. */
    STEPS,   /* As many as there are bytes, which are their kinds. */
    QUERY,   /* Of the kind 'whom'. */
    REPLY,   /* Of the helper 'whom': see make_reply(). */
    BYTES,   /* Of the helper 'whom'. */
    DIE,     /* The helper 'whom' does. */
    END,     /* One that was given up does. */
    TIME,    /* As many seconds pass as there are bytes. */
    ROUTE,   /* An announcement, of links, … */
    UEVENT,  /* … of devices. */
    LOSE,    /* Announcements are lost; 'whom': of which. */
    N_WHATS
};

/* No request takes longer than this, see vdpad_job_deadline_ns(). */
#define GIVE_UP_NS (200 * SEC_NS)

enum phase {
    INPUT,
    SETTLE, /* Nothing new is asked for. */
    LET_GO, /* Everything has ended, only helpers may hang. */
    AFRESH, /* Each request is answered. */
};

static struct {
    const uint8_t *data;
    size_t size;
    struct vdpad_loop *loop;
    struct vdpad_kernel *kernel;
    unsigned int observing;
    size_t n_steps, n_queries;
    enum phase phase;
    bool is_hung;   /* Helpers hang at the end. */
    size_t turns;   /* Left for this phase. */
    size_t n_asked; /* Queries so far: a probe may have a sweep behind it. */
} f;

static void
check_why(int error, const struct vdpad_error *why)
{
    CHECK(!error || memchr(why->text, '\0', sizeof why->text));
}

static void
on_observed(void *aux, enum vdpad_class class_, int error,
            struct vdpad_picture *picture, const struct vdpad_error *why)
{
    unsigned int sum = 0;

    (void) aux;
    CHECK(f.observing & 1u << class_);
    f.observing &= ~(1u << class_);
    CHECK(!error || f.phase != AFRESH);
    check_why(error, why);
    CHECK(!error == !!picture);
    if (picture) {
        CHECK(picture->class_ == class_);
        CHECK(picture->row_size == vdpad_row_size(class_));
        for (size_t i = 0; i < picture->n * picture->row_size; i++) {
            sum += ((const uint8_t *) picture->rows)[i];
        }
        CHECK(sum != UINT32_MAX);
    }
}

static void
on_done(void *aux, const struct vdpad_act *act, int error,
        const struct vdpad_error *why)
{
    (void) aux;
    CHECK(f.n_steps > 0);
    f.n_steps--;
    CHECK(!error || f.phase != AFRESH);
    CHECK(act->kind >= 0 && act->kind < VDPAD_ACT_N);
    check_why(error, why);
}

static void
on_queried(void *aux, int error, const struct vdpad_flow_detail *flows,
           size_t n, bool more, const struct vdpad_error *why)
{
    unsigned int sum = more;

    (void) aux;
    CHECK(f.n_queries > 0);
    f.n_queries--;
    CHECK(!error || f.phase != AFRESH);
    check_why(error, why);
    CHECK(!error || !n);
    for (size_t i = 0; i < n * sizeof *flows; i++) {
        sum += ((const uint8_t *) flows)[i];
    }
    CHECK(sum != UINT32_MAX);
}

static void
on_invalidated(void *aux, unsigned int mask, bool lost)
{
    (void) aux;
    (void) lost;
    CHECK(mask && !(mask & ~VDPAD_ALL_CLASSES));
}

static void
observe(enum vdpad_class class_)
{
    bool was_asked = f.observing & 1u << class_;
    int error = f.kernel->ops->observe(f.kernel, class_, on_observed, NULL);

    CHECK(error == (was_asked ? -EBUSY : 0));
    f.observing |= 1u << class_;
}

static void
submit(const uint8_t *data, size_t len)
{
    struct vdpad_act acts[8];

    len = len < 8 ? len : 8;
    memset(acts, 0, sizeof acts);
    for (size_t i = 0; i < len; i++) {
        acts[i].kind = data[i] % VDPAD_ACT_N;
        strcpy(acts[i].object, "vdpa:0000:65:00.2");
    }
    f.n_steps += len;
    CHECK(!f.kernel->ops->submit(f.kernel, acts, len, on_done, NULL));
}

static void
query(uint8_t kind)
{
    struct vdpad_flow_query q = { .kind = kind % 3, .has_at = true };

    f.n_queries++;
    f.n_asked++;
    CHECK(!f.kernel->ops->query(f.kernel, &q, on_queried, NULL));
}

/* Sends a reply whose head is in the bytes: error, whether there is more,
 * whether it is unasked, its classes, those lost, how many rows, how many
 * bytes beside, the class of the rows, a character of the text, whether it is
 * cut short; the rest, over and over, is in the rows. */
static void
make_reply(const struct puppet *h, const uint8_t *data, size_t len)
{
    uint8_t head[12] = { 0 };
    struct vdpad_wire_reply reply;
    size_t row_size;
    uint8_t *rows;

    memcpy(head, data, len < sizeof head ? len : sizeof head);
    memset(&reply, 0, sizeof reply);
    reply.error = -head[0];
    reply.more = head[1] & 1;
    reply.is_unasked = head[2] & 1;
    reply.overruns = head[2] >> 4;
    reply.malformed = head[1] >> 4;
    reply.classes = head[3] | (uint32_t) head[4] << 8;
    reply.lost = head[5] | (uint32_t) head[6] << 8;
    row_size = head[9] % (VDPAD_N_CLASSES + 1) == VDPAD_N_CLASSES
                   ? sizeof(struct vdpad_flow_detail)
                   : vdpad_row_size(
                       (enum vdpad_class)(head[9] % VDPAD_N_CLASSES));
    reply.size = head[7] * row_size + head[8];
    memset(reply.text, head[10], sizeof reply.text);
    (void) send(h->fd, &reply, sizeof reply, MSG_NOSIGNAL);
    rows = calloc(1, reply.size + 1);
    CHECK(rows);
    for (size_t i = 0; len > sizeof head && i < reply.size; i++) {
        rows[i] = data[sizeof head + i % (len - sizeof head)];
    }
    /* Perhaps not all of it. */
    (void) send(h->fd, rows, head[11] & 1 ? reply.size / 2 : reply.size,
                MSG_NOSIGNAL);
    free(rows);
}

static void
act(enum what what, uint8_t whom, const uint8_t *data, size_t len)
{
    struct puppet *h = puppets_find(NULL, whom, what == END);

    switch (what) {
    case OBSERVE:
        observe((enum vdpad_class)(whom % VDPAD_N_CLASSES));
        break;
    case STEPS:
        submit(data, len);
        break;
    case QUERY:
        query(whom);
        break;
    case REPLY:
        if (h) {
            make_reply(h, data, len);
        }
        break;
    case BYTES:
        if (h) {
            (void) send(h->fd, data, len, MSG_NOSIGNAL);
        }
        break;
    case DIE:
    case END:
        if (h) {
            puppet_end(h);
        }
        break;
    case TIME:
        puppets.now_ns += (int64_t) len * SEC_NS;
        break;
    case ROUTE:
    case UEVENT:
        puppets.event[what == UEVENT] = data;
        puppets.event_len[what == UEVENT] = len;
        break;
    case LOSE:
    case N_WHATS:
    default:
        puppets.event_error[whom & 1] = ENOBUFS;
        break;
    }
}

static void
enter(enum phase phase, size_t turns)
{
    f.phase = phase;
    f.turns = turns;
}

static void
end_all(void)
{
    for (size_t i = 0; i < MAX_PUPPETS; i++) {
        if (puppets.all[i].pid) {
            puppet_end(&puppets.all[i]);
        }
    }
}

/* Takes the next record.  Returns false when there is none. */
static bool
take_record(void)
{
    size_t len;

    if (f.size < 3) {
        return false;
    }
    len = f.data[2] < f.size - 3 ? f.data[2] : f.size - 3;
    act((enum what)(f.data[0] % N_WHATS), f.data[1], f.data + 3, len);
    f.data += 3 + len;
    f.size -= 3 + len;
    return true;
}

static void
begin_settling(void)
{
    if (f.is_hung) {
        /* Rounds of the pool until too many hang. */
        enter(SETTLE, VDPAD_MAX_STUCK / VDPAD_POOL_SIZE + 4);
    } else {
        /* All wait for one lane at worst, and a helper ends in one turn and is
         * missed in the next. */
        enter(SETTLE, 2 * (f.n_steps + f.n_asked + VDPAD_N_CLASSES) + 8);
        end_all();
    }
    puppets.now_ns += GIVE_UP_NS;
}

static bool
is_waiting(void)
{
    return f.observing || f.n_steps || f.n_queries;
}

/* Everything asked for ends, whatever the helpers do. */
static void
settle(void)
{
    if (!is_waiting()) {
        enter(LET_GO, 8);
    } else if (f.is_hung) {
        puppets.now_ns += GIVE_UP_NS;
    } else {
        end_all();
    }
}

static void
let_go(void)
{
    end_all();
    if (!f.kernel->ops->stuck(f.kernel, NULL, 0)) {
        for (int i = 0; i < VDPAD_N_CLASSES; i++) {
            observe((enum vdpad_class) i);
        }
        submit((const uint8_t[]){ VDPAD_ACT_NUMVFS, VDPAD_ACT_VDPA_DEL }, 2);
        query(VDPAD_QUERY_TC);
        query(VDPAD_QUERY_DATAPATH);
        enter(AFRESH, 2 * (f.n_asked + VDPAD_N_CLASSES) + 8);
    }
}

/* Whoever is asked has nothing to tell. */
static void
answer_all(void)
{
    struct vdpad_wire_reply reply;

    memset(&reply, 0, sizeof reply);
    for (size_t i = 0; i < MAX_PUPPETS; i++) {
        const struct puppet *h = &puppets.all[i];
        struct vdpad_wire_request request;

        if (h->pid && h->fd >= 0
            && recv(h->fd, &request, sizeof request, MSG_DONTWAIT)
                   == (ssize_t) sizeof request) {
            puppet_reply(h, &reply, NULL);
        }
    }
}

static void
on_turn(struct vdpad_loop *loop, void *aux)
{
    struct vdpad_kernel_stats stats;

    (void) aux;
    f.kernel->ops->run(f.kernel);
    f.kernel->ops->wait(f.kernel);
    f.kernel->ops->stats(f.kernel, &stats);
    /* No more are started then, but all that are at work may come to hang. */
    CHECK(f.kernel->ops->stuck(f.kernel, NULL, 0)
          < VDPAD_MAX_STUCK + VDPAD_POOL_SIZE + VDPAD_N_LANES);
    CHECK(stats.workers <= VDPAD_MAX_STUCK * 2 + VDPAD_POOL_SIZE + 8);
    CHECK(f.phase == INPUT || f.turns-- > 0);
    if (f.phase == INPUT) {
        if (!take_record()) {
            begin_settling();
        }
    } else if (f.phase == SETTLE) {
        settle();
    } else if (f.phase == LET_GO) {
        let_go();
    } else if (is_waiting()) {
        answer_all();
    } else {
        vdpad_loop_stop(loop);
        return;
    }
    vdpad_loop_wake_now(loop);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vdpad_loop *loop;
    struct vdpad_error why;

    memset(&f, 0, sizeof f);
    f.data = data;
    f.size = size;
    f.is_hung = size & 1;
    puppets_init(1000 * SEC_NS);
    CHECK(loop || !vdpad_loop_new(&loop));
    CHECK(!vdpad_netlink_kernel_new(loop, NULL, &f.kernel, &why));
    f.kernel->ops->subscribe(f.kernel, on_invalidated, NULL);
    vdpad_loop_set_turn(loop, on_turn, NULL);
    vdpad_loop_run(loop);
    end_all();
    f.kernel->ops->destroy(f.kernel);
    for (size_t i = 0; i < MAX_PUPPETS; i++) {
        CHECK(!puppets.all[i].pid);
    }
    return 0;
}
