/* SPDX-License-Identifier: Apache-2.0 */
/* The tracker when announcements are lost: that is counted and told, all is
 * looked at anew, and no picture is made of what may be out of date. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <netlink/msg.h>

#include "netlink/track-socket.h"
#include "netlink/uapi.h"
#include "netlink/watch.h"

#define IFINDEX 6

static int fake_receive(int fd, vdpad_nl_message_cb *cb, void *aux);
static int fake_dump(int fd, struct nl_msg *msg, int build_error,
                     vdpad_nl_message_cb *cb, void *aux,
                     vdpad_track_piece_fn *on_piece, bool *is_broken,
                     const char *what, struct vdpad_error *why);
static int fake_open(struct vdpad_error *why);
static bool fake_request(struct vdpad_wire_request *request);
static bool fake_reply(const struct vdpad_wire_reply *reply, const void *rows);
static int fake_gettime(clockid_t clock, struct timespec *now);

#undef fail /* Of cmocka's. */
#define vdpad_track_receive fake_receive
#define vdpad_track_dump fake_dump
#define vdpad_track_open_dumps fake_open
#define vdpad_track_open_events fake_open
#define vdpad_worker_request fake_request
#define vdpad_worker_reply fake_reply
#define clock_gettime fake_gettime
#include "netlink/track.c"

static struct {
    struct tracker k;
    int64_t now_ns;
    int received[4]; /* What receiving returns next, in this order. */
    size_t n_received, next_received;
    bool loses_always; /* While something is dumped. */
    bool is_dumping;
    int dump_error; /* Of the next dump. */
    unsigned int n_dumps;
    uint32_t n_filters;
    bool has_other_kind; /* A u32 filter before the last one. */
    struct vdpad_wire_reply reply;
    struct vdpad_flow flow;
} t;

static int
fake_gettime(clockid_t clock, struct timespec *now)
{
    assert_int_equal(clock, CLOCK_MONOTONIC);
    now->tv_sec = t.now_ns / SECOND_NS;
    now->tv_nsec = t.now_ns % SECOND_NS;
    return 0;
}

static int
fake_open(struct vdpad_error *why)
{
    (void) why;
    return 1000; /* No descriptor. */
}

static int
fake_receive(int fd, vdpad_nl_message_cb *cb, void *aux)
{
    (void) cb;
    (void) aux;
    assert_int_equal(fd, 1000);
    if (t.next_received < t.n_received) {
        return t.received[t.next_received++];
    }
    /* Once for each piece. */
    if (t.loses_always && t.is_dumping) {
        t.is_dumping = false;
        return -ENOBUFS;
    }
    return 0;
}

/* A message about the qdisc, or a filter, of the netdev. */
static int
hand_on(vdpad_nl_message_cb *cb, void *aux, uint16_t type, uint32_t handle)
{
    struct tcmsg header = { .tcm_ifindex = IFINDEX,
                            .tcm_handle = handle,
                            .tcm_parent = TC_H_MAKE(TC_H_CLSACT,
                                                    TC_H_MIN_INGRESS),
                            .tcm_info = TC_H_MAKE(2u << 16, 8) };
    struct nl_msg *msg = nlmsg_alloc();
    struct nlattr *nest;
    int error;

    assert_non_null(msg);
    assert_non_null(nlmsg_put(msg, 0, 0, type, 0, 0));
    assert_int_equal(nlmsg_append(msg, &header, sizeof header, 4), 0);
    if (type == RTM_NEWQDISC) {
        assert_int_equal(nla_put_string(msg, TCA_KIND, "ingress"), 0);
    } else {
        assert_int_equal(nla_put_string(msg, TCA_KIND, "flower"), 0);
        nest = nla_nest_start(msg, TCA_OPTIONS);
        assert_int_equal(
            nla_put_u32(msg, TCA_FLOWER_FLAGS, TCA_CLS_FLAGS_IN_HW), 0);
        nla_nest_end(msg, nest);
    }
    error = cb(aux, type, nlmsg_data(nlmsg_hdr(msg)),
               (size_t) nlmsg_datalen(nlmsg_hdr(msg)));
    nlmsg_free(msg);
    return error;
}

static int
fake_dump(int fd, struct nl_msg *msg, int build_error, vdpad_nl_message_cb *cb,
          void *aux, vdpad_track_piece_fn *on_piece_, bool *is_broken,
          const char *what, struct vdpad_error *why)
{
    const struct if_stats_msg stats = { .ifindex = IFINDEX };
    uint16_t type = nlmsg_hdr(msg)->nlmsg_type;
    bool is_terse = nlmsg_find_attr(nlmsg_hdr(msg), sizeof(struct tcmsg),
                                    TCA_DUMP_FLAGS);
    int error = t.dump_error;

    assert_int_equal(fd, 1000);
    assert_int_equal(build_error, 0);
    nlmsg_free(msg);
    t.n_dumps++;
    t.dump_error = 0;
    t.is_dumping = true;
    on_piece_(aux);
    *is_broken = false;
    if (type == RTM_GETQDISC) {
        assert_int_equal(hand_on(cb, aux, RTM_NEWQDISC, 1), 0);
    } else if (type == RTM_GETTFILTER) {
        for (uint32_t i = 1; i <= t.n_filters; i++) {
            if (t.has_other_kind && is_terse && i == t.n_filters) {
                error = -EMSGSIZE;
                break;
            }
            assert_int_equal(hand_on(cb, aux, RTM_NEWTFILTER, i), 0);
        }
    } else {
        assert_int_equal(cb(aux, RTM_NEWSTATS, &stats, sizeof stats), 0);
    }
    return error ? vdpad_error_set(why, error, "%s: failed", what) : 0;
}

