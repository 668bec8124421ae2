/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon and its helper processes say to each other over a stream
 * socket.  Both ends are one program, so the messages are plain structures;
 * lengths are checked all the same.
 *
 * The daemon sends one request at a time and waits for its reply: a batch of
 * steps is sent step by step.  So a helper that was given up never has more to
 * do than the one thing that it hangs in. */
#ifndef VDPAD_NETLINK_PROTOCOL_H
#define VDPAD_NETLINK_PROTOCOL_H 1

#include <vdpad/action.h>
#include <vdpad/error.h>
#include <vdpad/flow-query.h>
#include <vdpad/model.h>

/* Command line of a helper: PROGRAM VDPAD_WORKER_OPTION ROLE. */
#define VDPAD_WORKER_OPTION "--helper-process-of-ovs-vdpad"

/* Its end of the socket. */
#define VDPAD_WORKER_FD 3

/* The locked file that only lies open in those that do steps, for as long as
 * they live (former.c). */
#define VDPAD_WORKER_LOCK_FD 4
#define VDPAD_WORKER_STEP "step"

/* Role of the helper that watches devlink and sends replies unasked; the
 * others serve requests, under any name. */
#define VDPAD_WORKER_WATCH "watch"

/* Role of the helper that tracks flower filters: serves requests, and sends
 * replies unasked beside. */
#define VDPAD_WORKER_TRACK "track"

enum vdpad_request_kind {
    VDPAD_REQUEST_OBSERVE, /* 'class_'. */
    VDPAD_REQUEST_STEP,    /* 'act'. */
    VDPAD_REQUEST_SUSPECT, /* Answered by the text. */
    VDPAD_REQUEST_QUERY,   /* 'query'. */
};

struct vdpad_wire_request {
    uint32_t kind; /* enum vdpad_request_kind. */
    int32_t class_;
    struct vdpad_act act;
    struct vdpad_flow_query query;
};

/* Begins a reply; rows follow. */
struct vdpad_wire_reply {
    uint64_t size;        /* Bytes that follow. */
    int32_t error;        /* 0 or a negative errno. */
    uint32_t more;        /* Of a query: there are others behind these. */
    uint32_t is_unasked;  /* Of the tracker: no answer, nothing follows. */
    uint32_t classes;     /* Unasked: what may have changed, */
    uint32_t lost;        /* of these, because events were lost. */
    uint64_t interrupted; /* Counted since the last reply. */
    uint64_t malformed;
    uint64_t overruns;
    uint64_t repaired;  /* Of the tracker: differences that it found, */
    uint32_t flows;     /* filters that it keeps, */
    uint32_t untracked; /* and those past its limit. */
    char text[VDPAD_ERROR_TEXT];
};

/* A hundred thousand rows of the largest kind are some 30 MB. */
#define VDPAD_WIRE_MAX_SIZE (256u << 20)

#endif
