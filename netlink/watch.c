/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <netlink/socket.h>

#include "attrs.h"
#include "devlink-codec.h"
#include "receive.h"
#include "transport.h"
#include "uapi.h"


#define DEVLINK_CLASSES (1u << VDPAD_ESWITCH | 1u << VDPAD_DLPORT)

/* Joins the group and returns the socket's descriptor, or a negative errno
 * with 'why'. */
static int
join(struct vdpad_nl *nl, struct vdpad_genl_family *family,
     struct vdpad_error *why)
{
    int error = vdpad_nl_open(nl, NETLINK_GENERIC, why);

    if (!error) {
        error = vdpad_nl_family(nl, DEVLINK_GENL_NAME, family, why);
    }
    for (size_t i = 0; !error && i < family->n_groups; i++) {
        if (!strcmp(family->groups[i].name, DEVLINK_GENL_MCGRP_CONFIG_NAME)) {
            int fd = nl_socket_get_fd(nl->sock);

            return setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
                              &family->groups[i].id,
                              sizeof family->groups[i].id)
                           || fcntl(fd, F_SETFL, O_NONBLOCK)
                       ? vdpad_error_set(why, -errno,
                                         "join devlink's group: %s",
                                         strerror(errno))
                       : fd;
        }
    }
    return error ? error
                 : vdpad_error_set(why, -ENOENT, "devlink has no group \"%s\"",
                                   DEVLINK_GENL_MCGRP_CONFIG_NAME);
}

struct event {
    struct vdpad_wire_reply *reply;
    uint16_t family;
};

static int
on_event(void *event_, uint16_t type, const void *payload, size_t len)
{
    struct event *event = event_;
    unsigned int classes = 0;
    int error;

    if (type != event->family) {
        return 0;
    }
    error = vdpad_devlink_decode_event(payload, len, &classes);
    if (!error) {
        event->reply->classes |= classes;
    }
    return error;
}

int
vdpad_watch_main(void)
{
    struct vdpad_nl nl = { .sock = NULL };
    struct vdpad_genl_family family = { .id = 0 };
    struct vdpad_wire_reply reply;
    struct vdpad_error why;
    struct event event = { .reply = &reply };
    int fd = join(&nl, &family, &why);

    memset(&reply, 0, sizeof reply);
    if (fd < 0) {
        reply.error = fd;
        vdpad_text_copy(reply.text, sizeof reply.text, why.text);
        (void) vdpad_worker_reply(&reply, NULL);
        vdpad_nl_close(&nl);
        return EXIT_FAILURE;
    }
    event.family = family.id;
    /* What happened before this was not seen. */
    reply.classes = DEVLINK_CLASSES;
    while (!reply.classes || vdpad_worker_reply(&reply, NULL)) {
        struct pollfd fds[2] = {
            { .fd = VDPAD_WORKER_FD, .events = POLLIN },
            { .fd = fd, .events = POLLIN },
        };
        int error;

        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            break;
        }
        if (fds[0].revents) {
            /* Nothing is ever asked: the daemon has gone. */
            break;
        }
        memset(&reply, 0, sizeof reply);
        error = vdpad_receive(fd, on_event, &event);
        if (error == -EBADMSG || error == -ENOBUFS) {
            reply.malformed = error == -EBADMSG;
            reply.overruns = error == -ENOBUFS;
            reply.classes = DEVLINK_CLASSES;
        } else if (error < 0) {
            break;
        }
    }
    vdpad_nl_close(&nl);
    return EXIT_SUCCESS;
}