static bool
fake_request(struct vdpad_wire_request *request)
{
    memset(request, 0, sizeof *request);
    request->kind = VDPAD_REQUEST_OBSERVE;
    request->class_ = VDPAD_FLOW;
    return true;
}

static bool
fake_reply(const struct vdpad_wire_reply *reply, const void *rows)
{
    t.reply = *reply;
    memset(&t.flow, 0, sizeof t.flow);
    if (reply->size) {
        assert_int_equal(reply->size, sizeof t.flow);
        memcpy(&t.flow, rows, sizeof t.flow);
    }
    return true;
}

/* Asks for a picture, for which all is dumped, or nothing. */
static void
observe_now(bool is_dumped)
{
    unsigned int before = t.n_dumps;

    assert_true(serve(&t.k));
    assert_int_equal(t.reply.is_unasked, 0);
    assert_int_equal(t.n_dumps > before, is_dumped);
}

static void
expect_flows(uint32_t n)
{
    assert_int_equal(t.reply.error, 0);
    assert_int_equal(t.flow.ifindex, n ? IFINDEX : 0);
    assert_int_equal(t.flow.hw_flows, n);
}

static int
set_up(void **state)
{
    (void) state;
    memset(&t, 0, sizeof t);
    t.now_ns = 1000 * SECOND_NS;
    assert_true(open_all(&t.k));
    t.n_filters = 2;
    observe_now(true);
    expect_flows(2);
    assert_int_equal(t.reply.overruns, 0);
    observe_now(false);
    expect_flows(2);
    assert_true(tell(&t.k));
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    vdpad_track_free(t.k.table);
    return 0;
}

static void
script(int first, int second)
{
    t.received[0] = first;
    t.received[1] = second;
    t.n_received = 2;
    t.next_received = 0;
}

/* What was lost may be anything: all that is there is dumped again, though it
 * has just been. */
static void
test_lost(void **state)
{
    (void) state;
    t.n_filters = 3;
    script(-ENOBUFS, 1);
    read_events(&t.k, MAX_BATCHES);
    /* What came behind it was read too. */
    assert_int_equal(t.next_received, t.n_received);
    assert_true(t.k.is_all_read);
    assert_true(tell(&t.k));
    assert_int_equal(t.reply.is_unasked, 1);
    assert_int_equal(t.reply.overruns, 1);
    assert_int_equal(t.reply.malformed, 0);
    assert_int_equal(t.reply.lost, 1u << VDPAD_FLOW | 1u << VDPAD_QDISC);
    assert_int_equal(t.reply.classes & t.reply.lost, t.reply.lost);
    observe_now(true);
    expect_flows(3);
    /* Once. */
    assert_int_equal(t.reply.overruns, 0);
    observe_now(false);
    assert_true(tell(&t.k));
    assert_int_equal(t.reply.lost, 0);
}

static void
test_malformed(void **state)
{
    (void) state;
    t.n_filters = 1;
    script(-EBADMSG, 0);
    observe_now(true);
    expect_flows(1);
    assert_int_equal(t.reply.malformed, 1);
    assert_int_equal(t.reply.overruns, 0);
    /* That of the filters the daemon knows by the picture. */
    assert_true(tell(&t.k));
    assert_int_equal(t.reply.lost, 1u << VDPAD_QDISC);
}

/* A call that was interrupted, or had something, loses nothing. */
static void
test_nothing_lost(void **state)
{
    (void) state;
    script(1, 1);
    observe_now(false);
    expect_flows(2);
    assert_true(tell(&t.k));
    assert_int_equal(t.reply.overruns + t.reply.malformed, 0);
    assert_int_equal(t.reply.lost, 0);
}

/* What was lost while it was dumped may be newer than the dump. */
static void
test_lost_meanwhile(void **state)
{
    (void) state;
    t.now_ns += 2 * SECOND_NS;
    t.loses_always = true;
    observe_now(true);
    assert_int_equal(t.reply.error, -EAGAIN);
    assert_int_equal(t.reply.size, 0);
    assert_non_null(strstr(t.reply.text, "announcements were lost meanwhile"));
    assert_true(t.reply.overruns > 1);
    t.loses_always = false;
    observe_now(true);
    expect_flows(2);
}

/* The dump's own socket overflows: it is made again. */
static void
test_dump_lost(void **state)
{
    (void) state;
    t.now_ns += 2 * SECOND_NS;
    t.n_filters = 5;
    t.dump_error = -ENOBUFS;
    observe_now(true);
    expect_flows(5);
    assert_int_equal(t.reply.overruns, 1);
}

/* A terse dump ends where there is a filter that has no such form. */
static void
test_other_kind(void **state)
{
    (void) state;
    t.has_other_kind = true;
    for (uint32_t n = 5; n > 3; n--) {
        t.now_ns += 2 * SECOND_NS;
        t.n_filters = n;
        observe_now(true);
        expect_flows(n);
    }
    observe_now(false);
    assert_int_equal(t.reply.overruns + t.reply.malformed, 0);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_lost),         TEST(test_malformed),
        TEST(test_nothing_lost), TEST(test_lost_meanwhile),
        TEST(test_dump_lost),    TEST(test_other_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
