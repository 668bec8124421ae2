/* SPDX-License-Identifier: Apache-2.0 */
/* The helper process. */
#include <vdpad/netlink-kernel.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attrs.h"
#include "holders.h"
#include "observe.h"
#include "protocol.h"
#include "query.h"
#include "step.h"
#include "track.h"
#include "watch.h"

bool
vdpad_worker_is_wanted(int argc, char *argv[])
{
    struct stat status;

    return argc == 3 && !strcmp(argv[1], VDPAD_WORKER_OPTION)
           && !fstat(VDPAD_WORKER_FD, &status) && S_ISSOCK(status.st_mode);
}

/* Whether the daemon has gone, or has given us up. */
static bool
is_abandoned(void)
{
    struct pollfd pollfd = { .fd = VDPAD_WORKER_FD };

    return poll(&pollfd, 1, 0) > 0 && (pollfd.revents & (POLLHUP | POLLERR));
}

bool
vdpad_worker_request(struct vdpad_wire_request *request)
{
    size_t got = 0;

    while (got < sizeof *request) {
        ssize_t n = recv(VDPAD_WORKER_FD, (char *) request + got,
                         sizeof *request - got, 0);

        if (n > 0) {
            got += (size_t) n;
        } else if (!n || errno != EINTR) {
            return false;
        }
    }
    return !is_abandoned();
}

/* Both parts in one piece as far as there is room: the daemon is woken once
 * for them. */
bool
vdpad_worker_reply(const struct vdpad_wire_reply *reply, const void *rows)
{
    struct iovec iov[2] = {
        { .iov_base = (void *) (uintptr_t) reply, .iov_len = sizeof *reply },
        { .iov_base = (void *) (uintptr_t) rows, .iov_len = reply->size },
    };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

    while (iov[0].iov_len || iov[1].iov_len) {
        ssize_t n = sendmsg(VDPAD_WORKER_FD, &msg, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR) {
            return false;
        }
        for (int i = 0; i < 2 && n > 0; i++) {
            size_t part = (size_t) n < iov[i].iov_len ? (size_t) n
                                                      : iov[i].iov_len;

            iov[i].iov_base = (char *) iov[i].iov_base + part;
            iov[i].iov_len -= part;
            n -= (ssize_t) part;
        }
    }
    return true;
}

/* Serves one request; returns false when there is no one to tell. */
static bool
serve(struct vdpad_observer *observer,
      const struct vdpad_wire_request *request)
{
    struct vdpad_wire_reply reply;
    struct vdpad_error why = { .code = 0 };
    struct vdpad_rows rows = { .capacity = 0 };
    struct vdpad_page page = { .capacity = 0 };
    bool is_sent;

    memset(&reply, 0, sizeof reply);
    observer->interrupted = observer->malformed = 0;
    switch ((enum vdpad_request_kind) request->kind) {
    case VDPAD_REQUEST_OBSERVE:
        reply.error = vdpad_observe(observer,
                                    (enum vdpad_class) request->class_, &rows,
                                    &why);
        reply.size = (uint64_t) rows.picture.n * rows.picture.row_size;
        break;

    case VDPAD_REQUEST_STEP:
        reply.error = vdpad_step(observer, &request->act, &why);
        break;

    case VDPAD_REQUEST_SUSPECT:
        vdpad_holders_suspect(why.text, sizeof why.text);
        break;

    case VDPAD_REQUEST_QUERY:
        reply.error = vdpad_query(observer, &request->query, &page, &why);
        reply.size = (uint64_t) page.n * sizeof *page.flows;
        reply.more = page.more;
        break;

    default:
        reply.error = vdpad_error_set(&why, -EPROTO, "unknown request");
        break;
    }
    if (reply.error && !why.text[0]) {
        vdpad_error_set(&why, reply.error, "%s", strerror(-reply.error));
    }
    if (reply.error || request->kind == VDPAD_REQUEST_SUSPECT) {
        vdpad_text_copy(reply.text, sizeof reply.text, why.text);
    }
    reply.interrupted = observer->interrupted;
    reply.malformed = observer->malformed;
    is_sent = vdpad_worker_reply(&reply,
                                 page.flows ? page.flows : rows.picture.rows);
    vdpad_page_clear(&page);
    vdpad_rows_clear(&rows);
    return is_sent;
}

int
vdpad_worker_main(int argc, char *argv[])
{
    static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
    struct vdpad_observer observer = { .interrupted = 0 };
    struct vdpad_wire_request request;
    char name[16];

    (void) argc;
    /* The end of the daemon is the end of its helpers, not the signal that
     * ends it: what is being done is done to its end. */
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
        (void) signal(ignored[i], SIG_IGN);
    }
    (void) close_range(strcmp(argv[2], VDPAD_WORKER_STEP) != 0
                           ? VDPAD_WORKER_FD + 1
                           : VDPAD_WORKER_LOCK_FD + 1,
                       ~0U, 0);
    (void) snprintf(name, sizeof name, "vdpad-%s", argv[2]);
    (void) prctl(PR_SET_NAME, name);

    if (!strcmp(argv[2], VDPAD_WORKER_WATCH)) {
        return vdpad_watch_main();
    }
    if (!strcmp(argv[2], VDPAD_WORKER_TRACK)) {
        return vdpad_track_main();
    }
    while (vdpad_worker_request(&request)) {
        if (!serve(&observer, &request)) {
            break;
        }
    }
    vdpad_observer_done(&observer);
    return EXIT_SUCCESS;
}
