/* SPDX-License-Identifier: Apache-2.0 */
/* What a helper process makes of the answers to its requests.  One that was
 * lost, interrupted or cut, that contradicts itself, or is none to this
 * request makes no picture; the error says so; and the next request is
 * answered by its own answer.
 *
 * wrap: uname */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/devlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <linux/vdpa.h>
#include <string.h>
#include <sys/utsname.h>

#include "netlink/observe.h"
#include "netlink/step.h"
#include "descriptors.h"
#include "netlink-answers.h"

#define FOREIGN_PORT 4711

static struct vdpad_observer observer;
static struct vdpad_rows rows;
static struct vdpad_error why;

static struct nlmsghdr *
add_link(int ifindex, uint16_t flags)
{
    struct {
        struct ifinfomsg header;
        struct rtattr attr;
        char name[8];
    } link = {
        .header = { .ifi_index = ifindex },
        .attr = { .rta_len = RTA_LENGTH(8), .rta_type = IFLA_IFNAME },
        .name = "eth0",
    };

    link.name[3] = (char) ('0' + ifindex % 10);
    return add(RTM_NEWLINK, NLM_F_MULTI | flags, &link, sizeof link);
}

/* A dump of links 1 to 'n'. */
static void
add_links(int n)
{
    for (int i = 1; i <= n; i++) {
        (void) add_datagram();
        (void) add_link(i, 0);
    }
    (void) add_datagram();
    add_done();
}

static size_t n_descriptors;

static int
set_up(void **state)
{
    (void) state;
    forget_datagrams();
    n_descriptors = count_descriptors();
    memset(&observer, 0, sizeof observer);
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    vdpad_observer_done(&observer);
    forget_datagrams();
    assert_int_equal(count_descriptors(), n_descriptors);
    return 0;
}

static int
observe(enum vdpad_class class_)
{
    observer.interrupted = observer.malformed = 0;
    memset(&why, 0, sizeof why);
    return vdpad_observe(&observer, class_, &rows, &why);
}

/* The dump of links fails with 'error'; the next one does not, on another
 * socket if the first may hold more of that answer. */
static void
check_failed(int error, const char *text, bool is_over)
{
    size_t n = count_descriptors();
    ino_t socket_before;

    assert_int_equal(observe(VDPAD_LINK), error);
    assert_null(rows.picture.rows);
    assert_int_equal(rows.picture.n, 0);
    assert_non_null(strstr(why.text, "link dump: "));
    assert_non_null(strstr(why.text, text));
    assert_int_equal(n_taken, n_datagrams);
    assert_int_equal(observer.malformed, error == -EBADMSG);
    socket_before = last_socket;

    forget_datagrams();
    add_links(3);
    assert_int_equal(observe(VDPAD_LINK), 0);
    assert_int_equal(rows.picture.n, 3);
    assert_int_equal(observer.malformed + observer.interrupted, 0);
    assert_int_equal(n_requests, 1);
    assert_int_equal(last_socket == socket_before, is_over);
    vdpad_rows_clear(&rows);
    /* One more at most: the first request opens the socket. */
    assert_true(count_descriptors() <= n + 1);
    forget_datagrams();
}

static void
whole_dumps(void **state)
{
    (void) state;
    add_links(7);
    /* Several to a datagram, and one of nothing. */
    (void) add_link(8, 0);
    assert_int_equal(observe(VDPAD_LINK), 0);
    assert_int_equal(rows.picture.n, 7);
    vdpad_rows_clear(&rows);

    forget_datagrams();
    (void) add_datagram();
    (void) add_link(1, 0);
    (void) add(NLMSG_NOOP, NLM_F_MULTI, NULL, 0);
    (void) add_link(2, 0);
    add_done();
    assert_int_equal(observe(VDPAD_LINK), 0);
    assert_int_equal(rows.picture.n, 2);
    vdpad_rows_clear(&rows);

    forget_datagrams();
    add_error(EINTR); /* A signal. */
    add_links(0);
    assert_int_equal(observe(VDPAD_LINK), 0);
    assert_int_equal(rows.picture.n, 0);
    vdpad_rows_clear(&rows);
}

