/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel announces: links over rtnetlink, devices over uevents.
 * (devlink: see watch.h.)  An event tells what to look at again, never what is
 * there now.
 *
 * Neither protocol has a lock that could put the daemon to sleep here:
 * rtnetlink_bind() and the uevent socket take none. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel-private.h"
#include "link-codec.h"
#include "receive.h"
#include "uevent-codec.h"

/* The kernel's own group of uevents; udevd repeats them in the next one. */
#define UEVENT_GROUP_KERNEL 1

/* What a burst of thousands of devices needs. */
#define BUFFER_SIZE (4 << 20)

/* What each socket tells of, and so what is unknown after a loss. */
#define ROUTE_CLASSES                                           \
    (1u << VDPAD_LINK | 1u << VDPAD_FEATURE | 1u << VDPAD_QDISC \
     | 1u << VDPAD_FLOW)

static void
on_readable(struct vdpad_loop *loop, int fd, unsigned int events,
            void *socket_)
{
    (void) loop;
    (void) fd;
    (void) events;
    ((struct vdpad_event_socket *) socket_)->is_ready = true;
}

static int
open_socket(struct vdpad_netlink *netlink, struct vdpad_event_socket *es,
            int protocol, uint32_t group, struct vdpad_error *why)
{
    static const int size = BUFFER_SIZE;
    struct sockaddr_nl address = {
        .nl_family = AF_NETLINK,
        .nl_groups = 1u << (group - 1),
    };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    protocol);

    if (fd < 0) {
        return vdpad_error_set(why, -errno,
                               "netlink events of protocol %d: "
                               "%s",
                               protocol, strerror(errno));
    }
    /* The second for who lacks CAP_NET_ADMIN. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) {
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    if (bind(fd, (struct sockaddr *) &address, sizeof address)) {
        int error = -errno;

        (void) close(fd);
        return vdpad_error_set(why, error,
                               "netlink events of protocol %d: "
                               "bind: %s",
                               protocol, strerror(-error));
    }
    es->netlink = netlink;
    es->fd = fd;
    es->handle = vdpad_loop_add_fd(netlink->loop, fd, VDPAD_LOOP_READ,
                                   on_readable, es);
    return 0;
}

int
vdpad_events_open(struct vdpad_netlink *netlink, struct vdpad_error *why)
{
    int error;

    netlink->route_events.fd = -1;
    netlink->uevents.fd = -1;
    error = open_socket(netlink, &netlink->route_events, NETLINK_ROUTE,
                        RTNLGRP_LINK, why);
    if (!error) {
        error = open_socket(netlink, &netlink->uevents, NETLINK_KOBJECT_UEVENT,
                            UEVENT_GROUP_KERNEL, why);
    }
    if (error) {
        vdpad_events_destroy(netlink);
    }
    return error;
}

static int
on_route(void *netlink_, uint16_t type, const void *payload, size_t len)
{
    struct vdpad_netlink *netlink = netlink_;
    unsigned int classes = 0;
    int error = 0;

    switch (type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        error = vdpad_link_decode_event(type, payload, len, &classes);
        break;
    default:
        break;
    }
    netlink->changed |= classes;
    return error;
}

static int
on_uevent(void *netlink_, uint16_t type, const void *data, size_t len)
{
    struct vdpad_netlink *netlink = netlink_;
    unsigned int classes = 0;
    int error = vdpad_uevent_decode(data, len, &classes);

    (void) type;
    netlink->changed |= classes;
    return error;
}

/* Takes the result of receiving on 'es', which tells of 'classes'. */
static void
received(struct vdpad_event_socket *es, int error, unsigned int classes)
{
    struct vdpad_netlink *netlink = es->netlink;

    /* Anything else may have left more in the socket; the loop, which watches
     * levels, tells again. */
    es->is_ready = error != 0;
    if (error == -EBADMSG) {
        netlink->stats.malformed++;
        netlink->lost |= classes;
    } else if (error < 0) {
        /* ENOBUFS; whatever else there may be, something was not seen. */
        netlink->stats.overruns++;
        netlink->lost |= classes;
    }
}

void
vdpad_events_run(struct vdpad_netlink *netlink)
{
    struct vdpad_event_socket *es = &netlink->route_events;

    if (es->is_ready) {
        received(es, vdpad_receive(es->fd, on_route, netlink), ROUTE_CLASSES);
    }
    es = &netlink->uevents;
    if (es->is_ready) {
        received(es, vdpad_receive_text(es->fd, on_uevent, netlink),
                 VDPAD_ALL_CLASSES);
    }
}

static void
close_socket(struct vdpad_event_socket *es)
{
    vdpad_loop_del_fd(es->handle);
    es->handle = NULL;
    if (es->fd >= 0) {
        (void) close(es->fd);
        es->fd = -1;
    }
}

void
vdpad_events_destroy(struct vdpad_netlink *netlink)
{
    close_socket(&netlink->route_events);
    close_socket(&netlink->uevents);
}
