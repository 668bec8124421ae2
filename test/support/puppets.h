/* SPDX-License-Identifier: Apache-2.0 */
/* Event sockets and helper processes that do what a test says, beneath the
 * daemon's side of the kernel adapter, with a clock that jumps.  A program
 * that uses them is linked with
 *
 *   wrap: vdpad_child_start vdpad_child_leave vdpad_child_reap
 *   wrap: vdpad_child_forget vdpad_loop_clock_ns
 *   wrap: socket setsockopt bind recvmsg
 */
#ifndef TEST_PUPPETS_H
#define TEST_PUPPETS_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netlink/kernel-private.h"

#define MAX_PUPPETS 128

/* A helper process. */
struct puppet {
    int pid; /* 0: none. */
    char role[16];
    int fd;                 /* Its end of the socket; -1: it has ended. */
    int pid_fd;             /* The daemon's. */
    bool is_left, is_stuck; /* Given up. */
};

enum puppet_event { PUPPET_ROUTE, PUPPET_UEVENT, PUPPET_N_EVENTS };

extern struct puppets {
    int64_t now_ns;
    struct puppet all[MAX_PUPPETS];
    int n_pids; /* Started so far. */
    int n_sockets, event_fds[PUPPET_N_EVENTS];

    /* What is received next, once; borrowed.  NULL: nothing. */
    const void *event[PUPPET_N_EVENTS];
    size_t event_len[PUPPET_N_EVENTS];
    int event_flags[PUPPET_N_EVENTS]; /* MSG_TRUNC. */
    int event_error[PUPPET_N_EVENTS]; /* First; a positive errno. */
} puppets;

/* Forgets everything; the clock is at 'now_ns'. */
void puppets_init(int64_t now_ns);

/* The first helper process of 'role' (NULL: any) from the place 'from' on, in
 * the order of a ring, that has not ended and was, or was not, given up.
 * NULL: there is none. */
struct puppet *puppets_find(const char *role, size_t from, bool is_left);

/* 'puppet' ends. */
void puppet_end(struct puppet *puppet);

/* 'puppet' sends a reply and 'rows', of the size that it tells. */
void puppet_reply(const struct puppet *puppet,
                  const struct vdpad_wire_reply *reply, const void *rows);

#endif