/* Asked for again by the daemon. */
static void
overruns(void **state)
{
    (void) state;
    /* At once, and in the middle. */
    add_error(ENOBUFS);
    check_failed(-EAGAIN, strerror(ENOBUFS), false);
    (void) add_datagram();
    (void) add_link(1, 0);
    add_error(ENOBUFS);
    check_failed(-EAGAIN, strerror(ENOBUFS), false);
    /* As a message. */
    (void) add_datagram();
    (void) add_link(1, 0);
    (void) add(NLMSG_OVERRUN, NLM_F_MULTI, NULL, 0);
    check_failed(-EAGAIN, strerror(ENOBUFS), false);
    /* The kernel lacked memory; such a dump is not over. */
    (void) add_datagram();
    (void) add_number(NLMSG_ERROR, 0, -ENOBUFS);
    check_failed(-EAGAIN, strerror(ENOBUFS), false);
    assert_int_equal(observer.interrupted, 0);
}

/* Repeated, a few times. */
static void
interrupted_dumps(void **state)
{
    (void) state;
    for (int i = 0; i < 4; i++) {
        (void) add_datagram();
        (void) add_link(1, i ? 0 : NLM_F_DUMP_INTR);
        (void) add_datagram();
        (void) add_number(NLMSG_DONE, NLM_F_MULTI | (i ? NLM_F_DUMP_INTR : 0),
                          0);
    }
    assert_int_equal(observe(VDPAD_LINK), -EAGAIN);
    assert_int_equal(observer.interrupted, 4);
    assert_int_equal(n_requests, 4);
    assert_null(rows.picture.rows);
    assert_string_equal(why.text, "link dump: changed meanwhile");

    forget_datagrams();
    (void) add_datagram();
    (void) add_link(1, NLM_F_DUMP_INTR);
    (void) add_link(1, 0);
    add_done();
    add_links(2);
    assert_int_equal(observe(VDPAD_LINK), 0);
    assert_int_equal(observer.interrupted, 1);
    assert_int_equal(n_requests, 2);
    assert_int_equal(rows.picture.n, 2);
    vdpad_rows_clear(&rows);

    /* Lost and interrupted is lost. */
    forget_datagrams();
    (void) add_datagram();
    (void) add_link(1, NLM_F_DUMP_INTR);
    add_error(ENOBUFS);
    check_failed(-EAGAIN, strerror(ENOBUFS), false);
}

/* Longer than there is room for. */
static void
cut_datagrams(void **state)
{
    static const char long_text[70000];

    (void) state;
    (void) add_datagram();
    (void) add_link(1, 0);
    (void) add_datagram();
    /* What fits is a whole message. */
    (void) add_link(2, 0);
    (void) add(RTM_NEWLINK, NLM_F_MULTI, long_text, sizeof long_text);
    check_failed(-EBADMSG, strerror(EBADMSG), false);
}

/* Lengths that do not add up; what was before and comes behind is sound. */
static void
wrong_lengths(void **state)
{
    static const struct {
        uint32_t len;
        size_t cut; /* Bytes off the end of the datagram. */
    } cases[] = {
        { 0, 0 },      { 15, 0 },           { 100, 0 },
        { 0xffff, 0 }, { UINT32_MAX, 0 },   { INT32_MAX, 0 },
        { 8, 0 },      { NLMSG_HDRLEN, 1 }, { NLMSG_HDRLEN, 15 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void) add_datagram();
        (void) add_link(1, 0);
        add(NLMSG_NOOP, NLM_F_MULTI, NULL, 0)->nlmsg_len = cases[i].len;
        datagrams[0].size -= cases[i].cut;
        check_failed(-EBADMSG, strerror(EBADMSG), false);
    }
}

