/* SPDX-License-Identifier: Apache-2.0 */
/* What the tracker's sockets bring: datagrams that are cut short, too long,
 * contradict themselves or come from elsewhere are refused, and said to be;
 * the sound ones beside them are handed on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink/uapi.h"

static int fake_recvmmsg(int fd, struct mmsghdr *msgs, unsigned int n,
                         int flags, struct timespec *timeout);
static ssize_t fake_recvmsg(int fd, struct msghdr *msg, int flags);
static ssize_t fake_sendto(int fd, const void *data, size_t size, int flags,
                           const struct sockaddr *to, socklen_t to_size);

#undef fail /* Of cmocka's. */
#define recvmmsg fake_recvmmsg
#define recvmsg fake_recvmsg
#define sendto fake_sendto
#include "netlink/track-socket.c"

/* Datagrams that are to come. */
static struct datagram {
    char data[512];
    size_t size;
    uint32_t sender;
    bool is_cut; /* There was more than there was room for. */
    int error;   /* Instead: of receiving. */
} datagrams[8];
static size_t n_datagrams, n_taken, n_messages;
static uint32_t request_seq;
static uint16_t types[16];

static void
hand_over(struct msghdr *msg, const struct datagram *d)
{
    struct sockaddr_nl *from = msg->msg_name;

    assert_true(d->size <= msg->msg_iov[0].iov_len);
    memcpy(msg->msg_iov[0].iov_base, d->data, d->size);
    memset(from, 0, sizeof *from);
    from->nl_pid = d->sender;
    msg->msg_flags = d->is_cut ? MSG_TRUNC : 0;
}

static int
fake_recvmmsg(int fd, struct mmsghdr *msgs, unsigned int n, int flags,
              struct timespec *timeout)
{
    unsigned int i = 0;

    (void) fd;
    (void) flags;
    (void) timeout;
    if (n_taken < n_datagrams && datagrams[n_taken].error) {
        errno = datagrams[n_taken++].error;
        return -1;
    }
    /* An error is for the next call. */
    for (; i < n && n_taken < n_datagrams && !datagrams[n_taken].error;
         i++, n_taken++) {
        hand_over(&msgs[i].msg_hdr, &datagrams[n_taken]);
        msgs[i].msg_len = (unsigned int) datagrams[n_taken].size;
    }
    errno = EAGAIN;
    return i ? (int) i : -1;
}

static ssize_t
fake_recvmsg(int fd, struct msghdr *msg, int flags)
{
    (void) fd;
    (void) flags;
    if (n_taken == n_datagrams) {
        errno = ENOBUFS;
        return -1;
    }
    if (datagrams[n_taken].error) {
        errno = datagrams[n_taken++].error;
        return -1;
    }
    hand_over(msg, &datagrams[n_taken]);
    return (ssize_t) datagrams[n_taken++].size;
}

static ssize_t
fake_sendto(int fd, const void *data, size_t size, int flags,
            const struct sockaddr *to, socklen_t to_size)
{
    struct nlmsghdr header;

    (void) fd;
    (void) flags;
    (void) to;
    (void) to_size;
    memcpy(&header, data, sizeof header);
    request_seq = header.nlmsg_seq;
    /* Answers were made before its number was known. */
    for (size_t i = 0; i < n_datagrams; i++) {
        struct datagram *d = &datagrams[i];

        for (size_t at = 0; at + sizeof header <= d->size;) {
            memcpy(&header, d->data + at, sizeof header);
            header.nlmsg_seq += request_seq;
            memcpy(d->data + at, &header, sizeof header);
            if (header.nlmsg_len < sizeof header) {
                break;
            }
            at += (header.nlmsg_len + 3u) & ~3u;
        }
    }
    return (ssize_t) size;
}

static int
on_message(void *aux, uint16_t type, const void *payload, size_t len)
{
    (void) aux;
    (void) payload;
    (void) len;
    assert_true(n_messages < 16);
    types[n_messages++] = type;
    return type == RTM_DELCHAIN ? -EBADMSG : 0; /* Makes no sense within. */
}

static int
set_up(void **state)
{
    (void) state;
    memset(datagrams, 0, sizeof datagrams);
    n_datagrams = n_taken = n_messages = 0;
    return 0;
}

