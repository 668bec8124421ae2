/* SPDX-License-Identifier: Apache-2.0 */

/* What is lost between the kernel and the daemon: announcements, answers,
 * helper processes.  Each loss is counted, and what is unknown after it is
 * told as lost.
 *
 * wrap: vdpad_child_start vdpad_child_leave vdpad_child_reap
 * wrap: vdpad_child_forget vdpad_loop_clock_ns
 * wrap: socket setsockopt bind recvmsg */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vdpad/loop.h>
#include <vdpad/netlink-kernel.h>

#include "puppets.h"

#define SEC INT64_C(1000000000)
#define BIT(CLASS) (1u << (CLASS))
#define ROUTE_CLASSES \
    (BIT(VDPAD_LINK) | BIT(VDPAD_FEATURE) | BIT(VDPAD_QDISC) | BIT(VDPAD_FLOW))

static struct {
    struct vdpad_loop *loop;
    struct vdpad_kernel *kernel;
    unsigned int changed, lost;
    unsigned int n_observed, n_done;
    int error; /* Of the newest. */
    bool has_picture;
    char why[VDPAD_ERROR_TEXT];
} t;

static void
on_invalidated(void *aux, unsigned int mask, bool lost)
{
    (void) aux;
    *(lost ? &t.lost : &t.changed) |= mask;
}

static void
on_observed(void *aux, enum vdpad_class class_, int error,
            struct vdpad_picture *picture, const struct vdpad_error *why)
{
    (void) aux;
    (void) class_;
    t.n_observed++;
    t.error = error;
    t.has_picture = picture != NULL;
    (void) snprintf(t.why, sizeof t.why, "%s", error ? why->text : "");
}

static void
on_done(void *aux, const struct vdpad_act *act, int error,
        const struct vdpad_error *why)
{
    (void) aux;
    (void) act;
    t.n_done++;
    t.error = error;
    (void) snprintf(t.why, sizeof t.why, "%s", error ? why->text : "");
}

static void
on_turn(struct vdpad_loop *loop, void *turns)
{
    t.kernel->ops->run(t.kernel);
    if (--*(unsigned int *) turns) {
        vdpad_loop_wake_now(loop);
    } else {
        vdpad_loop_stop(loop);
    }
}

/* Takes a few turns: enough for what has come in. */
static void
turn(void)
{
    unsigned int turns = 3;

    vdpad_loop_set_turn(t.loop, on_turn, &turns);
    vdpad_loop_run(t.loop);
}

static void
pass(int64_t ns)
{
    puppets.now_ns += ns;
    turn();
}

static struct vdpad_kernel_stats
stats(void)
{
    struct vdpad_kernel_stats s;

    t.kernel->ops->stats(t.kernel, &s);
    return s;
}

static int
set_up(void **state)
{
    struct vdpad_error why;

    (void) state;
    memset(&t, 0, sizeof t);
    puppets_init(1000 * SEC);
    assert_int_equal(vdpad_loop_new(&t.loop), 0);
    assert_int_equal(vdpad_netlink_kernel_new(t.loop, NULL, &t.kernel, &why),
                     0);
    t.kernel->ops->subscribe(t.kernel, on_invalidated, NULL);
    turn();
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    for (size_t i = 0; i < MAX_PUPPETS; i++) {
        if (puppets.all[i].pid) {
            puppet_end(&puppets.all[i]);
        }
    }
    t.kernel->ops->destroy(t.kernel);
    vdpad_loop_free(t.loop);
    return 0;
}

static void
observe(enum vdpad_class class_)
{
    assert_int_equal(
        t.kernel->ops->observe(t.kernel, class_, on_observed, NULL), 0);
    turn();
}

static void
submit(enum vdpad_act_kind kind)
{
    struct vdpad_act act = { .kind = (int32_t) kind, .object = "eth0" };

    assert_int_equal(t.kernel->ops->submit(t.kernel, &act, 1, on_done, NULL),
                     0);
    turn();
}

/* The helper process of 'role' replies. */
static void
reply(const char *role, const struct vdpad_wire_reply *r, const void *rows)
{
    struct puppet *p = puppets_find(role, 0, false);

    assert_non_null(p);
    puppet_reply(p, r, rows);
    turn();
}

