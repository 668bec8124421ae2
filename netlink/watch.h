/* SPDX-License-Identifier: Apache-2.0 */
/* The helper process that listens to devlink.
 *
 * Why a process: joining a multicast group of generic netlink takes the lock
 * that registering a family waits for (genl_bind(), net/netlink/genetlink.c,
 * 4.x to 6.12), and so does closing a socket that is in one.  While a request
 * of anyone hangs in the kernel and a module registers a family, both would
 * put the daemon itself to sleep.  So the daemon never has such a socket. */
#ifndef VDPAD_NETLINK_WATCH_H
#define VDPAD_NETLINK_WATCH_H 1

#include <stdbool.h>

#include "protocol.h"

/* Sends a reply each time something happened, the first one once it listens,
 * until the daemon closes its end.  Returns the exit status. */
int vdpad_watch_main(void);

/* Receives the next request.  Returns false when the daemon has gone, or has
 * given us up. */
bool vdpad_worker_request(struct vdpad_wire_request *request);

/* Sends 'reply' with the 'reply->size' bytes at 'rows' to the daemon, waiting
 * as long as it takes.  Returns false when it has gone. */
bool vdpad_worker_reply(const struct vdpad_wire_reply *reply,
                        const void *rows);

#endif