/* Adds a message that says it has 'len' bytes, and has 'size', to the last
 * datagram. */
static void
add(uint16_t type, uint32_t len, uint32_t size, uint32_t seq, uint16_t flags)
{
    struct datagram *d = &datagrams[n_datagrams - 1];
    struct nlmsghdr header = { .nlmsg_len = len,
                               .nlmsg_type = type,
                               .nlmsg_flags = flags,
                               .nlmsg_seq = seq };
    size_t copied = size < sizeof header ? size : sizeof header;

    memcpy(d->data + d->size, &header, copied);
    d->size += size;
}

static void
add_datagram(void)
{
    n_datagrams++;
}

static void
add_error(int error)
{
    datagrams[n_datagrams++].error = error;
}

static int
receive(void)
{
    return vdpad_track_receive(7, on_message, NULL);
}

static void
test_sound(void **state)
{
    (void) state;
    assert_int_equal(receive(), 0);
    add_datagram();
    add(RTM_NEWTFILTER, 36, 36, 0, 0);
    add(RTM_DELTFILTER, 21, 24, 0, 0); /* Padded. */
    add_datagram();
    add(RTM_NEWQDISC, 16, 16, 0, 0);
    assert_int_equal(receive(), 1);
    assert_int_equal(n_messages, 3);
    assert_int_equal(types[1], RTM_DELTFILTER);
    assert_int_equal(receive(), 0);
}

/* Each between two that are sound. */
static void
test_refused(void **state)
{
    static const struct {
        uint32_t len, size;
        size_t n; /* Messages handed on. */
    } cases[] = {
        { 36, 8, 2 },          /* Cut within the header. */
        { 8, 16, 2 },          /* Shorter than its header. */
        { 0, 16, 2 },          /* No end. */
        { 40, 36, 2 },         /* Longer than what came. */
        { UINT32_MAX, 36, 2 }, /* Likewise, and near the end of numbers. */
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        set_up(state);
        add_datagram();
        add(RTM_NEWTFILTER, 36, 36, 0, 0);
        add(RTM_NEWTFILTER, cases[i].len, cases[i].size, 0, 0);
        add_datagram();
        add(RTM_NEWQDISC, 36, 36, 0, 0);
        assert_int_equal(receive(), -EBADMSG);
        assert_int_equal(n_messages, cases[i].n);
        assert_int_equal(types[1], RTM_NEWQDISC);
    }
    /* More than there was room for. */
    set_up(state);
    add_datagram();
    add(RTM_NEWTFILTER, 36, 36, 0, 0);
    datagrams[0].is_cut = true;
    add_datagram();
    add(RTM_NEWQDISC, 36, 36, 0, 0);
    assert_int_equal(receive(), -EBADMSG);
    assert_int_equal(n_messages, 1);
    /* Refused by who takes it: what follows is handed on. */
    set_up(state);
    add_datagram();
    add(RTM_DELCHAIN, 36, 36, 0, 0);
    add(RTM_NEWQDISC, 36, 36, 0, 0);
    assert_int_equal(receive(), -EBADMSG);
    assert_int_equal(n_messages, 2);
}

/* The loss is told, and what comes behind it is handed on; an interrupted call
 * has lost nothing. */
static void
test_lost(void **state)
{
    (void) state;
    add_datagram();
    add(RTM_NEWTFILTER, 36, 36, 0, 0);
    add_error(ENOBUFS);
    add_error(EINTR);
    add_datagram();
    add(RTM_NEWQDISC, 36, 36, 0, 0);
    add_error(EBADF);
    assert_int_equal(receive(), 1);
    assert_int_equal(n_messages, 1);
    assert_int_equal(receive(), -ENOBUFS);
    assert_int_equal(receive(), 1);
    assert_int_equal(n_messages, 1);
    assert_int_equal(receive(), 1);
    assert_int_equal(n_messages, 2);
    assert_int_equal(types[1], RTM_NEWQDISC);
    assert_int_equal(receive(), -EBADF);
    assert_int_equal(receive(), 0);
}

/* Any process may send to the socket. */
static void
test_not_the_kernel(void **state)
{
    (void) state;
    add_datagram();
    add(RTM_NEWTFILTER, 36, 36, 0, 0);
    datagrams[0].sender = 4711;
    add_datagram();
    add(RTM_NEWTFILTER, 99, 36, 0, 0);
    datagrams[1].sender = 4711;
    assert_int_equal(receive(), 1);
    assert_int_equal(n_messages, 0);
}