static void
answers_to_others(void **state)
{
    (void) state;
    /* To an earlier request, or a later one; to another socket.  Even if it is
     * the end. */
    for (int i = 0; i < 6; i++) {
        struct nlmsghdr *header;

        (void) add_datagram();
        (void) add_link(1, 0);
        (void) add_datagram();
        header = i % 2 ? add_link(2, 0)
                       : add_number(NLMSG_DONE, NLM_F_MULTI, 0);
        if (i / 2 < 2) {
            header->nlmsg_seq += i / 2 ? 1 : UINT32_MAX;
        } else {
            header->nlmsg_pid++;
        }
        check_failed(-EBADMSG, strerror(EBADMSG), false);
    }

    /* What another process sends is as if it were not there, whatever it
     * is. */
    (void) add_datagram();
    (void) add_link(9, 0);
    (void) add_datagram();
    add_done();
    (void) add_datagram();
    add_link(9, 0)->nlmsg_len = 99;
    (void) add_datagram();
    (void) add_number(NLMSG_ERROR, 0, -EPERM);
    for (size_t i = 0; i < n_datagrams; i++) {
        datagrams[i].sender = FOREIGN_PORT;
    }
    add_links(2);
    assert_int_equal(observe(VDPAD_LINK), 0);
    assert_int_equal(rows.picture.n, 2);
    assert_int_equal(VDPAD_ROWS(&rows.picture, vdpad_link)[0].ifindex, 1);
    assert_int_equal(n_requests, 1);
    vdpad_rows_clear(&rows);
}

/* Ends that are none. */
static void
wrong_ends(void **state)
{
    static const struct {
        uint16_t type;
        int32_t number;
        int error;
        bool is_over;
    } cases[] = {
        { NLMSG_ERROR, 0, -EBADMSG, false }, /* An acknowledgement. */
        { NLMSG_ERROR, 1, -EBADMSG, false },
        { NLMSG_ERROR, -4096, -EBADMSG, false },
        { NLMSG_ERROR, INT32_MIN, -EBADMSG, false },
        { NLMSG_DONE, -4096, -EBADMSG, false },
        { NLMSG_DONE, INT32_MIN, -EBADMSG, false },
        { NLMSG_DONE, -EMSGSIZE, -EMSGSIZE, true }, /* The kernel's own. */
        { NLMSG_ERROR, -EPERM, -EPERM, true },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void) add_datagram();
        (void) add_link(1, 0);
        (void) add_number(cases[i].type, NLM_F_MULTI, cases[i].number);
        check_failed(cases[i].error, strerror(-cases[i].error),
                     cases[i].is_over);
    }
    /* Too short for a number. */
    (void) add_datagram();
    (void) add(NLMSG_ERROR, 0, NULL, 0);
    check_failed(-EBADMSG, strerror(EBADMSG), false);
}

/* A message that is whole but that its decoder refuses: the dump is read to
 * its end. */
static void
messages_that_make_no_sense(void **state)
{
    (void) state;
    (void) add_datagram();
    (void) add(RTM_NEWLINK, NLM_F_MULTI, "hello", 5);
    (void) add_link(2, 0);
    (void) add_datagram();
    add_done();
    check_failed(-EBADMSG, strerror(EBADMSG), true);
}

/* Requests that are no dumps end with an acknowledgement, and with nothing
 * else. */
static void
steps(void **state)
{
    static const struct {
        uint16_t type;
        int32_t number;
        uint32_t seq;
        int error;
    } cases[] = {
        { NLMSG_ERROR, 0, 0, 0 },
        { NLMSG_ERROR, -EBUSY, 0, -EBUSY },
        { NLMSG_ERROR, 0, 1, -EBADMSG },
        { NLMSG_DONE, 0, 0, -EBADMSG },
        { NLMSG_ERROR, -ENOBUFS, 0, -ENOBUFS },
    };
    struct vdpad_nl nl = { .sock = NULL };

    (void) state;
    assert_int_equal(vdpad_nl_open(&nl, NETLINK_ROUTE, &why), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void) add_datagram();
        (void) add_link(1, 0);
        (void) add_datagram();
        add_number(cases[i].type, 0, cases[i].number)->nlmsg_seq =
            cases[i].seq;
        assert_int_equal(vdpad_nl_call(&nl, vdpad_nl_msg(RTM_DELLINK, 0), 0,
                                       NULL, NULL, &why, "step"),
                         cases[i].error);
        assert_int_equal(n_taken, 2);
        assert_true(request.nlmsg_flags & NLM_F_ACK);
        forget_datagrams();
    }
    vdpad_nl_close(&nl);
}

/* Whether a step was done is not known when its answer is lost; what the
 * kernel says of it is never taken for that. */