/* ENOBUFS. */
static void
event_sockets_overflow(void **state)
{
    (void) state;
    puppets.event_error[PUPPET_ROUTE] = ENOBUFS;
    turn();
    assert_int_equal(stats().overruns, 1);
    assert_int_equal(t.lost, ROUTE_CLASSES);
    t.lost = 0;
    puppets.event_error[PUPPET_UEVENT] = ENOBUFS;
    turn();
    assert_int_equal(stats().overruns, 2);
    assert_int_equal(t.lost, VDPAD_ALL_CLASSES);
    assert_int_equal(t.changed, 0);

    /* And goes on. */
    t.lost = 0;
    puppets.event[PUPPET_UEVENT] = "add@/devices/x\0SUBSYSTEM=vdpa";
    puppets.event_len[PUPPET_UEVENT] = sizeof "add@/devices/x\0SUBSYSTEM=vdpa";
    turn();
    assert_true(t.changed & BIT(VDPAD_VDPA));
    assert_int_equal(t.lost, 0);
}

/* Cut short by the socket, or not of the form of a message. */
static void
announcements_that_are_cut(void **state)
{
    static const struct {
        enum puppet_event event;
        size_t len;
        int flags;
        char bytes[24];
    } cases[] = {
        { PUPPET_ROUTE, 3, 0, "\x10" },
        { PUPPET_ROUTE, 16, 0, "\xff\xff\0\0\x10\0\0\0\0\0\0\0\0\0\0" },
        { PUPPET_ROUTE, 20, 0, "\x14\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0" },
        { PUPPET_ROUTE, 16, MSG_TRUNC, "\x10\0\0\0\x02\0\0\0\0\0\0\0\0\0\0" },
        { PUPPET_UEVENT, 4, 0, "add@" },
        { PUPPET_UEVENT, 5, 0, "hello" },
        { PUPPET_UEVENT, 15, MSG_TRUNC, "add@/devices/x" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum puppet_event e = cases[i].event;

        t.lost = 0;
        puppets.event[e] = cases[i].bytes;
        puppets.event_len[e] = cases[i].len;
        puppets.event_flags[e] = cases[i].flags;
        turn();
        assert_int_equal(stats().malformed, i + 1);
        assert_int_equal(t.lost, e == PUPPET_ROUTE ? ROUTE_CLASSES
                                                   : VDPAD_ALL_CLASSES);
    }
    assert_int_equal(stats().overruns, 0);
}

/* What the watcher of devlink and the tracker of filters could not see. */
static void
listening_helpers_overflow(void **state)
{
    struct vdpad_wire_reply r = { .overruns = 1,
                                  .classes = VDPAD_DEVLINK_CLASSES };

    (void) state;
    reply("watch", &r, NULL);
    assert_int_equal(stats().overruns, 1);
    assert_int_equal(t.lost, VDPAD_DEVLINK_CLASSES);
    t.lost = 0;
    r.overruns = 0;
    r.malformed = 1;
    reply("watch", &r, NULL);
    assert_int_equal(stats().malformed, 1);
    assert_int_equal(t.lost, VDPAD_DEVLINK_CLASSES);

    t.lost = t.changed = 0;
    observe(VDPAD_FLOW);
    r = (struct vdpad_wire_reply){ .is_unasked = 1,
                                   .overruns = 2,
                                   .lost = BIT(VDPAD_FLOW) };
    reply("track", &r, NULL);
    assert_int_equal(stats().overruns, 3);
    assert_int_equal(t.lost, BIT(VDPAD_FLOW));
    /* That was no answer. */
    assert_int_equal(t.n_observed, 0);
    r = (struct vdpad_wire_reply){ .size = 0 };
    reply("track", &r, NULL);
    assert_int_equal(t.n_observed, 1);
    assert_int_equal(t.error, 0);
}

/* A dump that was interrupted, or of which messages were lost or not
 * understood, is no picture; how often is told. */
static void
dumps_that_fail(void **state)
{
    static const struct {
        int error;
        uint64_t interrupted, malformed;
    } cases[] = {
        { -EAGAIN, 3, 0 },
        { -EAGAIN, 0, 0 }, /* ENOBUFS. */
        { -EBADMSG, 0, 1 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vdpad_wire_reply r = { .error = cases[i].error,
                                      .interrupted = cases[i].interrupted,
                                      .malformed = cases[i].malformed,
                                      .text = "dump of links" };
        struct vdpad_kernel_stats before = stats();

        observe(VDPAD_LINK);
        reply("route", &r, NULL);
        assert_int_equal(t.n_observed, i + 1);
        assert_int_equal(t.error, cases[i].error);
        assert_false(t.has_picture);
        assert_string_equal(t.why, "dump of links");
        assert_int_equal(stats().interrupted - before.interrupted,
                         cases[i].interrupted);
        assert_int_equal(stats().malformed - before.malformed,
                         cases[i].malformed);
    }
}

/* Helper processes that end before they have said all. */
static void
helpers_that_die(void **state)
{
    struct vdpad_wire_reply r = { .size = 2 * sizeof(struct vdpad_link) };
    struct puppet *p;

    (void) state;
    observe(VDPAD_LINK);
    p = puppets_find("route", 0, false);
    (void) send(p->fd, &r, sizeof r, MSG_NOSIGNAL);
    (void) send(p->fd, t.why, sizeof(struct vdpad_link), MSG_NOSIGNAL);
    puppet_end(p);
    turn();
    assert_int_equal(t.error, -EIO);
    assert_false(t.has_picture);
    assert_non_null(strstr(t.why, "ended without an answer"));

    /* The next request has another. */
    observe(VDPAD_LINK);
    r.size = 0;
    reply("route", &r, NULL);
    assert_int_equal(t.error, 0);
    assert_true(t.has_picture);

    /* Of those that listen, what they would have told is unknown.  Another
     * watcher comes after a pause. */
    assert_int_equal(t.lost, 0);
    puppet_end(puppets_find("watch", 0, false));
    turn();
    assert_int_equal(t.lost, VDPAD_DEVLINK_CLASSES);
    assert_null(puppets_find("watch", 0, false));
    pass(6 * SEC);
    assert_non_null(puppets_find("watch", 0, false));
    t.lost = 0;
    observe(VDPAD_FLOW);
    puppet_end(puppets_find("track", 0, false));
    turn();
    assert_int_equal(t.lost, VDPAD_TRACK_CLASSES);
    assert_int_equal(t.error, -EIO);
}

static void
on_queried(void *aux, int error, const struct vdpad_flow_detail *flows,
           size_t n, bool more, const struct vdpad_error *why)
{
    (void) aux;
    (void) flows;
    (void) n;
    (void) more;
    (void) why;
    t.n_done++;
    t.error = error;
}

/* Reads what the helper process of 'role' is asked for; returns whether it is
 * a probe, of a filter or of none. */
static bool
is_asked_to_probe(const char *role, bool has_at)
{
    const struct puppet *p = puppets_find(role, 0, false);
    struct vdpad_wire_request request;

    assert_non_null(p);
    assert_int_equal(recv(p->fd, &request, sizeof request, MSG_DONTWAIT),
                     sizeof request);
    return request.kind == VDPAD_REQUEST_QUERY
           && request.query.kind == VDPAD_QUERY_PROBE
           && request.query.has_at == has_at;
}

/* A helper process that ends in a probe, at once or when the kernel has let go
 * of it, may have left a copy of the filter: another one looks for it. */
static void
probes_that_do_not_end(void **state)
{
    const struct vdpad_flow_query query = { .kind = VDPAD_QUERY_PROBE,
                                            .has_at = true };

    (void) state;
    for (unsigned int i = 0; i < 2; i++) {
        bool hangs = i > 0;

        assert_int_equal(
            t.kernel->ops->query(t.kernel, &query, on_queried, NULL), 0);
        turn();
        assert_true(is_asked_to_probe("route", true));
        if (hangs) {
            pass(31 * SEC);
            assert_int_equal(t.error, -ETIMEDOUT);
            assert_null(puppets_find("route", 0, false));
            puppet_end(puppets_find("route", 0, true));
        } else {
            puppet_end(puppets_find("route", 0, false));
        }
        turn();
        assert_int_equal(t.n_done, i + 1);
        assert_int_equal(t.error, hangs ? -ETIMEDOUT : -EIO);
        assert_true(is_asked_to_probe("route", false));
        reply("route", &(struct vdpad_wire_reply){ .size = 0 }, NULL);
        assert_int_equal(t.n_done, i + 1);
    }
}

/* One helper process after the other hangs in the kernel.  There is an end to
 * that, which is told; who has come back makes room. */
static void
as_many_as_may_hang(void **state)
{
    const size_t max = VDPAD_MAX_STUCK;
    unsigned int n_pids;

    (void) state;
    /* Not one of generic netlink: the first of those that hangs keeps the
     * others. */
    for (size_t i = 0; i < max; i++) {
        submit(VDPAD_ACT_LINK_UP);
        assert_int_equal(t.n_done, i);
        pass(31 * SEC);
        assert_int_equal(t.n_done, i + 1);
        assert_int_equal(t.error, -ETIMEDOUT);
        assert_non_null(strstr(t.why, "link-up eth0: no answer"));
        assert_int_equal(t.kernel->ops->stuck(t.kernel, NULL, 0), i + 1);
    }
    assert_int_equal(stats().timeouts, max);
    n_pids = (unsigned int) puppets.n_pids;

    submit(VDPAD_ACT_LINK_UP);
    assert_int_equal(t.n_done, max + 1);
    /* Never sent, that is. */
    assert_int_equal(t.error, -ECOMM);
    assert_non_null(strstr(t.why, "32 helper processes hang in the kernel: no "
                                  "more are started"));
    observe(VDPAD_PCI);
    assert_int_equal(t.error, -ETIMEDOUT);
    assert_false(t.has_picture);
    assert_int_equal(puppets.n_pids, n_pids);
    assert_true(stats().workers <= max + 1);

    t.changed = 0;
    puppet_end(puppets_find("step", 0, true));
    turn();
    assert_int_equal(t.kernel->ops->stuck(t.kernel, NULL, 0), max - 1);
    assert_int_equal(t.changed, VDPAD_ALL_CLASSES);
    observe(VDPAD_PCI);
    reply("sysfs", &(struct vdpad_wire_reply){ .size = 0 }, NULL);
    assert_int_equal(t.error, 0);
    assert_true(t.has_picture);
}

/* What needs generic netlink is not sent while that hangs, neither by itself
 * nor behind another step. */
static void
generic_netlink_hangs(void **state)
{
    const struct vdpad_act acts[2] = {
        { .kind = VDPAD_ACT_LINK_UP, .object = "eth0" },
        { .kind = VDPAD_ACT_VDPA_ADD, .object = "vdpa0" },
    };

    (void) state;
    observe(VDPAD_VDPA);
    pass(11 * SEC);
    assert_int_equal(t.error, -ETIMEDOUT);
    observe(VDPAD_MGMTDEV);
    assert_int_equal(t.error, -ETIMEDOUT);
    submit(VDPAD_ACT_VDPA_ADD);
    assert_int_equal(t.error, -ECOMM);
    assert_non_null(strstr(t.why, "generic netlink has not answered since"));
    assert_null(puppets_find("step", 0, false));

    assert_int_equal(t.kernel->ops->submit(t.kernel, acts, 2, on_done, NULL),
                     0);
    turn();
    assert_int_equal(t.n_done, 1);
    reply("step", &(struct vdpad_wire_reply){ .error = 0 }, NULL);
    assert_int_equal(t.n_done, 3);
    assert_int_equal(t.error, -ECOMM);
}

/* Those of an earlier daemon, if there was any. */
static void
probes_of_an_earlier_daemon(void **state)
{
    char path[] = "/tmp/test-losses.XXXXXX";
    struct vdpad_netlink_options options = { .lock_path = path };
    struct vdpad_error why;
    int fd = mkstemp(path);

    (void) state;
    assert_true(fd >= 0);
    (void) close(fd);
    t.kernel->ops->destroy(t.kernel);
    puppets.n_sockets = 0;
    assert_int_equal(
        vdpad_netlink_kernel_new(t.loop, &options, &t.kernel, &why), 0);
    turn();
    assert_true(is_asked_to_probe("route", false));
    (void) unlink(path);
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(event_sockets_overflow),
        TEST(announcements_that_are_cut),
        TEST(listening_helpers_overflow),
        TEST(dumps_that_fail),
        TEST(helpers_that_die),
        TEST(probes_that_do_not_end),
        TEST(as_many_as_may_hang),
        TEST(generic_netlink_hangs),
        TEST(probes_of_an_earlier_daemon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
