/* SPDX-License-Identifier: Apache-2.0 */
/* The helper process that listens to devlink, whose socket brings what a test
 * says: each loss is told, with all classes that it may concern; and it goes
 * on.
 *
 * wrap: fcntl recvmsg */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/devlink.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <netlink/socket.h>

#include "netlink/transport.h"
#include "netlink/watch.h"

#define FAMILY 21
#define GROUP 9

static int fake_open(struct vdpad_nl *nl, int protocol,
                     struct vdpad_error *why);
static int fake_family(struct vdpad_nl *nl, const char *name,
                       struct vdpad_genl_family *family,
                       struct vdpad_error *why);
static int fake_poll(struct pollfd *fds, nfds_t n, int timeout);
static int fake_setsockopt(int fd, int level, int name, const void *value,
                           socklen_t size);
static bool fake_reply(const struct vdpad_wire_reply *reply, const void *rows);

#undef fail /* Of cmocka's. */
#define vdpad_nl_open fake_open
#define vdpad_nl_family fake_family
#define vdpad_worker_reply fake_reply
#define poll fake_poll
#define setsockopt fake_setsockopt
#define nl_socket_get_fd(SOCK) ((void) (SOCK), 7)
#include "netlink/watch.c"

/* What comes, in this order. */
enum what {
    END,      /* The daemon goes. */
    NEW_PORT, /* One that concerns us. */
    OTHER,    /* One that does not. */
    SHORT,    /* One that cannot be understood. */
    NOTHING,  /* EAGAIN. */
    INTERRUPTED,
    LOST /* ENOBUFS. */
};

static struct {
    const enum what *next;
    bool is_refused; /* Membership. */
    struct vdpad_wire_reply replies[8];
    size_t n_replies;
} t;

static int
fake_open(struct vdpad_nl *nl, int protocol, struct vdpad_error *why)
{
    (void) why;
    assert_int_equal(protocol, NETLINK_GENERIC);
    nl->protocol = protocol;
    nl->sock = nl_socket_alloc();
    assert_non_null(nl->sock);
    return 0;
}

static int
fake_family(struct vdpad_nl *nl, const char *name,
            struct vdpad_genl_family *family, struct vdpad_error *why)
{
    (void) nl;
    (void) why;
    assert_string_equal(name, "devlink");
    memset(family, 0, sizeof *family);
    family->id = FAMILY;
    family->n_groups = 1;
    strcpy(family->groups[0].name, "config");
    family->groups[0].id = GROUP;
    return 0;
}

static int
fake_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    (void) fd;
    assert_int_equal(level, SOL_NETLINK);
    assert_int_equal(name, NETLINK_ADD_MEMBERSHIP);
    assert_int_equal(size, sizeof(uint32_t));
    assert_int_equal(*(const uint32_t *) value, GROUP);
    errno = EPERM;
    return t.is_refused ? -1 : 0;
}

int __wrap_fcntl(int fd, int cmd, ...);
int
__wrap_fcntl(int fd, int cmd, ...)
{
    assert_int_equal(fd, 7);
    assert_int_equal(cmd, F_SETFL);
    return 0;
}

static int
fake_poll(struct pollfd *fds, nfds_t n, int timeout)
{
    assert_int_equal(n, 2);
    assert_int_equal(timeout, -1);
    fds[0].revents = *t.next == END ? POLLHUP : 0;
    fds[1].revents = *t.next == END ? 0 : POLLIN;
    return 1;
}

static bool
fake_reply(const struct vdpad_wire_reply *reply, const void *rows)
{
    assert_null(rows);
    assert_true(t.n_replies < sizeof t.replies / sizeof t.replies[0]);
    t.replies[t.n_replies++] = *reply;
    return true;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t
__wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
    struct {
        struct nlmsghdr header;
        struct genlmsghdr genl;
    } message = {
        .header = { .nlmsg_len = sizeof message, .nlmsg_type = FAMILY },
    };
    enum what what = *t.next;

    (void) fd;
    assert_int_equal(flags, MSG_DONTWAIT);
    t.next += what != END;
    if (what == END || what == NOTHING || what == INTERRUPTED
        || what == LOST) {
        errno = what == LOST ? ENOBUFS : what == INTERRUPTED ? EINTR : EAGAIN;
        return -1;
    }
    message.genl.cmd = what == OTHER ? DEVLINK_CMD_TRAP_NEW
                                     : DEVLINK_CMD_PORT_NEW;
    message.header.nlmsg_len += what == SHORT;
    memset(msg->msg_name, 0, sizeof(struct sockaddr_nl));
    memcpy(msg->msg_iov[0].iov_base, &message, sizeof message);
    msg->msg_flags = 0;
    return sizeof message;
}

static int
set_up(void **state)
{
    (void) state;
    memset(&t, 0, sizeof t);
    return 0;
}

static int
watch(const enum what *script)
{
    t.next = script;
    t.n_replies = 0;
    return vdpad_watch_main();
}

/* What the 'i'th reply says. */
static void
expect(size_t i, unsigned int overruns, unsigned int malformed)
{
    assert_true(i < t.n_replies);
    assert_int_equal(t.replies[i].error, 0);
    assert_int_equal(t.replies[i].classes, DEVLINK_CLASSES);
    assert_int_equal(t.replies[i].overruns, overruns);
    assert_int_equal(t.replies[i].malformed, malformed);
}

static void
test_announcements(void **state)
{
    (void) state;
    assert_int_equal(watch((enum what[]){ OTHER, NOTHING, NEW_PORT,
                                          INTERRUPTED, NEW_PORT, NOTHING,
                                          END }),
                     EXIT_SUCCESS);
    /* That it listens, and one for what came at once. */
    assert_int_equal(t.n_replies, 2);
    expect(0, 0, 0);
    expect(1, 0, 0);
}

static void
test_losses(void **state)
{
    (void) state;
    assert_int_equal(watch((enum what[]){ LOST, NEW_PORT, LOST, SHORT, OTHER,
                                          LOST, NEW_PORT, NOTHING, END }),
                     EXIT_SUCCESS);
    assert_int_equal(t.n_replies, 6);
    expect(0, 0, 0);
    expect(1, 1, 0);
    expect(2, 1, 0); /* Though there was something before. */
    expect(3, 0, 1);
    expect(4, 1, 0); /* Though that was none of ours. */
    expect(5, 0, 0);
}

static void
test_refused(void **state)
{
    (void) state;
    t.is_refused = true;
    assert_int_equal(watch((enum what[]){ END }), EXIT_FAILURE);
    assert_int_equal(t.n_replies, 1);
    assert_int_equal(t.replies[0].error, -EPERM);
    assert_non_null(strstr(t.replies[0].text, "join devlink's group"));
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup(NAME, set_up)
    const struct CMUnitTest tests[] = { TEST(test_announcements),
                                        TEST(test_losses),
                                        TEST(test_refused) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