static void
answers_to_steps(void **state)
{
    static const struct {
        uint16_t type;
        int32_t number;
        int error;
    } cases[] = {
        { NLMSG_ERROR, 0, 0 },
        { NLMSG_ERROR, -EBUSY, -EBUSY },
        { NLMSG_ERROR, -EIO, -EREMOTEIO },
        { NLMSG_ERROR, -ETIMEDOUT, -EREMOTEIO },
        { NLMSG_ERROR, -ECANCELED, -EREMOTEIO },
        { NLMSG_ERROR, -ECOMM, -EREMOTEIO },
        { NLMSG_OVERRUN, 0, -EIO },
        { NLMSG_DONE, 0, -EIO },
    };
    struct vdpad_act act = {
        .kind = VDPAD_ACT_LINK_UP,
        .ifindex = 1,
        .number = 1,
        .object = "eth1",
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void) add_datagram();
        (void) add_link(1, 0);
        (void) add_datagram();
        (void) add_number(NLMSG_ERROR, 0, 0);
        (void) add_datagram();
        (void) add_number(cases[i].type, 0, cases[i].number);
        observer.malformed = 0;
        assert_int_equal(vdpad_step(&observer, &act, &why), cases[i].error);
        assert_true(!cases[i].error || why.code == cases[i].error);
        assert_true(!cases[i].number
                    || strstr(why.text, strerror(-cases[i].number)));
        assert_int_equal(observer.malformed, cases[i].type == NLMSG_DONE);
        assert_int_equal(n_taken, n_datagrams);
        forget_datagrams();
    }
}

static void
add_qdisc(int ifindex)
{
    const struct {
        struct tcmsg header;
        struct rtattr attr;
        char kind[8];
    } qdisc = {
        .header = { .tcm_ifindex = ifindex, .tcm_parent = TC_H_INGRESS },
        .attr = { .rta_len = RTA_LENGTH(8), .rta_type = TCA_KIND },
        .kind = "ingress",
    };

    (void) add_datagram();
    (void) add(RTM_NEWQDISC, NLM_F_MULTI, &qdisc, sizeof qdisc);
    (void) add_datagram();
    add_done();
}

/* A qdisc that the second look does not find may have a block with filters of
 * others: it is not deleted. */
static void
qdisc_that_a_dump_lacks(void **state)
{
    struct vdpad_act act = {
        .kind = VDPAD_ACT_QDISC_DEL,
        .ifindex = 1,
        .number = 1,
        .object = "eth1",
    };

    (void) state;
    (void) add_datagram();
    (void) add_link(1, 0);
    (void) add_datagram();
    (void) add_number(NLMSG_ERROR, 0, 0);
    add_qdisc(1);
    add_qdisc(2);
    assert_int_equal(vdpad_step(&observer, &act, &why), -EINTR);
    assert_int_equal(n_taken, n_datagrams);
    assert_non_null(strstr(why.text, "qdisc"));
}

/* A picture that takes several requests is none when one of them got lost,
 * also if it could do without what a driver does not tell. */
static void
lost_details(void **state)
{
    enum { FAMILY = 0x21 };
    struct {
        struct genlmsghdr genl;
        struct nlattr bus_attr;
        char bus[4];
        struct nlattr dev_attr;
        char dev[16];
    } device = {
        .genl = { .cmd = DEVLINK_CMD_NEW },
        .bus_attr = { .nla_len = 8, .nla_type = DEVLINK_ATTR_BUS_NAME },
        .bus = "pci",
        .dev_attr = { .nla_len = 20, .nla_type = DEVLINK_ATTR_DEV_NAME },
        .dev = "0000:01:00.0",
    };

    (void) state;
    for (int i = 0; i < 3; i++) {
        add_family("devlink", FAMILY);
        (void) add_datagram();
        device.genl.cmd = DEVLINK_CMD_NEW;
        (void) add(FAMILY, NLM_F_MULTI, &device, sizeof device);
        (void) add_datagram();
        add_done();
        device.genl.cmd = DEVLINK_CMD_ESWITCH_GET;
        add_answer(FAMILY, &device, sizeof device);
        if (i == 0) {
            add_error(ENOBUFS);
        } else {
            /* The driver does not tell; it does. */
            (void) add_datagram();
            (void) add_number(NLMSG_ERROR, 0, i == 1 ? -EOPNOTSUPP : 0);
        }
        assert_int_equal(observe(VDPAD_ESWITCH), i ? 0 : -EAGAIN);
        assert_int_equal(rows.picture.n, i ? 1 : 0);
        assert_int_equal(n_taken, n_datagrams);
        if (!i) {
            assert_non_null(strstr(why.text, "devlink info of "
                                             "pci/0000:01:00.0"));
        }
        vdpad_rows_clear(&rows);
        forget_datagrams();
    }
}

