/* SPDX-License-Identifier: Apache-2.0 */
/* What a helper process makes of the answer to a dump.  One that was lost,
 * interrupted or cut, that contradicts itself, or is none to this request
 * makes no picture; the error says so; and the next request is answered by its
 * own answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "transport-fixture.h"

#define FOREIGN_PORT 4711

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whole_dumps),       TEST(overruns),
        TEST(interrupted_dumps), TEST(cut_datagrams),
        TEST(wrong_lengths),     TEST(answers_to_others),
        TEST(wrong_ends),        TEST(messages_that_make_no_sense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