static int
dump(bool *is_broken)
{
    struct vdpad_error why;

    return vdpad_track_dump(7, vdpad_nl_msg(RTM_GETTFILTER, NLM_F_DUMP), 0,
                            on_message, NULL, NULL, is_broken, "dump", &why);
}

static void
test_dump(void **state)
{
    bool is_broken;

    (void) state;
    add_datagram();
    add(RTM_NEWTFILTER, 36, 36, 0, 0);
    add(RTM_NEWTFILTER, 36, 36, 99, 0); /* Of an earlier dump. */
    add_datagram();
    add(NLMSG_NOOP, 16, 16, 0, 0);
    add(NLMSG_DONE, 20, 20, 0, 0);
    assert_int_equal(dump(&is_broken), 0);
    assert_false(is_broken);
    assert_int_equal(n_messages, 1);

    set_up(state);
    add_datagram();
    add(RTM_NEWTFILTER, 36, 36, 0, NLM_F_DUMP_INTR);
    add(NLMSG_DONE, 20, 20, 0, 0);
    assert_int_equal(dump(&is_broken), -EINTR);
    assert_false(is_broken);

    /* A message that cannot be understood makes no dump, though it goes on to
     * its end. */
    set_up(state);
    add_datagram();
    add(RTM_DELCHAIN, 36, 36, 0, 0);
    add(NLMSG_DONE, 20, 20, 0, 0);
    assert_int_equal(dump(&is_broken), -EBADMSG);
    assert_false(is_broken);
    assert_int_equal(n_taken, 1);

    /* An interrupted call is made again, a loss is the end. */
    set_up(state);
    add_datagram();
    add(RTM_NEWTFILTER, 36, 36, 0, 0);
    add_error(EINTR);
    add_datagram();
    add(NLMSG_DONE, 20, 20, 0, 0);
    assert_int_equal(dump(&is_broken), 0);
    assert_int_equal(n_messages, 1);
    set_up(state);
    add_datagram();
    add(RTM_NEWTFILTER, 36, 36, 0, 0);
    add_error(ENOBUFS);
    add_datagram();
    add(NLMSG_DONE, 20, 20, 0, 0);
    assert_int_equal(dump(&is_broken), -ENOBUFS);
    assert_true(is_broken);

    /* The end does not come. */
    set_up(state);
    add_datagram();
    add(RTM_NEWTFILTER, 36, 36, 0, 0);
    assert_int_equal(dump(&is_broken), -ENOBUFS);
    assert_true(is_broken);
}

static void
test_broken_dumps(void **state)
{
    static const struct {
        uint16_t type;
        uint32_t len, size;
        int32_t number; /* Behind the header. */
    } cases[] = {
        { RTM_NEWTFILTER, 36, 8, 0 },    { RTM_NEWTFILTER, 8, 36, 0 },
        { RTM_NEWTFILTER, 99, 36, 0 },   { NLMSG_OVERRUN, 16, 16, 0 },
        { NLMSG_ERROR, 18, 20, 0 },      { NLMSG_ERROR, 20, 20, INT32_MIN },
        { NLMSG_ERROR, 36, 36, 0 },      { NLMSG_ERROR, 36, 36, 1 },
        { NLMSG_DONE, 20, 20, -100000 },
    };
    bool is_broken;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        set_up(state);
        add_datagram();
        add(cases[i].type, cases[i].len, cases[i].size, 0, 0);
        memcpy(datagrams[0].data + 16, &cases[i].number, 4);
        assert_int_equal(dump(&is_broken), -EBADMSG);
        assert_true(is_broken);
        assert_int_equal(n_messages, 0);
    }
    set_up(state);
    add_datagram();
    add(NLMSG_DONE, 20, 20, 0, 0);
    datagrams[0].is_cut = true;
    assert_int_equal(dump(&is_broken), -EBADMSG);
    assert_true(is_broken);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup(NAME, set_up)
    const struct CMUnitTest tests[] = {
        TEST(test_sound),          TEST(test_refused), TEST(test_lost),
        TEST(test_not_the_kernel), TEST(test_dump),    TEST(test_broken_dumps)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