/* A kernel that may be asked for the configuration of vDPA devices. */
int __wrap_uname(struct utsname *name);
int
__wrap_uname(struct utsname *name)
{
    *name = (struct utsname){ .release = "6.12.0" };
    return 0;
}

/* What is known of a vDPA device, and whether somebody drives it. */
static void
lost_configurations(void **state)
{
    enum { FAMILY = 0x21 };
    static const struct {
        struct genlmsghdr genl;
        struct nlattr name_attr;
        char name[8];
        struct nlattr id_attr;
        uint32_t id;
    } device = {
        .genl = { .cmd = VDPA_CMD_DEV_NEW },
        .name_attr = { .nla_len = 12, .nla_type = VDPA_ATTR_DEV_NAME },
        .name = "vdpa0",
        .id_attr = { .nla_len = 8, .nla_type = VDPA_ATTR_DEV_ID },
        .id = 1,
    };
    static const struct {
        struct genlmsghdr genl;
        struct nlattr attr;
        uint64_t features;
    } config = {
        .genl = { .cmd = VDPA_CMD_DEV_CONFIG_GET },
        .attr = { .nla_len = 12,
                  .nla_type = VDPA_ATTR_DEV_NEGOTIATED_FEATURES },
        .features = 0x4321,
    };
    static const struct {
        int error;      /* Of the answer, … */
        int picture;    /* … of the picture, … */
        int negotiated; /* … and of the question. */
    } cases[] = {
        { 0, 0, 0 },
        { -EOPNOTSUPP, 0, 0 }, /* The driver does not tell. */
        { -ENOBUFS, -EAGAIN, -ENOBUFS },
        { -EBADMSG, 0, -EBADMSG },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int is_picture = 0; is_picture <= 1; is_picture++) {
            uint64_t features = 1;

            add_family("vdpa", FAMILY);
            if (is_picture) {
                (void) add_datagram();
                (void) add(FAMILY, NLM_F_MULTI, &device, sizeof device);
                add_done();
            }
            if (cases[i].error == -ENOBUFS) {
                add_error(ENOBUFS);
            } else if (cases[i].error == -EBADMSG) {
                (void) add_datagram();
                (void) add(FAMILY, 0, &config, sizeof config - 1);
                (void) add_number(NLMSG_ERROR, 0, 0);
            } else if (cases[i].error) {
                (void) add_datagram();
                (void) add_number(NLMSG_ERROR, 0, cases[i].error);
            } else {
                add_answer(FAMILY, &config, sizeof config);
            }
            if (is_picture) {
                assert_int_equal(observe(VDPAD_VDPA), cases[i].picture);
                assert_int_equal(rows.picture.n, !cases[i].picture);
                assert_true(
                    cases[i].picture
                    || VDPAD_ROWS(&rows.picture, vdpad_vdpa)->has_config
                           == !cases[i].error);
                assert_int_equal(observer.malformed,
                                 cases[i].error == -EBADMSG);
                vdpad_rows_clear(&rows);
            } else {
                assert_int_equal(vdpad_observe_negotiated(&observer, "vdpa0",
                                                          &features, &why),
                                 cases[i].negotiated);
                assert_int_equal(features, cases[i].error ? 0 : 0x4321);
            }
            assert_int_equal(n_taken, n_datagrams);
            forget_datagrams();
        }
    }
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whole_dumps),
        TEST(overruns),
        TEST(interrupted_dumps),
        TEST(cut_datagrams),
        TEST(wrong_lengths),
        TEST(answers_to_others),
        TEST(wrong_ends),
        TEST(messages_that_make_no_sense),
        TEST(steps),
        TEST(answers_to_steps),
        TEST(qdisc_that_a_dump_lacks),
        TEST(lost_details),
        TEST(lost_configurations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
